//! The name by which a request names a GPU ([`GpuName`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Highest number of a GPU.
pub(crate) const MOST_GPU: u32 = 1_023;
/// Longest UUID, bytes.
const LONGEST_UUID: usize = 128;

/// A GPU by its number in the list of its driver (NVML's index), or by a UUID.
///
/// ```
/// use eco2_agent::GpuName;
///
/// assert_eq!("2".parse(), Ok(GpuName::Number(2)));
/// assert!("MIG-7e2a0f3c-1f6b-5b0e-9a64-0a1b2c3d4e5f".parse::<GpuName>().is_ok());
/// assert!("cuda:0".parse::<GpuName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GpuName {
    /// Its number in the list of its driver. One that is lost keeps its number.
    Number(u32),
    /// The UUID of a GPU (`GPU-…`), or of a MIG instance (`MIG-…`), which names the GPU that it is a part of.
    Uuid(String),
}

/// A text that names no GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a GPU is a number from 0 to 1023, or a UUID that begins with GPU- or MIG-")]
pub struct NoGpuName;

impl GpuName {
    /// Whether it can be the name of a GPU.
    pub(crate) fn is_valid(&self) -> bool {
        match self {
            Self::Number(number) => *number <= MOST_GPU,
            Self::Uuid(uuid) => {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'/';
                let has_kind = uuid.starts_with("GPU-") || uuid.starts_with("MIG-");
                has_kind && (5..=LONGEST_UUID).contains(&uuid.len()) && uuid.bytes().all(is_plain)
            }
        }
    }

    /// Returns the number, if it is one.
    pub(crate) fn number(&self) -> Option<u32> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// Whether it names the GPU of this UUID that has this number and these instances. Drivers before 470 name an instance
    /// `MIG-GPU-UUID/INSTANCE/INSTANCE`.
    pub(crate) fn is_of(&self, uuid: &str, number: Option<u32>, instances: &[String]) -> bool {
        match self {
            Self::Number(own) => number == Some(*own),
            Self::Uuid(own) => {
                let board = own.strip_prefix("MIG-").and_then(|rest| rest.split('/').next());
                own == uuid || instances.contains(own) || board == Some(uuid)
            }
        }
    }
}

impl FromStr for GpuName {
    type Err = NoGpuName;

    fn from_str(text: &str) -> Result<Self, NoGpuName> {
        let name = text.parse().map_or_else(|_| Self::Uuid(text.to_owned()), Self::Number);
        if name.is_valid() { Ok(name) } else { Err(NoGpuName) }
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uuid(uuid) => uuid.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_is_named_by_number_uuid_and_instance_and_by_nothing_else() {
        let instances = ["MIG-7".to_owned()];
        let is_of = |name: &str| name.parse::<GpuName>().unwrap().is_of("GPU-a", Some(3), &instances);
        assert_eq!(["3", "GPU-a", "MIG-7", "MIG-GPU-a/1/0"].map(is_of), [true; 4]);
        assert_eq!(["0", "GPU-ab", "MIG-8", "MIG-GPU-b/1/0"].map(is_of), [false; 4]);
        assert!(!GpuName::Number(0).is_of("GPU-a", None, &[]), "a GPU without a number");
        for text in
            ["", "-1", "1024", "GPU-", "gpu-a", "MIG-a b", "GPU-\u{1b}[2J", "0,1", &format!("GPU-{}", "a".repeat(200))]
        {
            assert_eq!(text.parse::<GpuName>(), Err(NoGpuName), "{text:?}");
        }
        let names: Vec<GpuName> = serde_json::from_str("[0, \"GPU-a\"]").unwrap();
        assert_eq!(serde_json::to_string(&names).unwrap(), "[0,\"GPU-a\"]");
    }
}
