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
