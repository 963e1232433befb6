//! Writes the few objects that no strict JSON library writes: those whose keys are themselves objects. Promises compact
//! text, members in the order given; everything else is left to `serde_json`.

use serde::Serialize;

/// Writes one JSON object, member by member, to the end of a buffer.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// A member with a quoted name.
    pub fn field<V: Serialize + ?Sized>(&mut self, name: &str, value: &V) -> &mut Self {
        self.raw(name, |out| write_value(out, value))
    }

    /// A member with a quoted name whose value `write` puts down itself, as exactly one JSON value.
    pub fn raw(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.key(name);
        write(self.out);
        self
    }

    /// A member whose key is an object, unquoted: the only form of such maps that every Java client reads.
    pub fn object_key<K: Serialize + ?Sized>(
        &mut self,
        key: &K,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> &mut Self {
        self.key(key);
        write(self.out);
        self
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }

    fn key<K: Serialize + ?Sized>(&mut self, key: &K) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        write_value(self.out, key);
        self.out.push(b':');
    }
}

/// Writes one value as compact JSON.
#[expect(
    clippy::expect_used,
    reason = "writing to memory cannot fail, and the protocol's types have only string and number keys"
)]
pub(crate) fn write_value<V: Serialize + ?Sized>(out: &mut Vec<u8>, value: &V) {
    serde_json::to_writer(out, value).expect("a protocol type is always valid JSON");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn object_keys_are_written_unquoted_and_compact() {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        object.raw("offsetTable", |out| {
            let mut table = ObjectWriter::new(out);
            for queue_id in 0..2 {
                table.object_key(&json!({"topic": "T\"", "queueId": queue_id}), |out| {
                    write_value(out, &queue_id)
                });
            }
            table.end();
        });
        object.field("tps", &0.0);
        object.end();
        let text = r#"{"offsetTable":{{"topic":"T\"","queueId":0}:0,{"topic":"T\"","queueId":1}:1},"tps":0.0}"#;
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn an_empty_object_is_closed() {
        let mut out = Vec::new();
        ObjectWriter::new(&mut out).end();
        assert_eq!(out, b"{}");
    }
}
