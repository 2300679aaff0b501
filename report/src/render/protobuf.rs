//! Writes messages in the wire format of Protocol Buffers: fields of a number and a value, one after the other. A field that has
//! its default value (0, an empty text) is left out, as the third version of the language asks.
//!
//! Source: protobuf.dev, "Encoding".

/// Wire types: how the value of a field is written.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;

/// A message under construction.
#[derive(Debug, Default)]
pub(in crate::render) struct ProtoMessage(Vec<u8>);

impl ProtoMessage {
    /// Returns a message with the fields that `fill` adds.
    pub(in crate::render) fn new(fill: impl FnOnce(&mut Self)) -> Self {
        let mut message = Self::default();
        fill(&mut message);
        message
    }

    /// Returns the bytes of the message.
    pub(in crate::render) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Adds a message; an empty one, too.
    pub(in crate::render) fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        let inner = Self::new(fill);
        self.delimited(field, &inner.0);
    }

    /// Adds a text.
    pub(in crate::render) fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    /// Adds a text, also an empty one: in a choice of types the field shows which one it is.
    pub(in crate::render) fn chosen_text(&mut self, field: u32, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// Adds bytes.
    pub(in crate::render) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.delimited(field, bytes);
        }
    }

    /// Adds a number of the types `uint64`, `bool` and enumerations, and an `int64` that is not negative.
    pub(in crate::render) fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, VARINT);
            self.varint(number);
        }
    }

    /// Adds a number of the type `fixed64`.
    pub(in crate::render) fn fixed64(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.tag(field, FIXED64);
            self.0.extend(number.to_le_bytes());
        }
    }

    /// Adds a `double`, also 0: in a choice of types the field shows which one it is.
    pub(in crate::render) fn double(&mut self, field: u32, number: f64) {
        self.tag(field, FIXED64);
        self.0.extend(number.to_le_bytes());
    }

    fn delimited(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, LENGTH_DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, number: u64) {
        varint(number, &mut self.0);
    }
}

/// Writes a number in groups of seven bits, the lowest first.
pub(in crate::render) fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    // The examples of the page "Encoding": a varint of 150 in field 1, "testing" in field 2, and a message in field 3.
    #[test]
    fn fields_are_those_of_the_specification() {
        let message = ProtoMessage::new(|message| {
            message.number(1, 150);
            message.text(2, "testing");
            message.message(3, |inner| inner.number(1, 150));
            message.number(4, 0);
            message.text(5, "");
        });
        let expected = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
            &[0x1a, 0x03, 0x08, 0x96, 0x01],
        ];
        assert_eq!(message.into_bytes(), expected.concat());
        let numbers = ProtoMessage::new(|message| {
            message.double(1, 1.0);
            message.fixed64(2, 1);
        });
        assert_eq!(numbers.into_bytes(), [9, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 17, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
