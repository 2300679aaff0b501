//! Reads a [`Trace`] for `eco2 replay`, and spans from a span file.
//!
//! A trace is parsed in two passes: first the lines, then the readings, when the finest decimal place of each *domain* (counter
//! or power sensor) is known. A span file is a CSV table `name,begin_ns,end_ns` with one span per line; names may be quoted.

use std::collections::HashMap;
use std::path::Path;

use eco2_core::{Fault, Reading};

use super::attributes::{Attributes, Decimal, MAX_PLACES, clip, decode, number, ordered, whole};
use super::domain::Draft;
use super::fault::{LineFault, NumberFault};
use super::format::{HEADER, MAX_LINE_BYTES, MAX_TRACE_BYTES, MAX_TRACE_DOMAINS, TRACE_SCHEMA, Trace, TraceSpan};
use crate::Error;
use crate::store::files;

impl Trace {
    /// Parses a trace; `path` is only for messages.
    ///
    /// # Errors
    /// [`Error::Line`] for the first line that is wrong.
    ///
    /// ```
    /// let domain = "# domain gpu-0 component=gpu kind=energy unit=J";
    /// let text = format!("# eco2.trace/1\n{domain}\nbefore_ns,after_ns,domain,value\n0,10,gpu-0,1.5\n");
    /// let trace = eco2_report::Trace::parse(text.as_bytes(), "example.csv".as_ref())?;
    /// assert_eq!(trace.readings[0].1.value, Ok(15));
    /// assert_eq!(trace.domains[0].scale.micro(15), 1_500_000);
    /// # Ok::<(), eco2_report::Error>(())
    /// ```
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        parse(bytes, path)
    }

    /// Reads a trace of at most 4 GiB.
    ///
    /// # Errors
    /// As [`Trace::parse`], and [`Error::Io`] or [`Error::TooLarge`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&files::read_capped(path, "trace", MAX_TRACE_BYTES)?, path)
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Trace, Error> {
    let mut parser = Parser::default();
    for (line, text) in lines(bytes) {
        let text = text.map_err(|fault| Error::line(path, line, fault))?;
        parser.line(line, text).map_err(|fault| Error::line(path, line, fault))?;
    }
    if !parser.schema {
        return Err(Error::line(path, 1, LineFault::NoSchema));
    }
    parser.finish().map_err(|(line, fault)| Error::line(path, line, fault))
}

/// Returns the lines with their numbers, without line ends, byte-order mark and outer blanks. Empty lines are left out.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (u64, Result<&str, LineFault>)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let numbered = (1..).zip(bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii));
    numbered.filter(|(_, line)| !line.is_empty()).map(|(at, line)| (at, as_text(line)))
}

fn as_text(line: &[u8]) -> Result<&str, LineFault> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineFault::TooLong(line.len()));
    }
    std::str::from_utf8(line).map_err(|_| LineFault::NotUtf8)
}

/// A reading before its domain's unit is known.
struct RawReading {
    line: u64,
    slot: u32,
    before_ns: u64,
    after_ns: u64,
    value: Option<Decimal>,
}

/// A domain as it occurs in readings, with the times of its last reading. Slots are in the order of appearance; the `# domain`
/// line can follow later.
struct Slot {
    first_line: u64,
    id: String,
    before_ns: u64,
    after_ns: u64,
}

#[derive(Default)]
struct Parser<'a> {
    schema: bool,
    header: bool,
    drafts: Vec<Draft>,
    declared: HashMap<String, (u32, u64)>,
    slots: Vec<Slot>,
    slot_of: HashMap<&'a str, u32>,
    rows: Vec<RawReading>,
    trace: Trace,
}

impl<'a> Parser<'a> {
    fn line(&mut self, line: u64, text: &'a str) -> Result<(), LineFault> {
        if let Some(comment) = text.strip_prefix('#') {
            return self.comment(line, comment.trim_ascii());
        }
        if text == HEADER {
            self.header = true;
            return Ok(());
        }
        match (self.header, self.schema) {
            (true, _) => self.reading(line, text),
            (false, true) => Err(LineFault::NoHeader),
            (false, false) => Err(LineFault::NoSchema),
        }
    }

    fn comment(&mut self, line: u64, text: &str) -> Result<(), LineFault> {
        let mut words = text.split_ascii_whitespace();
        match words.next() {
            Some("domain") => self.domain(line, words),
            Some("run") => self.run(words),
            Some("span") => self.span(words),
            Some(TRACE_SCHEMA) => {
                self.schema = true;
                Ok(())
            }
            Some(other) if other.starts_with("eco2.trace/") => Err(LineFault::Newer(clip(other))),
            _ => Ok(()),
        }
    }

