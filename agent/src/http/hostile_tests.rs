//! Tests over real sockets, with the parts of the server that a script feeds: hostile requests, greedy clients, cut streams.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::super::places::Places;
use super::*;
use crate::fixture::{SECOND_NS, latest, views};

/// A server on a thread of its own, whose stream the test feeds. The thread ends with the test's process.
fn fed() -> (Arc<Service>, SocketAddr) {
    let stream = Arc::new(Stream::new(0xab));
    stream.record(views(1));
    let access = Access::new(None, Anonymous::Coarse, &[], false);
    let service = Arc::new(Service::new(latest(1), stream, access, || 1_000_000_000_000 + SECOND_NS));
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, serving) = (listener.local_addr().unwrap(), Arc::clone(&service));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime
            .block_on(async { accept_tcp(tokio::net::TcpListener::from_std(listener).unwrap(), None, serving).await });
    });
    (service, address)
}

/// Sends bytes and returns everything until the server closes the connection.
fn exchanged(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.").skip(1).filter_map(|part| part.get(2..5)).collect()
}

#[test]
fn request_hidden_in_a_body_is_never_answered() {
    let (_service, address) = fed();
    let hidden = "GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let length = hidden.len();
    for framing in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n"),
        "transfer-encoding: chunked\r\ncontent-length: 4\r\nconnection: close\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\nconnection: close\r\n\r\n0\r\n\r\n".to_owned(),
        "transfer-encoding: xchunked\r\nconnection: close\r\n\r\n0\r\n\r\n".to_owned(),
        format!("content-length: +{length}\r\nconnection: close\r\n\r\n"),
        format!("content-length: {length}, 0\r\nconnection: close\r\n\r\n"),
        format!("content-length: 0\r\n content-length: {length}\r\nconnection: close\r\n\r\n"),
        format!("content-length : {length}\r\nconnection: close\r\n\r\n"),
    ] {
        let answer = exchanged(address, &format!("POST /session HTTP/1.1\r\nhost: localhost\r\n{framing}{hidden}"));
        assert_eq!(statuses(&answer).len(), 1, "{framing}: {answer}");
        assert!(matches!(statuses(&answer)[0], "400" | "401"), "{framing}: {answer}");
    }
}

#[test]
fn old_requests_and_several_at_once_are_answered() {
    let (_service, address) = fed();
    let old = exchanged(address, "GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n");
    assert!(old.contains(" 200 ") && old.ends_with("}\n"), "closed after the answer: {old}");
    assert_eq!(statuses(&exchanged(address, "GET /health HTTP/1.0\r\n\r\n")), ["400"], "no host");
    let one = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /absent HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answers = exchanged(address, &(one.repeat(100) + last));
    let found = statuses(&answers);
    assert_eq!((found.len(), found[0], found[100]), (101, "200", "404"), "in their order");
    let foreign = "GET http://evil.example/metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(statuses(&exchanged(address, foreign)), ["421"], "the host of the address counts as well");
    let tunnel = "CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(matches!(statuses(&exchanged(address, tunnel))[..], ["404" | "405" | "421"]));
}

proptest::proptest! {
    // F42: whatever bytes come in, alone or in place of a part of a request, the server answers or ends the connection.
    #[test]
    fn f42_any_bytes_are_answered_or_end_the_connection(
        noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        from in 0_usize..200,
        length in 0_usize..40,
    ) {
        let body = r#"{"id": "48213", "name": "train", "pid": 4242}"#;
        let head = format!("POST /api/v1/jobs?status=ended HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
        let mut bytes = format!("{head}authorization: Bearer x\r\ncookie: a=b\r\n\r\n{body}").into_bytes();
        let from = from.min(bytes.len());
        bytes.splice(from..(from + length).min(bytes.len()), noise);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            use tokio::io::AsyncWriteExt as _;
            let stream = Arc::new(Stream::new(0xab));
            stream.record(views(1));
            let access = Access::new(None, Anonymous::Coarse, &[], false);
            let service = Arc::new(Service::new(latest(1), stream, access, || 1_000_000_000_000 + SECOND_NS));
            let (mut client, server) = tokio::io::duplex(1 << 16);
            client.write_all(&bytes).await.unwrap();
            client.shutdown().await.unwrap();
            // A task that panics is an error here.
            let serving = async move { serve(server, Channel::Tcp { tls: false }, service, &Arc::default()).await };
            tokio::spawn(serving).await.unwrap();
        });
    }
}

