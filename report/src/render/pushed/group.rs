//! Writes the path of a group of metrics at a Pushgateway, which replaces the metrics of a group as a whole.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Returns the path of the group with these labels, such as `/metrics/job/eco2/instance/node7`. The first label must be `job`.
/// Values that cannot stand in a path are written in Base64.
///
/// ```
/// use eco2_report::group_path;
///
/// assert_eq!(group_path(&[("job", "eco2"), ("name", "bert base/1")]), "/metrics/job/eco2/name@base64/YmVydCBiYXNlLzE");
/// assert_eq!(group_path(&[("job", "eco2"), ("name", "")]), "/metrics/job/eco2/name@base64/=");
/// ```
#[must_use]
pub fn group_path(labels: &[(&str, &str)]) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut path = "/metrics".to_owned();
    for (name, value) in labels {
        // Clients and servers remove the segments `.` and `..`.
        let segment = match value.bytes().all(|byte| is_plain(byte) || byte == b'.') {
            true if !matches!(*value, "" | "." | "..") => format!("/{name}/{value}"),
            _ if value.is_empty() => format!("/{name}@base64/="),
            _ => format!("/{name}@base64/{}", BASE64_URL_SAFE_NO_PAD.encode(value)),
        };
        path.push_str(&segment);
    }
    path
}