    fn domain<'b>(&mut self, line: u64, mut words: impl Iterator<Item = &'b str>) -> Result<(), LineFault> {
        let id = words.next().filter(|word| !word.contains('='));
        let id = decode(id.ok_or(LineFault::MissingKey { line: "domain", key: "an id as its first word" })?);
        if let Some((_, first)) = self.declared.get(&id) {
            return Err(LineFault::DuplicateDomain { id, first: *first });
        }
        let draft = Draft::parse(&id, words)?;
        let index = self.drafts.len();
        if index >= MAX_TRACE_DOMAINS {
            return Err(LineFault::TooManyDomains);
        }
        self.drafts.push(draft);
        self.declared.insert(id, (index as u32, line));
        Ok(())
    }

    fn run<'b>(&mut self, words: impl Iterator<Item = &'b str>) -> Result<(), LineFault> {
        let given = Attributes::parse("run", &["begin_ns", "end_ns"], words)?;
        if self.trace.run.is_some() {
            return Err(LineFault::SecondRun);
        }
        self.trace.run = Some(given.begin_and_end()?);
        Ok(())
    }

    fn span<'b>(&mut self, words: impl Iterator<Item = &'b str>) -> Result<(), LineFault> {
        let given = Attributes::parse("span", &["name", "begin_ns", "end_ns"], words)?;
        let (begin_ns, end_ns) = given.begin_and_end()?;
        self.trace.spans.push(TraceSpan { name: given.need("name")?.to_owned(), begin_ns, end_ns });
        Ok(())
    }

    fn reading(&mut self, line: u64, text: &'a str) -> Result<(), LineFault> {
        let mut columns = text.split(',').map(str::trim_ascii);
        let fields = [columns.next(), columns.next(), columns.next(), columns.next(), columns.next()];
        let [Some(before), Some(after), Some(id), Some(value), None] = fields else {
            return Err(LineFault::Columns { expected: 4, found: text.split(',').count() });
        };
        let (before_ns, after_ns) = (whole("before_ns", before)?, whole("after_ns", after)?);
        if after_ns < before_ns {
            return Err(LineFault::Bracket { before: before_ns, after: after_ns });
        }
        let value = match value {
            "" => None,
            text => Some(Decimal::parse(text).map_err(|why| number("value", text, why))?),
        };
        let slot = self.slot(line, id, before_ns, after_ns)?;
        self.rows.push(RawReading { line, slot, before_ns, after_ns, value });
        Ok(())
    }

    /// Returns the index of the slot of an id, adds it if there is none, and sets the times of its last reading.
    fn slot(&mut self, line: u64, id: &'a str, before_ns: u64, after_ns: u64) -> Result<u32, LineFault> {
        let fresh = self.slots.len() as u32;
        let slot = *self.slot_of.entry(id).or_insert(fresh);
        if slot == fresh {
            if self.slots.len() >= MAX_TRACE_DOMAINS {
                return Err(LineFault::TooManyDomains);
            }
            self.slots.push(Slot { first_line: line, id: decode(id), before_ns, after_ns });
            return Ok(slot);
        }
        let seen = &mut self.slots[slot as usize];
        if before_ns < seen.before_ns || after_ns < seen.after_ns {
            let (domain, previous) = (seen.id.clone(), seen.before_ns);
            return Err(LineFault::OutOfOrder { domain, previous, at: before_ns });
        }
        (seen.before_ns, seen.after_ns) = (before_ns, after_ns);
        Ok(slot)
    }

    fn finish(mut self) -> Result<Trace, (u64, LineFault)> {
        self.check_parents()?;
        let index_of = self.resolve()?;
        for row in &self.rows {
            let draft = &mut self.drafts[index_of[row.slot as usize] as usize];
            if let Some(value) = row.value {
                draft.check(value, &shown(value)).map_err(|fault| (row.line, fault))?;
            }
            draft.see(row.value);
        }
        let mut readings = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let index = index_of[row.slot as usize];
            readings.push((index, reading(row, &self.drafts[index as usize])?));
        }
        self.trace.readings = readings;
        for draft in self.drafts {
            let line = self.declared.get(draft.id()).map_or(0, |(_, line)| *line);
            let too_large = LineFault::Number { field: "range", text: draft.id().into(), why: NumberFault::TooLarge };
            self.trace.domains.push(draft.finish().ok_or((line, too_large))?);
        }
        Ok(self.trace)
    }

    /// Returns the index of the declared domain for each slot.
    fn resolve(&self) -> Result<Vec<u32>, (u64, LineFault)> {
        let resolve = |slot: &Slot| match self.declared.get(&slot.id) {
            Some((index, _)) => Ok(*index),
            None => Err((slot.first_line, LineFault::UnknownDomain(clip(&slot.id)))),
        };
        self.slots.iter().map(resolve).collect()
    }

    /// Checks that no domain contains itself. A parent may be missing in the trace.
    fn check_parents(&self) -> Result<(), (u64, LineFault)> {
        // 0: not visited; else 1 + the index of the domain at which the walk along the parents started. A walk that meets its
        // own mark is in a cycle.
        let mut visited = vec![0; self.drafts.len()];
        for start in 0..self.drafts.len() {
            let mut at = Some(start);
            while let Some(here) = at.filter(|here| visited[*here] == 0) {
                visited[here] = start + 1;
                let parent = self.drafts[here].parent().and_then(|id| self.declared.get(id));
                at = parent.map(|(index, _)| *index as usize);
            }
            if let Some(here) = at.filter(|here| visited[*here] == start + 1) {
                let id = self.drafts[here].id();
                let line = self.declared.get(id).map_or(0, |(_, line)| *line);
                return Err((line, LineFault::ParentCycle(clip(id))));
            }
        }
        Ok(())
    }
}

