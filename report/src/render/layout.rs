//! How a report's JSON is laid out: indented, but lists of numbers on one line, since a curve has hundreds of them.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};

/// A value as indented JSON.
///
/// # Errors
/// What its serialization says.
pub(super) fn indented(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Lines::default()))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// [`PrettyFormatter`], except that a line break in a list waits for what follows: none before a number or null.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
    /// In a list, before an element: whether it is the first.
    before: Option<bool>,
    /// Whether the last element of the list was written without a line break.
    inline: bool,
}

impl Lines {
    /// An element that has lines of its own.
    fn break_line<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inline = false;
        self.before.take().map_or(Ok(()), |first| self.pretty.begin_array_value(out, first))
    }

    /// An element without.
    fn go_on<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.before.take() {
            Some(first) => {
                self.inline = true;
                if first { Ok(()) } else { out.write_all(b", ") }
            }
            None => Ok(()),
        }
    }
}

macro_rules! numbers {
    ($($name:ident: $number:ty),*) => {$(
        fn $name<W: ?Sized + Write>(&mut self, out: &mut W, value: $number) -> io::Result<()> {
            self.go_on(out)?;
            self.pretty.$name(out, value)
        }
    )*};
}

impl Formatter for Lines {
    numbers!(
        write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64, write_i128: i128,
        write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128,
        write_f32: f32, write_f64: f64, write_number_str: &str
    );

    fn write_null<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.go_on(out)?;
        self.pretty.write_null(out)
    }

    fn write_bool<W: ?Sized + Write>(&mut self, out: &mut W, value: bool) -> io::Result<()> {
        self.break_line(out)?;
        self.pretty.write_bool(out, value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.break_line(out)?;
        self.pretty.begin_string(out)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.break_line(out)?;
        self.pretty.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        if !std::mem::take(&mut self.inline) {
            return self.pretty.end_array(out);
        }
        // The indentation goes back, the line does not end.
        self.pretty.end_array(&mut io::sink())?;
        out.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.before = Some(first);
        Ok(())
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.break_line(out)?;
        self.pretty.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inline = false;
        self.pretty.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn lists_of_numbers_take_one_line() {
        let value =
            json!({"t": [1, null, 2.5], "empty": [], "names": ["a", "b"], "rows": [[1, 2], {"x": [3]}], "n": 1});
        let expected = r#"{
  "t": [1, null, 2.5],
  "empty": [],
  "names": [
    "a",
    "b"
  ],
  "rows": [
    [1, 2],
    {
      "x": [3]
    }
  ],
  "n": 1
}"#;
        let sorted = |text: &str| text.parse::<Value>().unwrap();
        let text = indented(&value).unwrap();
        assert_eq!(sorted(&text), value);
        for line in expected.lines().map(str::trim_end) {
            let line = line.trim_end_matches(',');
            assert!(text.lines().any(|own| own.trim_end_matches(',') == line), "{line}: {text}");
        }
    }

    proptest! {
        #[test]
        fn any_document_reads_back(words in prop::collection::vec(0..7_u8, 0..60)) {
            let mut words = words.into_iter();
            let value = document(&mut words, 0);
            prop_assert_eq!(indented(&value).unwrap().parse::<Value>().unwrap(), value);
        }
    }

    fn document(words: &mut impl Iterator<Item = u8>, depth: usize) -> Value {
        let list = |words: &mut dyn Iterator<Item = u8>| {
            let count = words.next().unwrap_or(0);
            let mut words: Vec<u8> = words.take(usize::from(count) * 4).collect();
            words.push(count);
            words.into_iter()
        };
        match words.next() {
            Some(0) if depth < 5 => {
                let mut inner = list(words);
                Value::Array((0..3).map(|_| document(&mut inner, depth + 1)).collect())
            }
            Some(1) if depth < 5 => {
                let mut inner = list(words);
                Value::Object((0..3).map(|key| (key.to_string(), document(&mut inner, depth + 1))).collect())
            }
            Some(2) => json!("text"),
            Some(3) => json!(true),
            Some(4) => json!(1.5),
            Some(_) => json!(7),
            None => Value::Null,
        }
    }
}
