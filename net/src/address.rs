//! Checks which addresses requests may use: HTTPS to any machine but link-local ones, plain HTTP to this machine, and
//! one link-local address for the client of the cloud's metadata service. Link-local addresses (such as 169.254.1.1)
//! reach only machines of the same network segment.

use std::net::{IpAddr, Ipv6Addr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::NetError;

/// Address at which clouds answer their own machines: a link-local address (RFC 3927).
pub const METADATA_HOST: &str = "169.254.169.254";
/// Largest length of a base address (the part that all addresses of one service have in common), bytes.
const LONGEST_BASE: usize = 512;

/// The kind of client that sends requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// The client of a data provider or a webhook.
    Service,
    /// The client of the cloud's metadata service.
    Metadata,
}

/// Checks a base address and returns whether it is on this machine, where plain HTTP is allowed.
///
/// # Errors
/// [`NetError::Address`] for an address that is neither HTTPS nor on this machine, is link-local, or contains a user, a
/// query or a fragment.
pub(crate) fn check(base: &str, client: ClientKind) -> Result<bool, NetError> {
    let (scheme, rest) = base.split_once("://").ok_or(NetError::Address("does not start with https://"))?;
    if base.len() > LONGEST_BASE || !base.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NetError::Address("is too long or contains blanks"));
    }
    if rest.contains(['@', '?', '#']) {
        return Err(NetError::Address("holds a user, a query or a fragment; tokens go into the environment"));
    }
    let authority = rest.split('/').next().unwrap_or("");
    let host = host(authority);
    let is_metadata = client == ClientKind::Metadata && host == METADATA_HOST;
    let local = matches!(host, "127.0.0.1" | "localhost" | "[::1]") || is_metadata;
    match scheme {
        _ if host.is_empty() => Err(NetError::Address("names no host")),
        _ if !is_metadata && is_link_local_host(host) => Err(LINK_LOCAL),
        "https" => Ok(false),
        "http" if local => Ok(true),
        _ => Err(NetError::Address("is not https, which only services on this machine may leave out")),
    }
}

/// The error for a link-local address.
const LINK_LOCAL: NetError =
    NetError::Address("is link-local, which is allowed only for the metadata service of a cloud; name another host");

/// Returns the host of an authority (`user@host:port`). The brackets of an IPv6 address remain.
fn host(authority: &str) -> &str {
    match authority.find(']') {
        Some(end) => &authority[..=end],
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether a host is written as a link-local address.
pub(crate) fn is_link_local_host(host: &str) -> bool {
    address(host).is_some_and(is_link_local)
}

/// Returns the IP address that a host is written as; `None` for a name.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is in 169.254.0.0/16 (RFC 3927), also if written as IPv6, or in fe80::/10 (RFC 4291).
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || mapped(address),
    }
}

/// Whether an IPv6 address contains a link-local IPv4 address.
fn mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4().is_some_and(|address| address.is_link_local())
}

/// A resolver that refuses names of link-local addresses. Only here is an unusual notation of an address recognised.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    client: ClientKind,
    inner: DefaultResolver,
}

impl GuardedResolver {
    /// Returns a resolver for this kind of client.
    pub(crate) fn new(client: ClientKind) -> Self {
        Self { client, inner: DefaultResolver::default() }
    }
}

/// The error for a name that leads to a link-local address.
#[derive(Debug, thiserror::Error)]
#[error("link-local address")]
struct LinkLocalName;

impl Resolver for GuardedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let refused = self.client == ClientKind::Service && found.iter().any(|address| is_link_local(address.ip()));
        if refused { Err(ureq::Error::Other(Box::new(LinkLocalName))) } else { Ok(found) }
    }
}

/// Returns the error of a request that [`GuardedResolver`] refused; `None` if it failed for another reason.
pub(crate) fn refusal(error: &ureq::Error) -> Option<NetError> {
    match error {
        ureq::Error::Other(cause) if cause.is::<LinkLocalName>() => Some(LINK_LOCAL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_asked() {
        for good in ["https://api.example.org/v3", "http://127.0.0.1:8080", "http://[::1]:80/x", "http://localhost"] {
            assert!(check(good, ClientKind::Service).is_ok(), "{good}");
        }
        for wrong in [
            "http://example.org",
            "ftp://127.0.0.1",
            "example.org",
            "https://user:pw@example.org",
            "https://example.org?token=x",
            "http://127.0.0.1.example.org",
            "http://localhost@example.org",
            "https://",
            "https://exa mple.org",
        ] {
            assert!(matches!(check(wrong, ClientKind::Service), Err(NetError::Address(_))), "{wrong}");
        }
    }

    #[test]
    fn k17_link_local_address_is_asked_by_the_metadata_client_alone() {
        assert_eq!(check("http://169.254.169.254", ClientKind::Metadata), Ok(true));
        assert_eq!(check("http://127.0.0.1:8080", ClientKind::Metadata), Ok(true), "a stand-in for tests");
        for wrong in [
            "http://169.254.169.254",
            "http://169.254.169.254:80/latest",
            "https://169.254.169.254/",
            "https://169.254.0.1",
            "https://[fe80::1]/",
            "https://[fe80::1]:8443/",
            "https://[::ffff:169.254.169.254]/",
        ] {
            assert!(check(wrong, ClientKind::Service).is_err(), "{wrong}");
        }
        assert_eq!(check("https://169.254.0.1", ClientKind::Metadata), Err(LINK_LOCAL), "one address, not the network");
        assert_eq!(check("https://170.254.0.1", ClientKind::Service), Ok(false));
    }

    #[test]
    fn k17_spelling_of_a_link_local_address_that_only_the_resolver_knows_is_refused() {
        use ureq::Agent;
        let config = Agent::config_builder().timeout_global(Some(std::time::Duration::from_secs(5))).build();
        let agent = Agent::with_parts(
            config,
            ureq::unversioned::transport::DefaultConnector::default(),
            GuardedResolver::new(ClientKind::Service),
        );
        // 0xa9fea9fe = 2852039166 = 169.254.169.254, as inet_aton(3) reads it.
        for address in ["https://2852039166/", "https://0xa9fea9fe/", "https://169.254.43518/"] {
            let error = agent.get(address).call().unwrap_err();
            assert_eq!(refusal(&error), Some(LINK_LOCAL), "{address}: {error}");
        }
    }
}
