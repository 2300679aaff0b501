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
    let Parts { method, uri: target, headers, .. } = head;
    let path = target.path();
    if path.len() + target.query().map_or(0, str::len) > LONGEST_PATH {
        return Reply::error(StatusCode::URI_TOO_LONG, "the address is too long");
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
    let query = target.query().unwrap_or("");
    (route.handle)(service, &Ask { method, query, headers, channel, id, rights, body })
}

#[cfg(test)]
#[path = "dispatch_tests.rs"]
mod tests;
