#!/usr/bin/env python3
"""A reader of data directories, written from docs/storage.md alone; Python's standard library, nothing else.

    storage_reader.py DIR [SLOTS ENTRIES]

Reads the log, the queues by snapshot and files, the key index and the journal, compares them with each other, and prints a line of
JSON: what is there. Fails with a message at the first thing that is not as the document says.
"""

import json
import os
import re
import struct
import sys
import zlib

V1, V2, BLANK = 0xDAA320A7, 0xDAA320AB, 0xCBD43194


def fail(message):
    sys.exit(f"storage_reader: {message}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def names(directory, digits):
    if not os.path.isdir(directory):
        return []
    return sorted(n for n in os.listdir(directory) if re.fullmatch(r"\d{%d}" % digits, n))


def java_hash(text):
    value = 0
    units = text.encode("utf-16-be")
    for (unit,) in struct.iter_unpack(">H", units):
        value = (31 * value + unit) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def properties(data):
    found = {}
    for piece in data.decode("utf-8", "replace").split("\x02"):
        if "\x01" in piece:
            name, value = piece.split("\x01", 1)
            found[name] = value
    return found


def record(data, at, position):
    """The record at byte `at` of a file, or None where there are only zeros."""
    size, magic, crc, queue, _flag, offset, place, flags = struct.unpack_from(">IIIiiqqi", data, at)
    if size == 0 and magic == 0:
        return None
    if magic not in (V1, V2) or place != position:
        fail(f"no record at {position}: magic {magic:08X}, position {place}")
    p = at + 48 + (20 if flags & 0x10 else 8)
    (stored,) = struct.unpack_from(">q", data, p)
    p += 8 + (20 if flags & 0x20 else 8) + 4 + 8
    (length,) = struct.unpack_from(">i", data, p)
    body = data[p + 4 : p + 4 + length]
    p += 4 + length
    if zlib.crc32(body) & 0x7FFFFFFF != crc:
        fail(f"the body at {position} does not fit its CRC")
    if magic == V1:
        length, p = data[p], p + 1
    else:
        (length,), p = struct.unpack_from(">h", data, p), p + 2
    topic, p = data[p : p + length].decode(), p + length
    (length,) = struct.unpack_from(">h", data, p)
    if p + 2 + length != at + size:
        fail(f"the parts of the record at {position} do not add up")
    return {
        "position": position, "size": size, "queue": queue, "offset": offset, "flags": flags, "stored": stored,
        "topic": topic, "properties": properties(data[p + 2 : p + 2 + length]),
    }


def log(directory):
    files = names(f"{directory}/commitlog", 20)
    for name in files:
        data = read(f"{directory}/commitlog/{name}")
        base, at = int(name), 0
        while at + 8 <= len(data):
            size, magic = struct.unpack_from(">II", data, at)
            if magic == BLANK:
                if size != len(data) - at:
                    fail(f"a blank of {size} bytes where {len(data) - at} are left in {name}")
                break
            found = record(data, at, base + at)
            if found is None:
                if data[at:].strip(b"\0"):
                    fail(f"behind the log's end at {base + at} are not only zeros")
                return
            yield found
            at += found["size"]


class Varints:
    """The contents of a snapshot's frame."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self):
        first = self.take(1)[0]
        width = {0xFB: 2, 0xFC: 4, 0xFD: 8}.get(first)
        return first if width is None else int.from_bytes(self.take(width), "little")

    def signed(self):
        number = self.number()
        return number >> 1 if number & 1 == 0 else -(number >> 1) - 1

    def data_of_length(self):
        return self.take(self.number())


def snapshot(directory, state):
    """Log position and queues of the newest snapshot of this life of the directory."""
    newest = None
    for slot in (0, 1):
        path = f"{directory}/mainstem/snapshot-{slot}"
        if not os.path.exists(path):
            continue
        data = read(path)
        if data[:12] != b"MSSNAPS1" + struct.pack(">I", 1):
            fail(f"{path} is no snapshot")
        at, queues, head = 12, {}, None
        while at < len(data):
            length, crc = struct.unpack_from(">II", data, at)
            content = data[at + 8 : at + 8 + length]
            at += 8 + length
            if zlib.crc32(content) != crc:
                fail(f"a frame of {path} does not fit its CRC")
            frame = Varints(content)
            kind = frame.number()
            if kind == 0:
                head = {"sequence": frame.number(), "state": frame.number(), "position": frame.number()}
            elif kind == 1:
                for _ in range(frame.number()):
                    topic, queue = frame.data_of_length().decode(), frame.signed()
                    queues[topic, queue] = (frame.number(), frame.number(), frame.data_of_length())
            elif frame.number() != len(queues):
                fail(f"{path} does not hold all its queues")
        if head["state"] == state and (newest is None or newest[0]["sequence"] < head["sequence"]):
            newest = (head, queues)
    return newest


def floor(directory, state):
    data, newest = read(f"{directory}/mainstem/floor").ljust(8192, b"\0"), None
    for at in (0, 4096):
        magic, version, kind, sequence, position, owner, _ms, _touched, _zero, crc = struct.unpack_from(">8sIIQQQqQII", data, at)
        if magic == b"MSFLOOR\n" and version == 1 and zlib.crc32(data[at : at + 60]) == crc and owner == state:
            newest = max(newest or (0, 0, 0), (sequence, position, kind))
    return newest


def journal(directory, state):
    data, tables = read(f"{directory}/mainstem/journal"), {}
    if data[:16] != b"MSJOURN1" + struct.pack(">Q", state) or zlib.crc32(data[:16]) != int.from_bytes(data[16:20], "big"):
        fail("the journal's head is not that of this directory")
    at, last = 20, 0
    while at + 12 <= len(data):
        magic, length, crc = struct.unpack_from(">4sII", data, at)
        content = data[at + 12 : at + 12 + length]
        if magic != b"MSJR" or zlib.crc32(content) != crc:
            break
        (sequence,) = struct.unpack_from(">Q", content)
        if sequence <= last:
            fail("sequence numbers of the journal do not grow")
        last, p = sequence, 8
        while p < len(content):
            kind, table, key, value = struct.unpack_from(">BBHI", content, p)
            name = content[p + 8 : p + 8 + key].decode()
            tables.setdefault(table, {}).pop(name, None)
            if kind == 1:
                tables[table][name] = content[p + 8 + key : p + 8 + key + value]
            p += 8 + key + value
        at += 12 + length
    return tables


def unit_of_file(directory, topic, queue, offset, cache):
    place = f"{directory}/consumequeue/{topic}/{queue}"
    files = cache.setdefault((topic, queue), {int(n): read(f"{place}/{n}") for n in names(place, 20)})
    for base, data in files.items():
        if base <= offset * 20 < base + len(data):
            return data[offset * 20 - base :][:20]
    fail(f"no file holds unit {offset} of {topic}/{queue}")


def index_positions(directory, key_hash, slots, entries):
    for name in names(f"{directory}/index", 17):
        data = read(f"{directory}/index/{name}")
        if len(data) != 40 + 4 * slots + 20 * entries:
            fail(f"index/{name} has {len(data)} bytes")
        (number,) = struct.unpack_from(">I", data, 40 + 4 * (key_hash % slots))
        while number:
            found, position, _seconds, previous = struct.unpack_from(">IqII", data, 40 + 4 * slots + 20 * number)
            if found == key_hash:
                yield position
            if previous >= number:
                fail("a chain does not lead to older entries")
            number = previous


def main():
    directory = sys.argv[1]
    slots, entries = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (5_000_000, 20_000_000)
    text = read(f"{directory}/lock").decode("latin1")
    match = re.fullmatch(r"mainstem ([0-9a-f]{16})\n", text)
    if not match:
        fail("Mainstem did not write this directory last")
    state = int(match[1], 16)
    closed = not os.path.exists(f"{directory}/abort")
    head, queues = snapshot(directory, state)
    deletions = {t: int.from_bytes(v[:8], "big") for t, v in journal(directory, state).get(6, {}).items()}
    counts, keys, end, cache = {}, 0, 0, {}
    for message in log(directory):
        end = message["position"] + message["size"]
        kind = message["flags"] & 0xC
        if kind in (0x4, 0xC) or message["position"] < deletions.get(message["topic"], 0):
            continue
        place, offset = (message["topic"], message["queue"]), message["offset"]
        if counts.setdefault(place, offset) != offset and offset != 0:
            fail(f"message {offset} of {place} where {counts[place]} is next")
        counts[place] = offset + 1
        if message["position"] >= head["position"]:
            continue
        _minimum, tail_start, tail = queues[place]
        if offset >= tail_start:
            unit = tail[20 * (offset - tail_start) :][:20]
        else:
            unit = unit_of_file(directory, *place, offset, cache)
        tag = message["properties"].get("TAGS")
        if unit != struct.pack(">qIq", message["position"], message["size"], java_hash(tag) if tag else 0):
            fail(f"the unit of message {offset} of {place} is {unit.hex()}")
        for key in message["properties"].get("KEYS", "").split():
            value = abs(java_hash(f"{place[0]}#{key}"))
            if message["position"] not in index_positions(directory, value & 0x7FFFFFFF, slots, entries):
                fail(f"key {key} of message {offset} of {place} is not in the index")
            keys += 1
    for place, (_minimum, tail_start, tail) in queues.items():
        if closed and place in counts and tail_start + len(tail) // 20 != counts[place]:
            fail(f"the snapshot counts another end of {place}")
    newest = floor(directory, state)
    if closed and newest[1:] != (end, 2):
        fail(f"the floor says {newest}, the log ends at {end}")
    print(json.dumps({"end": end, "messages": sum(counts.values()), "queues": len(counts), "keys": keys, "closed": closed}))


if __name__ == "__main__":
    main()
