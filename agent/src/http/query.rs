//! Reads the query of a request: names and values, with their percent signs decoded.

use hyper::StatusCode;
use jiff::Timestamp;

use super::reply::Reply;

/// Longest value, bytes after decoding.
const LONGEST_VALUE: usize = 512;

/// The query of a request.
///
/// Source of the form: WHATWG URL, "application/x-www-form-urlencoded parsing"; bytes that are not UTF-8 are refused here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may have these names, each once.
    ///
    /// # Errors
    /// The answer to a query with another name, a name twice, or a value that is too long or not UTF-8.
    pub(crate) fn read(text: &str, names: &[&str]) -> Result<Self, Reply> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(bad("the query is not percent-encoded UTF-8, or a value is too long"));
            };
            if !names.contains(&name.as_str()) {
                return Err(bad(&format!("the query may have {}", names.join(", "))));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(bad(&format!("{name} is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Returns the value of a name; `None` if it is not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the number of a name, from 1 to `most`; `default` if it is not given.
    ///
    /// # Errors
    /// The answer to another value.
    pub(crate) fn count(&self, name: &str, default: usize, most: usize) -> Result<usize, Reply> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| bad(&format!("{name} is a number from 1 to {most}")))
    }

    /// Returns the time of a name, milliseconds since 1970: a date, a time (RFC 3339), or an age such as `7d`.
    ///
    /// # Errors
    /// The answer to another value.
    pub(crate) fn moment_ms(&self, name: &str, now: Timestamp) -> Result<Option<i64>, Reply> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let at = eco2_report::moment(text, now).map_err(|fault| bad(&format!("{name}: {fault}")))?;
        Ok(Some(at.as_millisecond()))
    }

    /// Returns which of these words the value of a name is; the first if it is not given.
    ///
    /// # Errors
    /// The answer to another value.
    pub(crate) fn word(&self, name: &str, words: &[&'static str]) -> Result<&'static str, Reply> {
        let Some(text) = self.get(name) else { return Ok(words.first().copied().unwrap_or_default()) };
        let found = words.iter().find(|word| **word == text);
        found.copied().ok_or_else(|| bad(&format!("{name} is one of {}", words.join(", "))))
    }
}

fn bad(text: &str) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, text)
}

/// Returns a name or a value with `%20` and `+` decoded; `None` if it is not UTF-8 or too long.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
                u8::try_from(digits[0]? * 16 + digits[1]?).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_and_others_refused() {
        let query = Query::read("project=my%20run+2&limit=7&since=2026-11-01", &["project", "limit", "since"]).unwrap();
        assert_eq!((query.get("project"), query.get("until")), (Some("my run 2"), None));
        assert_eq!(query.count("limit", 5, 10).unwrap(), 7);
        let long = format!("project={}", "a".repeat(600));
        for text in
            ["x=1", "limit=1&limit=2", "project=%f", "project=%zz", "project=%ff", &long, "%70roject", "=", "limit"]
        {
            let found = Query::read(text, &["project", "limit"]).map(|query| query.count("limit", 5, 10).map(drop));
            let is_name_only = text == "%70roject";
            assert_eq!(matches!(found, Ok(Ok(()))), is_name_only, "{text:.40}");
        }
    }

    // Advisory of cc-backend 1.5.4: "cost of a query".
    #[test]
    fn counts_have_a_limit() {
        for text in ["limit=0", "limit=-1", "limit=11", "limit=99999999999999999999", "limit=1e3", "limit=NaN"] {
            let query = Query::read(text, &["limit"]).unwrap();
            assert!(query.count("limit", 5, 10).is_err(), "{text}");
        }
    }
}
