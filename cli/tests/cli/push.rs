//! Metrics that `eco2 run` and `eco2 serve` push, with a server on the loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::rig::{Rig, ran};

/// The token, which no output may show.
const SECRET: &str = "s3cr3t-token-1234";

/// A request: its head and its body.
struct Request {
    head: String,
    body: Vec<u8>,
}

/// A server that answers with these statuses in turn, then always with the last one.
fn server(statuses: &'static [u16]) -> (String, Receiver<Request>) {
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
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // A client that has gone away is no failure of the test.
            let _ = (&stream).write_all(answer.as_bytes());
            sender.send(Request { head, body }).ok();
        }
    });
    (address, requests)
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
