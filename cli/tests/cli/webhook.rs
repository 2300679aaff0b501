//! Budgets of `eco2 run`, and the webhook that is notified, with a server on the loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use eco2_core::Decision;

use crate::rig::{Rig, assert_valid, ran};

/// The part of the address that gives the right to write there.
const SECRET: &str = "s3cr3t-path";

/// A server that answers with these statuses in turn, then always with the last one, and sends the bodies to the receiver.
fn server(statuses: &'static [u16]) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hooks/{SECRET}?sig={SECRET}", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for (request, stream) in listener.incoming().flatten().enumerate() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut line) = (0, String::new());
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
                    length = value.parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = statuses[request.min(statuses.len() - 1)];
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // A client that has gone away is no failure of the test.
            let _ = (&stream).write_all(answer.as_bytes());
            sender.send(String::from_utf8(body).unwrap()).ok();
        }
    });
    (address, bodies)
}

#[test]
fn an_exceeded_budget_is_printed_once_and_changes_no_exit_code() {
    let rig = Rig::measured();
    let ran = rig.run("--max-energy 1e-9 --no-log --json r.json", "sleep 0.1; exit 7");
    assert_eq!(ran.code, Some(7));
    assert_eq!(ran.err.matches("energy budget: ").count(), 1, "when it happened: {}", ran.err);
    assert!(ran.err.contains("  Budget       exceeded"), "{}", ran.err);
    let report = rig.report("r.json");
    assert_valid(&report);
    assert_eq!(report.budget.unwrap().limits[0].decision, Decision::Stop);
}

#[test]
fn a_webhook_is_notified_again_after_a_fault_and_its_address_is_never_shown() {
    let rig = Rig::measured();
    let (address, bodies) = server(&[503, 200]);
    let mut command = rig.measuring("--max-energy 1e-9 --webhook slack --json r.json", "sleep 0.1");
    let ran = ran(command.env("ECO2_TOKEN_WEBHOOK", &address));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let messages: Vec<String> = (0..2).map(|_| bodies.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
    assert_eq!(messages[0], messages[1], "the same again");
    assert!(
        messages[0].starts_with(r#"{"text":"eco2 run "#) && messages[0].contains("energy budget: "),
        "{}",
        messages[0]
    );
    assert!(bodies.recv_timeout(Duration::from_millis(50)).is_err(), "notified once");
    let log = rig
        .logs()
        .iter()
        .map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())
        .collect::<String>();
    for place in [&ran.out, &ran.err, &log, &std::fs::read_to_string(rig.path("r.json")).unwrap()] {
        assert!(!place.contains(SECRET), "{place}");
    }
}

#[test]
fn a_webhook_that_refuses_is_an_event_and_costs_the_run_nothing() {
    let rig = Rig::measured();
    let (address, _bodies) = server(&[403]);
    let mut command = rig.measuring("--max-energy 1e-9 --webhook json --json r.json", "sleep 0.1");
    let ran = ran(command.env("ECO2_TOKEN_WEBHOOK", &address));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report = rig.report("r.json");
    let failed = report.events.iter().find(|event| event.kind == "webhook-failed").expect("an event");
    assert!(failed.text.contains("HTTP 403") && !failed.text.contains(SECRET), "{}", failed.text);
    assert!(report.energy.total_uj > Some(0));
}

#[test]
fn d38_a_webhook_without_a_safe_secret_is_refused_before_the_run() {
    let rig = Rig::measured();
    let missing = rig.run("--webhook teams", "touch began");
    assert_eq!(missing.code, Some(125));
    assert!(missing.err.contains("ECO2_TOKEN_WEBHOOK_FILE"), "{}", missing.err);
    let file = rig.put("address", "https://hooks.example.org/s3cr3t-path\n");
    let mut command = rig.measuring("--webhook teams", "touch began");
    let open = ran(command.env("ECO2_TOKEN_WEBHOOK_FILE", &file));
    assert!(open.err.contains("chmod 600") && !open.err.contains(SECRET), "{}", open.err);
    assert!(!rig.path("began").exists());
}
