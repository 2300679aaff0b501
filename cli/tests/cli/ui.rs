//! `eco2 run --ui`: a live page while the command runs, for the bearer of a token that is good for one session.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::rig::Rig;

/// Starts a run that lasts until its input is closed; returns it with the address and the token that it prints.
fn started(rig: &Rig) -> (Child, String, String) {
    let mut command = rig.command("run --ui --no-log --source synthetic --zone DE --name bert --summary off -- cat");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line =
        lines.find_map(|line| line.unwrap().split_once("http://").map(|(_, address)| address.to_owned())).unwrap();
    let (address, token) = line.split_once("/#token=").unwrap();
    // The rest is read, so that the command never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.to_owned(), token.to_owned())
}

fn exchange(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{request}\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_of_a_run_are_for_everyone_on_the_machine_without_names() {
    let rig = Rig::bare();
    let mut command =
        rig.command("run --listen 127.0.0.1:0 --no-log --source synthetic --name secret --summary off -- cat");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line =
        lines.find_map(|line| line.unwrap().split_once("http://").map(|(_, address)| address.to_owned())).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    let address = line.strip_suffix("/metrics").unwrap();
    for target in ["/metrics", "/api/v1/node", "/", "/api/v1/state"] {
        let answer = exchange(address, &format!("GET {target} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("secret"), "{target}: {answer:.300}");
    }
    let metrics = exchange(address, "GET /metrics HTTP/1.1");
    assert!(metrics.contains("\neco2_energy_joules_total{"), "{metrics}");
    for refused in ["POST /session", "GET /api/v1/reports"] {
        let answer = exchange(address, &format!("{refused} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 401") || answer.starts_with("HTTP/1.1 404"), "{refused}: {answer}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect(address).is_err(), "it ended with the run");
}

// F46: an address that is taken costs the page and not the run; one beyond this machine is refused.
#[test]
fn f46_address_that_cannot_be_had_is_named() {
    let rig = Rig::bare();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = |address: &str| {
        crate::rig::ran(
            &mut rig.command(&format!("run --listen {address} --no-log --source synthetic --summary off -- true")),
        )
    };
    let ran = run(&address);
    assert!(ran.code == Some(0) && ran.err.contains(&address) && ran.err.contains("in use"), "{}", ran.err);
    let ran = run("0.0.0.0:0");
    assert!(ran.code == Some(125) && ran.err.contains("eco2 serve"), "{}", ran.err);
}

#[test]
fn page_of_a_run_is_for_the_bearer_of_its_token_and_ends_with_it() {
    let rig = Rig::bare();
    let (mut child, address, token) = started(&rig);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    assert!(exchange(&address, "GET /api/v1/state HTTP/1.1").starts_with("HTTP/1.1 401"));
    let session = format!("POST /session HTTP/1.1\r\nauthorization: Bearer {token}");
    let opened = exchange(&address, &session);
    let cookie = opened.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert!(exchange(&address, &session).starts_with("HTTP/1.1 401"), "the token is used up");
    let state = exchange(&address, &format!("GET /api/v1/state HTTP/1.1\r\ncookie: {cookie}"));
    let state: Value = serde_json::from_str(state.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&state["node"]["hostname"], &state["node"]["zone"]), (&"bert".into(), &"DE".into()), "{state}");
    assert!(
        state["devices"]
            .as_array()
            .is_some_and(|devices| devices.iter().all(|device| device["quality"] == "synthetic"))
    );
    let page = exchange(&address, &format!("GET / HTTP/1.1\r\ncookie: {cookie}"));
    assert!(page.contains("uPlot") && !page.contains("https://fonts") && !page.contains(&token));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err(), "the page ended with the run");
}
