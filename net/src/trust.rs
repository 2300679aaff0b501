//! Defines how a server proves its identity ([`ServerTrust`]): by a public certificate, by one of a private authority, or
//! not at all.

use std::path::PathBuf;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::NetError;

/// How the identity of a server is checked over TLS.
///
/// ```
/// use eco2_net::{Http, Limits, NetError, ServerTrust};
///
/// let missing = ServerTrust::Authority("/nonexistent/ca.pem".into());
/// let error = Http::trusting("https://bmc.example.org", Limits::default(), &missing).unwrap_err();
/// assert!(matches!(error, NetError::Certificate(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ServerTrust {
    /// By the public authorities (Mozilla's list).
    #[default]
    Public,
    /// By the authorities in this PEM file and no others.
    Authority(PathBuf),
    /// Not at all: any machine that answers at the address gets what is sent.
    Unchecked,
}

impl ServerTrust {
    /// Returns the TLS settings.
    ///
    /// # Errors
    /// [`NetError::Certificate`] if the file cannot be read, or contains no certificate.
    pub(crate) fn tls(&self) -> Result<TlsConfig, NetError> {
        let builder = TlsConfig::builder();
        Ok(match self {
            Self::Public => builder.build(),
            Self::Unchecked => builder.disable_verification(true).build(),
            Self::Authority(path) => {
                let unusable = || NetError::Certificate(path.clone());
                let pem = std::fs::read(path).map_err(|_| unusable())?;
                let certificate = |item| if let PemItem::Certificate(one) = item { Some(one) } else { None };
                let items = parse_pem(&pem).collect::<Result<Vec<_>, _>>().map_err(|_| unusable())?;
                let roots: Vec<Certificate<'static>> = items.into_iter().filter_map(certificate).collect();
                if roots.is_empty() {
                    return Err(unusable());
                }
                builder.root_certs(RootCerts::new_with_certs(&roots)).build()
            }
        })
    }
}
