//! Metrics that `eco2 run` and `eco2 serve` push, with a server on the loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::rig::{Rig, ran};

/// The token, which no output may show.
const SECRET: &str = "s3cr3t-token-1234";

/// A request: its head and its body.
pub(crate) struct Request {
    pub(crate) head: String,
    body: Vec<u8>,
}

/// A server that answers with these statuses in turn, then always with the last one.
pub(crate) fn server(statuses: &'static [u16]) -> (String, Receiver<Request>) {
    answering(statuses, b"")
}

/// As [`server`], with a content of each answer.
fn answering(statuses: &'static [u16], content: &'static [u8]) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
            let length =
                head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let status = statuses[number.min(statuses.len() - 1)];
            let length = content.len();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // Before the answer: a test may count the requests once the client has ended.
            sender.send(Request { head, body }).ok();
            // A client that has gone away is no failure of the test.
            let _ = (&stream).write_all(&[answer.as_bytes(), content].concat());
        }
    });
    (address, requests)
}

/// Returns the files below a folder, with their contents.
fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let below = |entry: std::fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files_below(&entry.path()),
        kind if kind.is_file() => vec![(entry.path(), std::fs::read(entry.path()).unwrap())],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

fn wait(requests: &Receiver<Request>) -> Request {
    requests.recv_timeout(Duration::from_secs(30)).unwrap()
}

#[test]
fn run_is_pushed_to_every_kind_of_place_when_it_ends() {
    let rig = Rig::measured();
    let (address, requests) = server(&[200]);
    let flags = format!(
        "--no-log --json r.json --name bert --push otlp={address} --push otlp-traces={address} \
         --push remote-write={address}/api/v1/write --push pushgateway={address} --push textfile=eco2.prom"
    );
    let mut command = rig.measuring(&flags, "sleep 0.1; exit 7");
    let done = ran(command.env("ECO2_TOKEN_OTLP", SECRET).env("ECO2_TOKEN_PUSHGATEWAY", format!("user:{SECRET}")));
    assert_eq!(done.code, Some(7), "{}", done.err);
    assert!(!done.err.contains("push") && !done.err.contains(SECRET), "{}", done.err);
    let report = rig.report("r.json");
    assert!(report.events.iter().all(|event| event.kind != "push-failed"), "{:?}", report.events);
    let all: Vec<Request> = (0..4).map(|_| wait(&requests)).collect();
    let find = |line: &str| all.iter().find(|one| one.head.starts_with(line)).unwrap_or_else(|| panic!("{line}"));
    let metrics = find("POST /v1/metrics HTTP/1.1");
    let has = |request: &Request, text: &str| request.body.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(metrics.head.contains(&format!("authorization: Bearer {SECRET}")), "{}", metrics.head);
    assert!(has(metrics, "hw.energy") && has(metrics, &report.run.id));
    assert!(has(find("POST /v1/traces HTTP/1.1"), "bert"));
    let written = find("POST /api/v1/write HTTP/1.1");
    assert!(written.head.contains("content-encoding: snappy") && !written.head.contains("authorization"));
    assert!(has(written, "eco2_run_energy_joules_total"));
    let group = find("PUT /metrics/job/eco2/instance");
    assert!(group.head.contains("/run_name/bert HTTP/1.1") && group.head.contains("authorization: Basic "));
    let text = std::fs::read_to_string(rig.path("eco2.prom")).unwrap();
    assert_eq!(String::from_utf8_lossy(&group.body), text);
    let energy = text.lines().find_map(|line| line.strip_prefix("eco2_energy_joules_total{component=\"cpu\""));
    assert!(energy.is_some(), "{text}");
}

#[test]
fn what_a_server_did_not_take_waits_for_the_next_run_and_is_sent_once() {
    let rig = Rig::measured();
    let (address, requests) = server(&[503, 503, 503, 200]);
    let flags = format!("--no-log --json r.json --push remote-write={address}/write");
    let first = rig.run(&flags, "exit 3");
    assert_eq!(first.code, Some(3));
    assert!(first.err.contains("push remote-write: 1 request not sent yet"), "{}", first.err);
    let (first_report, waited) = (rig.report("r.json"), wait(&requests).body);
    let failed = first_report.events.iter().find(|event| event.kind == "push-failed").expect("an event");
    assert!(failed.text.contains("HTTP 503"), "{}", failed.text);
    let tries = requests.try_iter().inspect(|again| assert_eq!(again.body, waited)).count();
    let second = rig.run(&flags, "true");
    assert!(tries <= 2 && second.code == Some(0), "{}", second.err);
    let bodies: Vec<Vec<u8>> = requests.try_iter().map(|request| request.body).collect();
    let last = &bodies[bodies.len() - 2..];
    assert_eq!(last[0], waited, "the oldest first");
    assert_ne!(last[1], waited);
    assert!(!second.err.contains("push"), "{}", second.err);
    assert_eq!(rig.run(&flags, "true").code, Some(0));
    assert_eq!(requests.try_iter().count(), 1, "nothing is sent again");
}