// A client that takes every place keeps no other out: a new connection ends the one that has been idle longest.
#[test]
fn f45_greedy_client_keeps_no_other_out() {
    let (_service, address) = fed();
    let scrape = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut greedy: Vec<TcpStream> = Vec::new();
    for round in 0..3 {
        greedy.extend((0..TCP_CONNECTIONS + 20).map(|number| {
            let mut stream = TcpStream::connect(address).unwrap();
            // Some send nothing, some a part of a request.
            if number % 2 == 0 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nhost:").unwrap();
            }
            stream
        }));
        let from = std::time::Instant::now();
        assert_eq!(statuses(&exchanged(address, scrape)), ["200"], "round {round}");
        assert!(from.elapsed() < HEAD_PATIENCE, "{:?}", from.elapsed());
    }
    drop(greedy);
}

#[test]
fn place_is_taken_from_the_connection_that_has_been_idle_longest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let places = Places::new(3);
        let mut tasks = Vec::new();
        for number in 0..3 {
            let place = places.enter().await;
            if number == 0 {
                place.activity.begin();
            }
            let held = place.number();
            let task = tokio::spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            places.set_task(held, task.abort_handle());
            tasks.push(task);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let newest = places.enter().await;
        newest.activity.begin();
        tokio::task::yield_now().await;
        let ended: Vec<bool> = tasks.iter().map(tokio::task::JoinHandle::is_finished).collect();
        assert_eq!(ended, [false, true, false], "the first is busy");
        tasks.pop().unwrap().abort();
        let waits = tokio::time::timeout(Duration::from_secs(1), places.enter()).await;
        assert!(waits.is_ok(), "a place that became free is used");
    });
}

/// Reads at most `bytes` of the live stream after a message; returns the id of the last whole message, and the energy of each sample.
fn read_cut(address: SocketAddr, last: Option<&str>, bytes: usize) -> (Option<String>, Vec<f64>) {
    let resume = last.unwrap_or("ab-18446744073709551615");
    let mut stream = TcpStream::connect(address).unwrap();
    // A stream that has nothing more to send is cut as well.
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let request = format!("GET /events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {resume}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = Vec::new();
    let mut part = [0; 512];
    let head = loop {
        let read = stream.read(&mut part).unwrap_or(0);
        text.extend_from_slice(&part[..read]);
        match String::from_utf8_lossy(&text).split_once("\r\n\r\n") {
            Some((head, _)) => break head.len() + 4,
            None if read == 0 => return (None, Vec::new()),
            None => {}
        }
    };
    while text.len() < head + bytes {
        let room = part.len().min(head + bytes - text.len());
        match stream.read(&mut part[..room]) {
            Ok(read) if read > 0 => text.extend_from_slice(&part[..read]),
            _ => break,
        }
    }
    text.truncate(head + bytes);
    // Parts of a chunked body alternate with their sizes.
    let body = String::from_utf8_lossy(&text[head..]).into_owned();
    let body: String = body.split("\r\n").enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, part)| part).collect();
    let whole = body.rfind("\n\n").map_or("", |end| &body[..end]);
    let (mut id, mut energies) = (None, Vec::new());
    for message in whole.split("\n\n") {
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
        id = field("id: ").map(str::to_owned).or(id);
        if field("event: ") == Some("sample") {
            let data: serde_json::Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
            energies.push(data["energy_j"][0].as_f64().unwrap());
        }
    }
    (id, energies)
}

#[test]
fn stream_that_is_cut_a_thousand_times_gives_the_energy_that_was_used() {
    let (service, address) = fed();
    let energy_j = |second| eco2_core::units::joules(views(second).public.total_uj.unwrap());
    let (mut seconds, mut cuts) = (1_u64, 0_u64);
    let mut last: Option<String> = None;
    let mut seen: Vec<f64> = Vec::new();
    while cuts < 1_000 || seen.len() < usize::try_from(seconds).unwrap() {
        if cuts < 1_000 {
            seconds += 1;
            service.stream.record(views(seconds));
        }
        // A fixed sequence of places, from within the first line to some messages.
        let bytes = 20 + (cuts.wrapping_mul(6_364_136_223_846_793_005) >> 33) as usize % 900;
        let (id, energies) = read_cut(address, last.as_deref(), bytes);
        seen.extend(energies);
        last = id.or(last);
        cuts += 1;
        assert!(cuts < 20_000, "{} of {seconds} after {cuts} cuts", seen.len());
    }
    let truth: Vec<f64> = (1..=seconds).map(energy_j).collect();
    assert_eq!(seen, truth, "no sample is lost or doubled");
    let sum: f64 = seen.windows(2).map(|pair| ((pair[1] - pair[0]) * 1e6).round()).sum();
    assert_eq!(sum, ((energy_j(seconds) - energy_j(1)) * 1e6).round(), "the joules in between, to the microjoule");
}
