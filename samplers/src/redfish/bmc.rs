//! [`Bmc`] names the BMC of a machine (the small computer in it that watches fans and power), with the account to log in.

use std::path::PathBuf;

use eco2_net::{Secret, SecretFault};

/// The source's name.
pub const NAME: &str = "redfish";
/// Variable that has the account, `user:password`. The same name with `_FILE` names a file of mode 0600 that has it.
pub const ACCOUNT: &str = "ECO2_TOKEN_REDFISH";

/// How the identity of a BMC is checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BmcTrust {
    /// By public authorities.
    #[default]
    Public,
    /// By the certificates in this PEM file: the BMC's own, or those of its authority.
    File(PathBuf),
    /// Not at all.
    Unchecked,
}

/// A BMC to read.
///
/// ```
/// use eco2_samplers::redfish::Bmc;
///
/// let bmc = Bmc::new("bmc.example.org");
/// assert_eq!(bmc.origin(), "https://bmc.example.org");
/// assert_eq!(Bmc::new("https://10.0.0.7:8443/redfish/v1/").origin(), "https://10.0.0.7:8443");
/// ```
#[derive(Debug, Clone)]
pub struct Bmc {
    /// Its host name, or its address such as `https://bmc.example.org`.
    pub address: String,
    /// The account to log in with; without one requests need no login.
    pub account: Result<Option<Secret>, SecretFault>,
    /// How its identity is checked.
    pub trust: BmcTrust,
}

impl Bmc {
    /// Returns a BMC that needs no login and has a public certificate; set the rest by field.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), account: Ok(None), trust: BmcTrust::default() }
    }

    /// Returns scheme, host and port of its address; HTTPS if it names no scheme.
    #[must_use]
    pub fn origin(&self) -> String {
        let address = self.address.trim_end_matches('/');
        let address = address.strip_suffix("/redfish/v1").unwrap_or(address);
        if address.contains("://") { address.to_owned() } else { format!("https://{address}") }
    }
}
