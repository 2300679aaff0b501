//! Defines [`Headers`], headers of requests whose values are secrets, in the notation of OpenTelemetry's variables: that of W3C Baggage
//! without metadata.

use std::collections::BTreeMap;

use crate::{Secret, SecretFault};

/// Headers that belong to the connection or describe the content, which the client sets itself.
const OWN: [&str; 14] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Names and secret values of headers.
///
/// ```
/// use eco2_net::Headers;
///
/// let headers = Headers::parse("VARIABLE", "x-tenant=a%20b, x-key=s3cr3t", &[])?;
/// assert!(!format!("{headers:?}").contains("s3cr3t"));
/// let error = Headers::parse("VARIABLE", "x-tenant=a,s3cr3t", &[]).unwrap_err();
/// assert_eq!(error.to_string(), "VARIABLE: header 2 is no pair name=value");
/// # Ok::<(), eco2_net::SecretFault>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(BTreeMap<String, Secret>);

impl Headers {
    /// Parses the text of a variable: pairs `name=value` between commas, blanks around them left out, values percent-encoded. The last of
    /// equal names counts. `taken`: more names that the client sets itself, in small letters.
    ///
    /// # Errors
    /// [`SecretFault::Header`], which does not contain the text.
    pub fn parse(variable: &str, text: &str, taken: &[&str]) -> Result<Self, SecretFault> {
        let pairs = text.split(',').enumerate().filter(|(_, pair)| !pair.trim().is_empty());
        let header = |(place, pair): (usize, &str)| {
            let fault = |fault| SecretFault::Header { variable: variable.to_owned(), number: place + 1, fault };
            let (name, value) = pair.split_once('=').ok_or_else(|| fault("is no pair name=value"))?;
            let name = name.trim().to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(fault("has no name of a header"));
            }
            if OWN.contains(&&*name) || taken.contains(&&*name) {
                return Err(fault("is set by eco2 itself"));
            }
            let value = decoded(value.trim()).and_then(|value| Secret::new(&value));
            Ok((name, value.ok_or_else(|| fault("has no value of printable ASCII, percent-encoded"))?))
        };
        pairs.map(header).collect::<Result<_, _>>().map(Self)
    }

    /// Returns names and values, for the requests of this crate only.
    #[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only requests send them"))]
    pub(crate) fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

/// Whether a name of a header may have this byte (RFC 9110, `tchar`).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns a text without its percent-encoding; `None`: it has a `%` without two digits, or is no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut rest = text.bytes();
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || u8::try_from(char::from(rest.next()?).to_digit(16)?).ok();
            digit()? << 4 | digit()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let headers = Headers::parse("V", text, &["authorization"]).unwrap();
        headers.expose().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn pairs_are_decoded_and_the_last_of_equal_names_counts() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let all = [pair("a", "3"), pair("x-key", "b c,=+")];
        assert_eq!(found(" X-Key = b%20c%2C=+ ,a=1,A=3,,"), all);
        assert_eq!(found(""), []);
    }

    #[test]
    fn faults_name_the_place_and_never_the_text() {
        for (text, fault) in [
            ("s3cr3t", "header 1 is no pair"),
            ("a=1,=s3cr3t", "header 2 has no name"),
            ("s3 cr3t=1", "header 1 has no name"),
            ("a=", "header 1 has no value"),
            ("a=s3cr3t%", "header 1 has no value"),
            ("a=s3cr3t%0d%0ahost:x", "header 1 has no value"),
            ("a=s3cr3t%zz", "header 1 has no value"),
            ("a=%ff", "header 1 has no value"),
            ("Content-Type=s3cr3t", "header 1 is set by eco2"),
            ("Host=s3cr3t", "header 1 is set by eco2"),
            ("Authorization=s3cr3t", "header 1 is set by eco2"),
        ] {
            let error = Headers::parse("V", text, &["authorization"]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(fault) && shown.starts_with("V: ") && !shown.contains("s3cr3t"), "{text}: {shown}");
        }
    }
}
