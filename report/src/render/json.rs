//! Writes a report as JSON without numbers that are not finite, and defines the words that other formats share with it.
//!
//! JSON has no NaN and no infinity, and a reader would take `null` for a missing value, so such numbers are removed and
//! listed in an event. Lists of numbers are written on one line, because a curve has hundreds of them.

use crate::{Error, clean};
use eco2_core::schema::{Carbon, Device, EventKind, EventRecord, Report, SourceStatus, Status, Supplements, Work};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::borrow::Cow;
use std::io::{self, Write};

/// Returns the report for people: without numbers that are not finite, and with every text cleaned for a terminal.
pub(crate) fn presentable(report: &Report) -> Cow<'_, Report> {
    match finite(report) {
        Cow::Borrowed(report) => clean::report(report),
        Cow::Owned(report) => Cow::Owned(clean::report(&report).into_owned()),
    }
}

/// Returns the report as JSON: indented, with fields in the schema's order and a line end after it, without NaN.
///
/// # Errors
/// [`Error::Encode`].
pub fn json(report: &Report) -> Result<String, Error> {
    let encoded = indented(finite(report).as_ref());
    encoded.map(|text| text + "\n").map_err(|cause| Error::Encode { what: "the report", cause })
}

/// Returns the sources that do not read, or not fully.
pub(super) fn not_ok(report: &Report) -> impl Iterator<Item = &SourceStatus> {
    report.sources.iter().filter(|source| source.status != Status::Ok)
}

/// Returns the JSON word of an enum value without fields.
pub(crate) fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// Returns the report itself, or a copy without the numbers that are not finite and with an event that lists them.
pub(crate) fn finite(report: &Report) -> Cow<'_, Report> {
    let mut dropped = Vec::new();
    // Only the parts with floats are copied. Spans, which are most of a large report, have integers only.
    let mut pue = report.energy.pue;
    let (mut work, mut carbon, mut devices) = (report.work.clone(), report.carbon.clone(), report.devices.clone());
    if !keep(pue, || "energy.pue".into(), &mut dropped) {
        pue = 1.0;
    }
    clean_work(&mut work, &mut dropped);
    clean_carbon(&mut carbon, &mut dropped);
    devices.iter_mut().for_each(|device| clean_device(device, &mut dropped));
    if dropped.is_empty() {
        return Cow::Borrowed(report);
    }
    let text = format!("left out because it was not a finite number: {}", dropped.join(", "));
    let mut copy = Report { work, carbon, devices, ..report.clone() };
    copy.energy.pue = pue;
    copy.events.push(EventRecord::new(copy.run.duration_ns, EventKind::NotFinite, "", text));
    Cow::Owned(copy)
}

/// Removes the numbers of the work that are not finite, and adds their names to `dropped`.
fn clean_work(work: &mut Work, dropped: &mut Vec<String>) {
    option(&mut work.loss, "work.loss", dropped);
    work.extra.retain(|name, value| keep(*value, || format!("work.extra.{name}"), dropped));
}

/// Removes the numbers of the emissions that are not finite, or all emissions if a needed one is not, and adds their
/// names to `dropped`.
fn clean_carbon(priced: &mut Option<Carbon>, dropped: &mut Vec<String>) {
    let Some(carbon) = priced else { return };
    option(&mut carbon.high, "carbon.high", dropped);
    option(&mut carbon.embodied, "carbon.embodied", dropped);
    option(&mut carbon.sci, "carbon.sci", dropped);
    option(&mut carbon.cost, "carbon.cost", dropped);
    if carbon.beside.as_deref().is_some_and(|supplements| !all_finite(supplements)) {
        dropped.push("carbon.beside".into());
        carbon.beside = None;
    }
    if !needed(carbon).all(f64::is_finite) {
        dropped.push("carbon".into());
        *priced = None;
    }
}