fn shown(value: Decimal) -> String {
    let billionths = value.at(MAX_PLACES).unwrap_or(u64::MAX);
    format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000)
}

fn reading(row: &RawReading, draft: &Draft) -> Result<Reading, (u64, LineFault)> {
    let value = match row.value {
        None => Err(Fault::Failed),
        Some(value) => Ok(draft.raw(value).ok_or_else(|| {
            let text = shown(value);
            (row.line, LineFault::Number { field: "value", text, why: NumberFault::TooLarge })
        })?),
    };
    Ok(Reading { before_ns: row.before_ns, after_ns: row.after_ns, value })
}

/// Reads a span file of at most 4 GiB.
///
/// # Errors
/// As [`parse_spans`], and [`Error::Io`] or [`Error::TooLarge`].
pub fn read_spans(path: &Path) -> Result<Vec<TraceSpan>, Error> {
    parse_spans(&files::read_capped(path, "span file", MAX_TRACE_BYTES)?, path)
}

/// Parses a span file; `path` is only for messages. `#` lines are comments.
///
/// # Errors
/// [`Error::Line`] for the first line that is wrong.
///
/// ```
/// let spans = eco2_report::parse_spans(b"name,begin_ns,end_ns\n\"step, first\",5,9\n", "spans.csv".as_ref())?;
/// assert_eq!((spans[0].name.as_str(), spans[0].end_ns), ("step, first", 9));
/// # Ok::<(), eco2_report::Error>(())
/// ```
pub fn parse_spans(bytes: &[u8], path: &Path) -> Result<Vec<TraceSpan>, Error> {
    let mut spans = Vec::new();
    let mut header = false;
    for (line, text) in lines(bytes) {
        let fault = |fault| Error::line(path, line, fault);
        let text = text.map_err(fault)?;
        if text.starts_with('#') {
            continue;
        }
        if !header {
            header = text == "name,begin_ns,end_ns";
            if !header {
                return Err(fault(LineFault::NoSpanHeader));
            }
            continue;
        }
        spans.push(csv_span(text).map_err(fault)?);
    }
    if header { Ok(spans) } else { Err(Error::line(path, 1, LineFault::NoSpanHeader)) }
}

fn csv_span(text: &str) -> Result<TraceSpan, LineFault> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let (name, rest) = text.split_once(',').unwrap_or((text, ""));
            (name.to_owned(), rest)
        }
    };
    let mut columns = rest.split(',').map(str::trim_ascii);
    let (Some(begin), Some(end), None) = (columns.next(), columns.next(), columns.next()) else {
        return Err(LineFault::Columns { expected: 3, found: 1 + rest.split(',').count() });
    };
    let (begin_ns, end_ns) = ordered(whole("begin_ns", begin)?, whole("end_ns", end)?)?;
    Ok(TraceSpan { name, begin_ns, end_ns })
}

/// Returns a quoted name, with doubled quotes made single, and the text after the following comma.
fn unquote(text: &str) -> Result<(String, &str), LineFault> {
    let mut name = String::new();
    let mut rest = text;
    while let Some((part, tail)) = rest.split_once('"') {
        name.push_str(part);
        if let Some(after) = tail.strip_prefix('"') {
            name.push('"');
            rest = after;
        } else {
            let rest = tail.trim_ascii_start().strip_prefix(',');
            return rest.map(|rest| (name, rest)).ok_or_else(|| LineFault::Csv("no comma after the name".into()));
        }
    }
    Err(LineFault::Csv("the name's quote is not closed".into()))
}