#[test]
fn refused_content_is_a_warning_and_the_gateway_of_other_tools_is_used() {
    let rig = Rig::measured();
    let (address, requests) = server(&[400]);
    let mut command = rig.measuring("--no-log --json r.json", "exit 4");
    let done = ran(command.env("PROMETHEUS_PUSHGATEWAY_URL", &address));
    assert_eq!(done.code, Some(4));
    assert!(
        done.err.contains("push pushgateway: 1 request refused and dropped: the service answered HTTP 400"),
        "{}",
        done.err
    );
    assert!(wait(&requests).head.starts_with("PUT /metrics/job/eco2/instance"));
}

#[test]
fn place_that_cannot_be_used_is_an_error_before_the_run_that_shows_no_secret() {
    let rig = Rig::measured();
    let account = format!("otlp=https://{}@collector.example.org", "user:s3cr3t");
    for place in [
        "otlp=http://collector.example.org:4318",
        &account,
        "remote-write=https://prometheus.example.org/write?token=s3cr3t",
        "kafka=https://broker.example.org",
    ] {
        let flags = &format!("--push {place}");
        let done = rig.run(flags, "touch began");
        assert_eq!(done.code, Some(125), "{flags}: {}", done.err);
        assert!(done.err.contains("push") && !done.err.contains("s3cr3t"), "{}", done.err);
    }
    assert!(!rig.path("began").exists());
}

#[test]
fn headers_of_opentelemetry_are_sent_and_appear_nowhere_else() {
    let rig = Rig::measured();
    let (address, requests) = server(&[503]);
    let flags = format!("--no-log --json r.json --push otlp={address} --push remote-write={address}/write");
    let with = |flags: &str, variables: &[(&str, &str)]| {
        let mut command = rig.measuring(flags, "true");
        ran(command.envs(variables.iter().copied()))
    };
    let encoded = format!("x-key={SECRET}%20%2C,x-other=1");
    let done = with(&flags, &[("OTEL_EXPORTER_OTLP_HEADERS", &encoded)]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let heads: Vec<String> = requests.try_iter().map(|request| request.head).collect();
    let (otlp, others): (Vec<&String>, Vec<&String>) =
        heads.iter().partition(|head| head.starts_with("POST /v1/metrics"));
    let key = format!("x-key: {SECRET} ,\r\n");
    assert!(!otlp.is_empty() && otlp.iter().all(|head| head.contains(&key) && head.contains("x-other: 1\r\n")));
    assert!(!others.is_empty() && others.iter().all(|head| !head.contains(SECRET)), "{heads:?}");
    assert!(!done.err.contains(SECRET), "{}", done.err);
    let files = files_below(&rig.path("."));
    assert!(files.iter().any(|(path, _)| path.extension().is_some_and(|end| end == "message")), "a request waits");
    for (path, content) in files {
        assert!(!content.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{}", path.display());
    }

    let (address, requests) = server(&[200]);
    // The signal's own variable replaces that of all signals; the headers of another address are not sent.
    let traces = format!("--no-log --json r.json --push otlp-traces={address}");
    let signal = [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=all"), ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-experiment=7")];
    let elsewhere = [signal[0], signal[1], ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example.org")];
    for (variables, is_sent) in [(&signal[..], true), (&elsewhere[..], false)] {
        assert_eq!(with(&traces, variables).code, Some(0));
        let head = wait(&requests).head;
        assert!(head.contains("x-experiment: 7") == is_sent && !head.contains("x-key"), "{head}");
    }

    // What is no list of headers is an event, and the run starts.
    let wrong = format!("authorization={SECRET}");
    for (variables, fault) in [
        (&[("OTEL_EXPORTER_OTLP_HEADERS", SECRET)][..], "header 1 is no pair"),
        (
            &[("OTEL_EXPORTER_OTLP_HEADERS", &wrong), ("ECO2_TOKEN_OTLP", "another-token-123")],
            "header 1 is set by eco2",
        ),
    ] {
        let done = with(&traces, variables);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert!(done.err.contains(fault) && !done.err.contains(SECRET), "{}", done.err);
        assert_eq!(requests.try_iter().count(), 0);
        let failed =
            rig.report("r.json").events.into_iter().find(|event| event.kind == "push-failed").expect("an event");
        assert!(failed.text.contains("OTEL_EXPORTER_OTLP_HEADERS: header 1"), "{}", failed.text);
    }
}

#[test]
fn what_a_server_refuses_of_a_request_that_it_took_is_an_event_and_is_not_sent_again() {
    let rig = Rig::measured();
    // `partial_success` with 5 data points and the reason "old\x1b".
    let (address, requests) = answering(&[200], b"\x0a\x08\x08\x05\x12\x04old\x1b");
    let flags = format!("--no-log --json r.json --push otlp={address} --push remote-write={address}/write");
    for _ in 0..2 {
        let done = rig.run(&flags, "true");
        assert_eq!(done.code, Some(0), "{}", done.err);
        let text = "push otlp: the server refused 5 data points of requests that it took: old?";
        assert!(done.err.contains(text), "{}", done.err);
        let events = rig.report("r.json").events;
        let failed: Vec<&str> =
            events.iter().filter(|event| event.kind == "push-failed").map(|event| &*event.text).collect();
        assert_eq!(failed, [text]);
        assert_eq!([wait(&requests), wait(&requests)].len() + requests.try_iter().count(), 2, "each is sent once");
    }
}
