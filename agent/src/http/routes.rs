//! The table of addresses: method, path, who may use it, and what answers. A test compares it with `openapi.json`.

use hyper::Method;

use super::control::is_id;
use super::reply::Reply;
use super::reports;
use super::service::{self, Ask, Service};

/// Who may use an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Everyone.
    Nothing,
    /// Callers with some rights; what they see depends on them.
    Reader,
}

/// One address.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Path; `{id}` is one part of it.
    pub(crate) path: &'static str,
    pub(crate) need: Need,
    pub(crate) handle: fn(&Service, &Ask<'_>) -> Reply,
}

const fn post(path: &'static str, need: Need, handle: fn(&Service, &Ask<'_>) -> Reply) -> Route {
    Route { method: Method::POST, path, need, handle }
}

const fn get(path: &'static str, need: Need, handle: fn(&Service, &Ask<'_>) -> Reply) -> Route {
    Route { method: Method::GET, path, need, handle }
}

/// Every address. The last group are paths of HF Eco2AI.
pub(crate) const ROUTES: &[Route] = &[
    get("/", Need::Nothing, service::page),
    post("/session", Need::Nothing, service::session),
    get("/health", Need::Nothing, service::health),
    get("/ready", Need::Nothing, service::health),
    get("/metrics", Need::Reader, service::metrics),
    get("/events", Need::Reader, service::events),
    get("/api/v1/openapi.json", Need::Nothing, service::openapi),
    get("/api/v1/state", Need::Reader, service::state),
    get("/api/v1/node", Need::Reader, service::node),
    get("/api/v1/devices", Need::Reader, service::devices),
    get("/api/v1/sources", Need::Reader, service::sources),
    get("/api/v1/jobs", Need::Reader, service::jobs),
    get("/api/v1/jobs/{id}", Need::Reader, service::job),
    get("/api/v1/jobs/{id}/samples", Need::Reader, service::job_samples),
    post("/api/v1/jobs", Need::Reader, service::begin_job),
    post("/api/v1/jobs/{id}/end", Need::Reader, service::end_job),
    post("/api/v1/lease", Need::Reader, service::lease),
    get("/api/v1/reports", Need::Reader, reports::reports),
    get("/api/v1/reports/{id}", Need::Reader, reports::report),
    get("/api/v1/reports/{id}/advice", Need::Reader, reports::advice),
    get("/api/v1/projects", Need::Reader, reports::projects),
    get("/api/v1/projects/{id}", Need::Reader, reports::project),
    get("/api/v1/projects/{id}/advice", Need::Reader, reports::project_advice),
    get("/api/v1/analytics", Need::Reader, reports::analytics),
    get("/power", Need::Reader, service::power),
    get("/live", Need::Nothing, service::live),
    get("/sessions", Need::Reader, service::jobs),
    get("/sessions/{id}", Need::Reader, service::job),
    post("/sessions", Need::Reader, service::begin_job),
    post("/sessions/{id}/stop", Need::Reader, service::end_job),
    get("/metrics/{id}", Need::Reader, service::job_samples),
    get("/projects", Need::Reader, reports::projects),
    get("/projects/{id}", Need::Reader, reports::project),
    get("/projects/{id}/export", Need::Reader, reports::project),
    get("/reports", Need::Reader, reports::reports),
    get("/reports/{id}", Need::Reader, reports::report),
    post("/analytics/aggregate", Need::Reader, reports::analytics),
    post("/optimize/{id}", Need::Reader, reports::project_advice),
];

#[cfg(test)]
#[path = "contract_tests.rs"]
mod contract_tests;

/// What is at an address.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// This route, with the part of the path in place of `{id}`.
    Route(&'static Route, &'a str),
    /// Only these methods.
    OtherMethod(String),
    /// Nothing.
    Nothing,
}

/// Returns what is at a path. Paths are compared as they are: nothing is decoded or made shorter, so `..`, `//` and `%2e` are
/// names that do not exist.
pub(crate) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let matching = || ROUTES.iter().filter_map(|route| Some((route, id_of(route.path, path)?)));
    if let Some((route, id)) = matching().find(|(route, _)| route.method == *method) {
        return Found::Route(route, id);
    }
    let mut allowed: Vec<&str> = matching().map(|(route, _)| route.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    if allowed.is_empty() { Found::Nothing } else { Found::OtherMethod(allowed.join(", ")) }
}

/// Returns the part of the path in place of `{id}` if the path matches; an empty text if the route has none.
fn id_of<'a>(route: &str, path: &'a str) -> Option<&'a str> {
    match route.split_once("{id}") {
        None => (route == path).then_some(""),
        Some((before, after)) => path.strip_prefix(before)?.strip_suffix(after).filter(|id| is_id(id)),
    }
}
