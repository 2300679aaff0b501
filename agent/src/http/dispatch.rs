//! Hands a request to what answers it, if the caller may ask.

use hyper::header;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::access::{Channel, Refusal, Rights};
use super::reply::Reply;
use super::routes::{self, Found, Need};
use super::service::{Ask, Service, refused};

/// Longest path with its query, bytes.
const LONGEST_PATH: usize = 2048;

/// Answers a request.
pub(crate) fn answer(service: &Service, head: &Parts, channel: Channel, body: &[u8]) -> Reply {
    let Parts { method, uri: target, headers, extensions, .. } = head;
    let path = target.path();
    if path.len() + target.query().map_or(0, str::len) > LONGEST_PATH {
        return Reply::error(StatusCode::URI_TOO_LONG, "the address is too long");
    }
    // A request through a proxy names the host twice. The names are the same, or one of them is not checked.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if target.authority().is_some_and(|authority| host != Some(authority.as_str())) {
        return Reply::error(StatusCode::MISDIRECTED_REQUEST, "the address and the Host header name different hosts");
    }
    let rights = match service.access.admit(method, path, headers, channel) {
        Ok(rights) => rights,
        Err(refusal) => return refused(refusal),
    };
    // An answer to HEAD is that to GET, without its body.
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    let (route, id) = match routes::find(asked, path) {
        Found::Route(route, id) => (route, id),
        Found::OtherMethod(allowed) => {
            let reply = Reply::error(StatusCode::METHOD_NOT_ALLOWED, "this address has other methods");
            return reply.with(header::ALLOW, allowed);
        }
        Found::Nothing => {
            return Reply::error(StatusCode::NOT_FOUND, "no such address; /api/v1/openapi.json lists all");
        }
    };
    if route.need == Need::Reader && rights == Rights::Nothing {
        return refused(Refusal { status: StatusCode::UNAUTHORIZED, text: "a token is required" });
    }
    let limited = service.rate.as_ref().filter(|_| route.need == Need::Reader);
    if let Some(Err(seconds)) = limited.map(|rate| rate.take(rights, (service.now_ns)())) {
        let reply = Reply::error(StatusCode::TOO_MANY_REQUESTS, "too many requests in the last minute");
        return reply.with(header::RETRY_AFTER, seconds.to_string());
    }
    let query = target.query().unwrap_or("");
    (route.handle)(service, &Ask { method, query, headers, channel, id, rights, body, peer: extensions.get() })
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
