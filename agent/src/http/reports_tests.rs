//! Tests of the answers about stored runs: real logs in a folder, and requests without sockets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eco2::options::{Log, opt};
use eco2::{Meter, Options};
use eco2_net::Secret;
use hyper::header::HeaderMap;
use hyper::{Method, Uri};

use super::super::access::{Access, Anonymous, Channel};
use super::super::archive::Archive;
use super::super::dispatch;
use super::super::reply::Content;
use super::super::stream::Stream;
use super::*;
use crate::fixture::{SECOND_NS, latest, views};

const ROOT: Channel = Channel::Unix { uid: 0, trusted: true };

/// Stores a run with generated values, and returns its report.
pub(crate) fn stored_run(folder: &Path, name: &str, project: Option<&str>) -> Report {
    let builder = Meter::builder().set(&opt::SOURCES, "synthetic").log(Log::Folder(folder.to_owned())).name(name);
    let meter = match project {
        Some(project) => builder.label(PROJECT, project).open().unwrap(),
        None => builder.open().unwrap(),
    };
    std::thread::sleep(Duration::from_millis(5));
    meter.close()
}

pub(crate) fn service(folder: &Path) -> Service {
    let stream = Arc::new(Stream::new(0xab));
    (1..=12).for_each(|second| stream.record(views(second)));
    let access = Access::new(Secret::new("not-a-secret-0123456789"), Anonymous::Coarse, &[], false);
    let mut service = Service::new(latest(12), stream, access, || 1_000_000_000_000 + 12 * SECOND_NS);
    let options = Options { log: Log::Folder(folder.to_owned()), ..Options::default() };
    service.archive = Some(Archive::open(folder.to_owned(), options).unwrap());
    service
}

/// Returns the answer to a request, with its status and its body.
pub(crate) fn asked(service: &Service, method: Method, target: &str, channel: Channel) -> (Reply, u16, String) {
    let mut headers = HeaderMap::new();
    headers.append("host", "localhost:9862".parse().unwrap());
    let (mut head, ()) = hyper::Request::new(()).into_parts();
    (head.method, head.uri, head.headers) = (method, target.parse::<Uri>().unwrap(), headers);
    let reply = dispatch::answer(service, &head, channel, b"");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut reply = runtime.block_on(reply.settled());
    let Content::Whole(bytes) = &mut reply.body else { panic!("no whole body") };
    let text = String::from_utf8(std::mem::take(bytes).to_vec()).unwrap();
    let status = reply.status.as_u16();
    (reply, status, text)
}

fn get(service: &Service, target: &str) -> (u16, String) {
    let (_, status, text) = asked(service, Method::GET, target, ROOT);
    (status, text)
}

fn json(service: &Service, target: &str) -> serde_json::Value {
    let (status, text) = get(service, target);
    assert_eq!(status, 200, "{target}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn stored_runs_are_listed_shown_summed_and_advised_on() {
    let folder = tempfile::tempdir().unwrap();
    let runs = [("a", Some("vision")), ("b", Some("vision")), ("c", None)];
    let reports = runs.map(|(name, project)| stored_run(folder.path(), name, project));
    let service = service(folder.path());
    let list = json(&service, "/api/v1/reports?limit=2");
    assert_eq!((list["runs"].as_array().unwrap().len(), list["totals"]["runs"].as_u64()), (2, Some(3)));
    let id = &reports[0].run.id;
    let report = json(&service, &format!("/api/v1/reports/{id}"));
    assert_eq!(report["energy"]["total_uj"].as_u64(), reports[0].energy.total_uj);
    // What `eco2 report` writes of the same run.
    for (format, ..) in FORMATS {
        let (reply, status, text) = asked(&service, Method::GET, &format!("/reports/{id}?format={format}"), ROOT);
        let is_written = status == 200 && !text.is_empty();
        assert!(is_written || (*format == "firefox" && status == 422), "{format}: {status} {text:.200}");
        assert_eq!(*format == "html", reply.headers.iter().any(|(name, _)| *name == CONTENT_DISPOSITION), "{format}");
    }
    let projects = json(&service, "/api/v1/projects");
    let sums = [0, 1].map(|at| (&projects["projects"][at]["project"], &projects["projects"][at]["totals"]["runs"]));
    assert_eq!(
        sums,
        [(&serde_json::json!("vision"), &serde_json::json!(2)), (&serde_json::Value::Null, &serde_json::json!(1))]
    );
    let of_project = json(&service, "/projects/vision/export");
    let known = |at: usize| u128::from(reports[at].energy.total_uj.unwrap());
    assert_eq!(of_project["totals"]["energy_uj"].as_u64().map(u128::from), Some(known(0) + known(1)));
    assert_eq!(get(&service, "/api/v1/projects/vision?format=csv").1.lines().count(), 3);
    let sums = json(&service, "/api/v1/analytics?days=1&interval=week");
    let sum_of = |label: &str| {
        let sums = sums["sums"].as_array().unwrap().iter().filter(|sum| sum["label"] == label);
        sums.map(|sum| u128::from(sum["energy_uj"].as_u64().unwrap())).sum::<u128>()
    };
    assert_eq!((sum_of("vision"), sum_of("(none)")), (known(0) + known(1), known(2)));
    assert_eq!(
        json(&service, "/api/v1/projects/vision/advice")["run"],
        json(&service, "/reports/b/advice".replace("/reports", "/api/v1/reports").as_str())["run"]
    );
}

#[test]
fn seeds_posts_are_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    stored_run(folder.path(), "a", Some("vision"));
    let service = service(folder.path());
    for (posted, same) in [
        ("/analytics/aggregate?project_name=vision&days=30&interval=day", "/api/v1/analytics?project=vision&days=30"),
        ("/optimize/vision", "/api/v1/projects/vision/advice"),
    ] {
        let (_, status, text) = asked(&service, Method::POST, posted, ROOT);
        assert_eq!((status, text), get(&service, same), "{posted}");
    }
}