/// Whether all numbers of the supplements are finite.
fn all_finite(supplements: &Supplements) -> bool {
    let Supplements { market, embodied, sci, water, cost, carbon_price, offsets, equivalents } = supplements;
    let market = market.iter().flat_map(|m| [m.grams, Some(m.low), m.high, Some(m.g_per_kwh)]);
    let made = embodied.iter().flat_map(|e| [Some(e.grams), Some(e.low), e.high, Some(e.total_kg), e.total_high_kg]);
    let sci = sci.iter().flat_map(|s| [s.grams, Some(s.low), s.high, s.operational_g, s.embodied_g]);
    let water = water.iter().flat_map(|w| [w.litres, Some(w.low), w.high, w.wue, w.ewif]);
    let cost = cost.iter().flat_map(|c| [c.amount, c.low, c.high]);
    let price = carbon_price.iter().flat_map(|p| [p.amount, Some(p.low), p.high, Some(p.per_tonne)]);
    let others = offsets.iter().map(|o| Some(o.kg)).chain(equivalents.iter().map(|e| e.amount));
    let all = market.chain(made).chain(sci).chain(water).chain(cost).chain(price).chain(others);
    all.flatten().all(f64::is_finite)
}

/// Returns the numbers without which the emissions have no meaning.
fn needed(carbon: &Carbon) -> impl Iterator<Item = f64> + '_ {
    carbon.grams.into_iter().chain([carbon.low]).chain(carbon.segments.iter().map(|segment| segment.g_per_kwh))
}

/// Removes the numbers of a device that are not finite, and adds their names to `dropped`.
fn clean_device(device: &mut Device, dropped: &mut Vec<String>) {
    let id = &device.id;
    option(&mut device.gain_percent, id, dropped);
    option(&mut device.mean_w, id, dropped);
    option(&mut device.peak_w, id, dropped);
    if device.power_w.is_some_and(|power| ![power.p50, power.p90, power.p99].iter().all(|w| w.is_finite())) {
        dropped.push(format!("{id}.power_w"));
        device.power_w = None;
    }
    if device.cross_check.as_ref().is_some_and(|check| !check.difference_percent.is_finite()) {
        dropped.push(format!("{id}.cross_check"));
        device.cross_check = None;
    }
    if !keep(device.coverage, || format!("{id}.coverage"), dropped) {
        device.coverage = 0.0;
    }
    device.gauges.retain(|gauge| {
        let all = [gauge.mean, gauge.max, gauge.last].iter().all(|value| value.is_finite());
        all || keep(f64::NAN, || format!("{id}.{}", gauge.name), dropped)
    });
}

/// Returns whether a value is finite; if it is not, adds its name to `dropped`.
fn keep(value: f64, name: impl Fn() -> String, dropped: &mut Vec<String>) -> bool {
    if !value.is_finite() {
        dropped.push(name());
    }
    value.is_finite()
}

/// Removes a value that is not finite, and adds its name to `dropped`.
fn option(value: &mut Option<f64>, name: &str, dropped: &mut Vec<String>) {
    if value.is_some_and(|value| !value.is_finite()) {
        dropped.push(name.to_owned());
        *value = None;
    }
}

/// Returns a value as indented JSON.
///
/// # Errors
/// The error of its serialization.
fn indented(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Lines::default()))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// A JSON formatter like [`PrettyFormatter`], except that numbers and nulls in a list have no line break before them.
/// The formatter decides about the break when it knows the type of the element.
#[derive(Default)]
struct Lines {
    pretty: PrettyFormatter<'static>,
    /// `Some` before an element of a list: whether the element is the first. `None` elsewhere.
    before: Option<bool>,
    /// Whether the last element of the list was written without a line break.
    inline: bool,
}

impl Lines {
    /// Starts an element on a new line.
    fn break_line<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inline = false;
        self.before.take().map_or(Ok(()), |first| self.pretty.begin_array_value(out, first))
    }

    /// Starts an element on the same line.
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
        // Called only to reduce the indentation; its line break is discarded.
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
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

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
