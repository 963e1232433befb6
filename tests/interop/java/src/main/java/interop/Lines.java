package interop;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32;

/** Lines of a file as bytes, whatever their encoding, and the queue that each belongs to. */
final class Lines {
    private Lines() {
    }

    static List<byte[]> of(Path file) throws IOException {
        List<byte[]> lines = new ArrayList<>();
        split(Files.readAllBytes(file), lines::add);
        return lines;
    }

    private static void split(byte[] text, Consumer<byte[]> each) {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (byte b : text) {
            if (b == '\n') {
                each.accept(line.toByteArray());
                line.reset();
            } else {
                line.write(b);
            }
        }
        if (line.size() > 0) {
            each.accept(line.toByteArray());
        }
    }

    /** The queue of a line: the CRC-32 of its first field (between spaces and tabs), modulo the number of queues. */
    static int queue(byte[] line, int queues) {
        int from = 0;
        while (from < line.length && blank(line[from])) {
            from++;
        }
        int to = from;
        while (to < line.length && !blank(line[to])) {
            to++;
        }
        CRC32 crc = new CRC32();
        crc.update(line, from, to - from);
        return (int) (crc.getValue() % queues);
    }

    private static boolean blank(byte b) {
        return b == ' ' || b == '\t';
    }
}
