//! Reads the files of the TLS settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::error::HttpFault;

/// Files of the TLS settings, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those between it and the root.
    pub cert: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
    /// Certificates of which one has to have signed a client's certificate; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds something else, is named.
    pub(crate) fn read(&self) -> Result<Arc<ServerConfig>, HttpFault> {
        let fault = |path: &Path, what: String| HttpFault::Tls { path: path.to_owned(), what };
        let certs = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|cause| fault(&self.key, format!("holds no private key in PEM ({cause})")))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|cause| fault(&self.cert, cause.to_string()))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots
                        .add(root)
                        .map_err(|cause| fault(path, format!("holds a certificate that cannot sign ({cause})")))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(|cause| fault(path, cause.to_string()))?)
            }
        };
        let config = builder
            .with_single_cert(certs, key)
            .map_err(|cause| fault(&self.cert, format!("does not go with the key {} ({cause})", self.key.display())))?;
        Ok(Arc::new(config))
    }
}

/// Returns the certificates in a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HttpFault> {
    let fault = |cause: &dyn std::fmt::Display| HttpFault::Tls {
        path: path.to_owned(),
        what: format!("holds no certificate in PEM ({cause})"),
    };
    let all = CertificateDer::pem_file_iter(path).map_err(|cause| fault(&cause))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|cause| fault(&cause))?;
    if all.is_empty() { Err(fault(&"it is empty")) } else { Ok(all) }
}