#[test]
fn stored_runs_are_for_their_owner_and_the_bearer_of_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let report = stored_run(folder.path(), "secret-name", Some("vision"));
    let service = service(folder.path());
    let owner = rustix::process::geteuid().as_raw();
    for target in ["/api/v1/reports", "/api/v1/projects", "/api/v1/analytics", &format!("/reports/{}", report.run.id)] {
        let by = |channel| asked(&service, Method::GET, target, channel);
        let stranger = Channel::Unix { uid: owner + 1, trusted: false };
        for channel in [Channel::Tcp { tls: false }, stranger] {
            let (_, status, text) = by(channel);
            assert!(status == 403 && !text.contains("secret-name") && !text.contains("vision"), "{target}: {text}");
        }
        assert_eq!(by(Channel::Unix { uid: owner, trusted: false }).1, 200, "{target}");
    }
}

// Advisories of cc-backend 1.5.4: "path traversal by tag into a path", "SQL injection by the name of a metric", "cost of a query".
#[test]
fn names_in_requests_reach_neither_files_nor_queries() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    stored_run(&runs, "a", Some("vision"));
    std::fs::write(folder.path().join("outside.json"), "{\"secret\": 1}").unwrap();
    std::fs::write(runs.join("inside.json"), "{\"secret\": 1}").unwrap();
    std::os::unix::fs::symlink(folder.path(), runs.join("link")).unwrap();
    let service = service(&runs);
    for id in [
        "..",
        ".",
        "outside.json",
        "..%2foutside.json",
        "inside.json",
        "link",
        "/etc/passwd",
        "%00",
        "a'--",
        "Cargo.toml",
        "src",
    ] {
        let (status, text) = get(&service, &format!("/api/v1/reports/{id}"));
        assert!(matches!(status, 404 | 500), "{id}: {status} {text}");
        assert!(!text.contains("secret") && !text.contains(&*folder.path().to_string_lossy()), "{id}: {text}");
    }
    for project in ["%27%20OR%201%3D1%20--", "vision%22%3BDROP%20TABLE%20runs", "..%2F..", "%25", "*", "visio_"] {
        let list = json(&service, &format!("/api/v1/reports?project={project}"));
        assert_eq!(list["totals"]["runs"], 0, "{project}");
    }
    assert_eq!(json(&service, "/api/v1/reports")["totals"]["runs"], 1, "the index is whole");
    for target in [
        "/api/v1/reports?limit=1000000",
        "/api/v1/reports?limit=0",
        "/api/v1/reports?format=exe",
        "/api/v1/reports?since=never",
        "/api/v1/reports?since=2026-01-01&since=2026-01-02",
        "/api/v1/analytics?days=99999999999",
        "/api/v1/analytics?interval=second",
        "/api/v1/projects?limit=1",
        "/power?start=NaN",
        "/power?start=1e999",
        "/api/v1/jobs/48213/samples?limit=-1",
    ] {
        assert_eq!(get(&service, target).0, 400, "{target}");
    }
}

#[test]
fn damaged_run_is_an_error_and_is_counted_where_it_is_in_no_sum() {
    let folder = tempfile::tempdir().unwrap();
    let report = stored_run(folder.path(), "a", Some("vision"));
    std::fs::write(folder.path().join("20260101-000000-1-1.eco2log"), "no log").unwrap();
    let service = service(folder.path());
    let (status, text) = get(&service, "/api/v1/reports/20260101-000000-1-1");
    assert!(status == 500 && !text.contains(&*folder.path().to_string_lossy()), "{status} {text}");
    let (reply, status, text) = asked(&service, Method::GET, "/api/v1/analytics", ROOT);
    let left_out = reply.headers.iter().find(|(name, _)| name.as_str() == LEFT_OUT).map(|(_, count)| count.as_str());
    assert_eq!((status, left_out), (200, Some("1")), "{text}");
    assert!(text.contains(&format!("\"energy_uj\": {}", report.energy.total_uj.unwrap())), "{text}");
}

#[test]
fn slow_disk_holds_up_no_other_client_and_the_queue_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(folder.path());
    let archive = service.archive.as_ref().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let slow = archive.ask(super::super::access::Rights::All, move |_| {
        held.recv().ok();
        Reply::text(JSON, "{}".to_owned())
    });
    // The HTTP thread answers all else meanwhile.
    assert_eq!(get(&service, "/api/v1/node").0, 200);
    let ask = || archive.ask(super::super::access::Rights::All, |_| Reply::text(JSON, "{}".to_owned()));
    let mut waiting = Vec::new();
    let refused = loop {
        let reply = ask();
        match reply.body {
            Content::Later(_) if waiting.len() < 100 => waiting.push(reply),
            _ => break reply,
        }
    };
    assert!(refused.status == 503 && refused.headers.iter().any(|(name, _)| *name == hyper::header::RETRY_AFTER));
    assert!(waiting.len() <= 17, "{}", waiting.len());
    release.send(()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(slow.settled()).status, StatusCode::OK);
    // A fault of one request is the end of no other.
    let fault = archive.ask(super::super::access::Rights::All, |_| panic!("a fault"));
    assert_eq!(runtime.block_on(fault.settled()).status, StatusCode::INTERNAL_SERVER_ERROR);
}
