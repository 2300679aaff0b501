//! Tests of the answers, without sockets: who sees what, and what hostile requests get. Advisories of cc-backend 1.5.4 are named
//! in comments.

use std::collections::BTreeSet;
use std::sync::Arc;

use eco2_net::Secret;
use hyper::Uri;
use hyper::header::HeaderMap;

use super::super::access::{Access, Anonymous};
use super::super::reply::Content;
use super::super::service::OPENAPI;
use super::super::stream::Stream;
use super::*;
use crate::Health;
use crate::fixture::{SECOND_NS, SECOND_UJ, job, latest, views};
use crate::{Resolution, Views};

const TOKEN: &str = "not-a-secret-0123456789";
const TCP: Channel = Channel::Tcp { tls: false };

fn service(anonymous: Anonymous) -> Service {
    let stream = Arc::new(Stream::new(0xab));
    stream.record(views(1));
    let access = Access::new(Secret::new(TOKEN), anonymous, &[], false);
    Service::new(latest(1), stream, access, || 1_000_000_000_000 + SECOND_NS)
}

fn ask(service: &Service, method: Method, target: &str, pairs: &[(&'static str, &str)], channel: Channel) -> Reply {
    let mut headers = HeaderMap::new();
    if !pairs.iter().any(|(name, _)| *name == "host") {
        headers.append("host", "localhost:9862".parse().unwrap());
    }
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    let (mut head, ()) = hyper::Request::new(()).into_parts();
    (head.method, head.uri, head.headers) = (method, target.parse::<Uri>().unwrap(), headers);
    answer(service, &head, channel, b"")
}

fn get(service: &Service, target: &str) -> (u16, String) {
    text(ask(service, Method::GET, target, &[], TCP))
}

fn get_with_token(service: &Service, target: &str) -> (u16, String) {
    text(ask(service, Method::GET, target, &[("authorization", &format!("Bearer {TOKEN}"))], TCP))
}

fn text(reply: Reply) -> (u16, String) {
    let Content::Whole(bytes) = reply.body else { panic!("a stream") };
    (reply.status.as_u16(), String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn interface_is_the_one_that_is_described() {
    let described: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let of = |(path, item): (&String, &serde_json::Value)| -> Vec<(String, String)> {
        let same = item["$ref"].as_str().and_then(|place| described.pointer(place.trim_start_matches('#')));
        same.unwrap_or(item).as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    let paths: BTreeSet<_> = described["paths"].as_object().unwrap().iter().flat_map(of).collect();
    let built: BTreeSet<_> =
        routes::ROUTES.iter().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    assert_eq!(paths, built);
}

#[test]
fn loopback_without_a_token_shows_no_job_no_user_and_coarse_energy() {
    let service = service(Anonymous::Coarse);
    for target in ["/metrics", "/api/v1/node", "/api/v1/state", "/api/v1/jobs", "/sessions", "/"] {
        let (status, text) = get(&service, target);
        assert_eq!(status, 200, "{target}");
        for hidden in ["48213", "secret-", "\"uid\"", "100050001", "100.050001"] {
            assert!(!text.contains(hidden), "{target} shows {hidden}: {text}");
        }
    }
    assert_eq!(get(&service, "/api/v1/jobs/48213").0, 404);
    assert!(get_with_token(&service, "/metrics").1.contains("} 100.050001\n"));
    assert!(get_with_token(&service, "/api/v1/jobs/48213").1.contains("secret-48213"));
}

#[test]
fn user_at_the_socket_sees_own_jobs_only() {
    let service = service(Anonymous::Nothing);
    let by = |uid, trusted, target: &str| text(ask(&service, Method::GET, target, &[], Channel::Unix { uid, trusted }));
    let (_, own) = by(1000, false, "/api/v1/node");
    assert!(own.contains("48213") && !own.contains("48214") && !own.contains("100050001"), "{own}");
    assert_eq!(by(1000, false, "/api/v1/jobs/48214").0, 404, "the job of another user");
    let (_, all) = by(0, true, "/api/v1/node");
    assert!(all.contains("48213") && all.contains("48214") && all.contains(&SECOND_UJ.to_string()), "{all}");
}

#[test]
fn server_that_shows_nothing_without_a_token_still_answers_probes() {
    let service = service(Anonymous::Nothing);
    for target in ["/metrics", "/events", "/api/v1/state", "/api/v1/jobs", "/api/v1/jobs/x", "/sessions"] {
        assert_eq!(get(&service, target).0, 401, "{target}");
    }
    let (status, health) = get(&service, "/health");
    assert!(status == 200 && health.contains("HEALTHY") && !health.contains("nvml"), "the level only: {health}");
    let (status, page) = get(&service, "/");
    assert!(status == 200 && !page.contains("node03") && page.contains("JavaScript"), "the page asks for the token");
}

#[test]
fn every_answer_has_the_headers_that_browsers_need() {
    let service = service(Anonymous::Coarse);
    // Advisory "missing nosniff and CSP"; and there is no CORS header, whatever is asked.
    for (method, target) in
        [("GET", "/"), ("GET", "/metrics"), ("GET", "/absent"), ("DELETE", "/"), ("OPTIONS", "/metrics")]
    {
        let origin = [("origin", "http://localhost:9862"), ("access-control-request-method", "GET")];
        let response = ask(&service, method.parse().unwrap(), target, &origin, TCP).into_response();
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{target}");
        assert_eq!(headers["cache-control"], "no-store", "{target}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{target}");
    }
}

#[test]
fn names_of_jobs_and_devices_are_no_markup() {
    // Advisory "stored XSS in the message of a job".
    let service = service(Anonymous::Coarse);
    let (_, page) = get_with_token(&service, "/");
    assert!(page.contains("secret-48213") && !page.contains("<script>alert") && !page.contains("\"fast\"\n<b>"));
    let (_, metrics) = get_with_token(&service, "/metrics");
    assert!(
        metrics.lines().all(|line| line.starts_with('#') || line.starts_with("eco2_")),
        "no line of its own: {metrics}"
    );
}

#[test]
fn paths_are_names_and_nothing_else() {
    let service = service(Anonymous::Coarse);
    // Advisory "path traversal".
    for path in [
        "/../etc/passwd",
        "/api/v1/jobs/../../etc",
        "/api/v1/jobs/%2e%2e",
        "/api/v1/jobs/a/b",
        "//metrics",
        "/metrics/",
        "/api/v1/jobs/",
        "/api/v1/jobs/a%00b",
        "/METRICS",
        "/api/v1/jobs/..%2f",
        "/sessions/%27%20OR%201=1",
    ] {
        assert_eq!(get(&service, path).0, 404, "{path}");
    }
    // Advisory "SQL injection by the name of a metric": there is no database, and names are compared.
    assert_eq!(get(&service, "/api/v1/jobs?status=running'--").0, 400);
    assert_eq!(get(&service, &format!("/{}", "a".repeat(5000))).0, 414);
    assert_eq!(get(&service, &format!("/metrics?{}", "a".repeat(5000))).0, 414);
    let reply = ask(&service, Method::DELETE, "/session", &[], TCP);
    assert_eq!((reply.status.as_u16(), &reply.headers[0].1[..]), (405, "POST"));
    let reply = ask(&service, Method::POST, "/metrics", &[], TCP);
    assert_eq!((reply.status.as_u16(), &reply.headers[0].1[..]), (405, "GET, HEAD"));
}

#[test]
fn session_cookie_opens_the_page() {
    let service = service(Anonymous::Nothing);
    let token = format!("Bearer {TOKEN}");
    let reply = ask(&service, Method::POST, "/session", &[("authorization", &token)], TCP);
    assert_eq!(reply.status, StatusCode::CREATED);
    let cookie = reply.headers.iter().find(|(name, _)| *name == header::SET_COOKIE).unwrap().1.clone();
    let cookie = cookie.split(';').next().unwrap();
    assert!(text(ask(&service, Method::GET, "/", &[("cookie", cookie)], TCP)).1.contains("node03"));
    assert_eq!(
        ask(&service, Method::POST, "/session", &[("authorization", "Bearer x")], TCP).status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(ask(&service, Method::POST, "/session", &[], TCP).status, StatusCode::UNAUTHORIZED);
}

#[test]
fn metrics_are_in_the_format_that_the_reader_prefers() {
    let service = service(Anonymous::Coarse);
    let kind = |accept: &str| ask(&service, Method::GET, "/metrics", &[("accept", accept)], TCP);
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    assert!(kind(prometheus).content_type.starts_with("application/openmetrics-text"));
    assert!(text(kind(prometheus)).1.ends_with("# EOF\n"));
    for plain in ["*/*", "text/plain", ""] {
        assert!(kind(plain).content_type.starts_with("text/plain"), "{plain}");
        assert!(!text(kind(plain)).1.contains("# EOF"), "{plain}");
    }
    assert!(get(&service, "/metrics?names=hf_training").1.contains("hf_training_gpu_power_watts{"));
}

#[test]
fn ended_job_is_scraped_twice_and_no_read_of_others_counts() {
    let service = service(Anonymous::Coarse);
    let mut full = crate::fixture::snapshot(2, Resolution::FULL);
    full.consumers[0] = job("48213", 1000, 2_000_000, Some(9));
    let sum = |text: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("eco2_consumer_energy_joules_total{kind=\"job\"} ").map(str::to_owned))
    };
    service.latest.publish(Views { full: Arc::new(full), ..views(2) });
    let head = ask(&service, Method::HEAD, "/metrics", &[("authorization", &format!("Bearer {TOKEN}"))], TCP);
    assert_eq!(head.status, StatusCode::OK);
    get(&service, "/metrics");
    for scrape in 1..=3 {
        let (_, text) = get_with_token(&service, "/metrics");
        assert_eq!(text.contains("48213"), scrape <= 2, "scrape {scrape}");
        assert!(text.contains("48214") && sum(&text).as_deref() == Some("5"), "scrape {scrape}: {text}");
    }
}

#[test]
fn health_fails_truthfully() {
    let level = |change: &dyn Fn(&mut crate::Snapshot), now_s: u64| {
        let mut snapshot = crate::fixture::snapshot(10, Resolution::PUBLIC);
        change(&mut snapshot);
        let health = Health::of(&snapshot, 1_000_000_000_000 + now_s * SECOND_NS);
        (serde_json::to_value(health.status).unwrap().as_str().unwrap().to_owned(), health.is_ready(), health.reasons)
    };
    use eco2_core::schema::Status;
    assert_eq!(level(&|_| {}, 11), ("HEALTHY".to_owned(), true, vec![]));
    let (status, ready, reasons) = level(&|snapshot| snapshot.sources[0].status = Status::Hung, 11);
    let text = "nvml does not answer".to_owned();
    assert_eq!((&status[..], ready, &reasons[..]), ("CRITICAL", false, &[text][..]), "the boards are in the total");
    let (status, ready, reasons) = level(&|snapshot| snapshot.sources[2].status = Status::Lost, 11);
    assert_eq!((&status[..], ready, &reasons[..]), ("DEGRADED", true, &["hwmon was lost".to_owned()][..]));
    let stale = |snapshot: &mut crate::Snapshot| {
        snapshot.counts.get_mut("rapl-perf").unwrap().read_ns = Some(snapshot.at_ns - 31 * SECOND_NS);
    };
    let (status, ready, reasons) = level(&stale, 10);
    assert_eq!(
        (&status[..], ready, &reasons[..]),
        ("CRITICAL", false, &["rapl-perf was not read for 31 s".to_owned()][..])
    );
    let all_lost =
        |snapshot: &mut crate::Snapshot| snapshot.sources.iter_mut().for_each(|source| source.status = Status::Lost);
    assert_eq!(level(&all_lost, 11).0, "CRITICAL");
    assert!(!level(&all_lost, 11).1);
    let unread = |snapshot: &mut crate::Snapshot| snapshot.total_uj = None;
    assert_eq!(level(&unread, 11).0, "CRITICAL", "sources answer, and nothing is known");
    let (status, ready, reasons) = level(&|_| {}, 15);
    assert_eq!((&status[..], ready), ("UNAVAILABLE", false), "{reasons:?}");
    assert_eq!(level(&|snapshot| snapshot.sampled_ns = Some(1), 11).0, "UNAVAILABLE", "the sampling thread hangs");
    assert_eq!(level(&|snapshot| snapshot.sampled_ns = None, 11).0, "UNAVAILABLE");
}

#[test]
fn stale_agent_answers_503() {
    let mut service = service(Anonymous::Coarse);
    service.now_ns = || 1_000_000_000_000 + 60 * SECOND_NS;
    for target in ["/health", "/ready", "/live"] {
        let (status, text) = get(&service, target);
        assert!(status == 503 && text.contains("UNAVAILABLE") && text.contains("59"), "{target}: {status} {text}");
    }
}

/// A probe of life ends the process: it fails only where a new one would help.
#[test]
fn agent_whose_sensor_is_lost_is_alive_and_not_ready() {
    let mut lost = crate::fixture::snapshot(10, Resolution::PUBLIC);
    lost.sources[0].status = eco2_core::schema::Status::Lost;
    let service = service(Anonymous::Coarse);
    service.latest.publish(Views { full: Arc::new(lost.clone()), public: Arc::new(lost) });
    for (target, status) in [("/live", 200), ("/ready", 503), ("/health", 503)] {
        let (found, text) = get(&service, target);
        assert!(found == status && text.contains("CRITICAL"), "{target}: {found} {text}");
    }
}

#[test]
fn caller_that_asks_too_often_is_refused_and_probes_are_not_counted() {
    let mut service = service(Anonymous::Coarse);
    service.rate = Some(super::super::rate::RateLimit::new(3));
    let taken = (0..100).take_while(|_| get(&service, "/metrics").0 == 200).count();
    assert_eq!(taken, 3);
    let reply = ask(&service, Method::GET, "/api/v1/node", &[], TCP);
    assert!(reply.status == StatusCode::TOO_MANY_REQUESTS && reply.headers[0].0 == header::RETRY_AFTER);
    assert_eq!(get(&service, "/health").0, 200);
    assert_eq!(get_with_token(&service, "/metrics").0, 200, "another caller");
}
