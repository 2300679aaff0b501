//! Tests of connections, with a clock that jumps where every task waits: clients that are slow, silent, greedy or cut off.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::super::access::Rights;
use super::*;
use crate::fixture::{SECOND_NS, latest, views};

fn service() -> Arc<Service> {
    let stream = Arc::new(Stream::new(0xab));
    stream.record(views(1));
    let access = Access::new(None, Anonymous::Coarse, &[], false);
    Arc::new(Service::new(latest(1), stream, access, || 1_000_000_000_000 + SECOND_NS))
}

/// Opens a connection; the pipe holds `room` bytes in each direction.
fn connect(service: &Arc<Service>, room: usize) -> DuplexStream {
    let (client, server) = duplex(room);
    let service = Arc::clone(service);
    tokio::spawn(async move { serve(server, Channel::Tcp { tls: false }, service, &Arc::default()).await });
    client
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// Reads until the server closes the connection.
async fn rest(client: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    // The server may close it before everything was read.
    let _ = client.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Reads until a text arrives.
async fn until(client: &mut DuplexStream, text: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(text) {
        bytes.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}

const HEAD: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n";

#[test]
fn connection_answers_several_requests_and_is_closed_when_it_idles() {
    run(async {
        let mut client = connect(&service(), 1 << 16);
        for _ in 0..2 {
            client.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
            assert!(until(&mut client, "}]}\n").await.starts_with("HTTP/1.1 200"));
        }
        let from = Instant::now();
        rest(&mut client).await;
        assert_eq!(from.elapsed().as_secs(), HEAD_PATIENCE.as_secs());
    });
}

#[test]
fn slowloris_is_cut_off_however_regularly_it_sends() {
    run(async {
        let mut client = connect(&service(), 1 << 16);
        let from = Instant::now();
        client.write_all(HEAD.as_bytes()).await.unwrap();
        while client.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert_eq!(from.elapsed().as_secs(), HEAD_PATIENCE.as_secs());
    });
}

#[test]
fn body_that_does_not_come_or_does_not_end_is_refused() {
    run(async {
        let post = "POST /session HTTP/1.1\r\nhost: localhost\r\n";
        let mut slow = connect(&service(), 1 << 16);
        slow.write_all(format!("{post}content-length: 10\r\n\r\nabc").as_bytes()).await.unwrap();
        assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408"));
        let mut endless = connect(&service(), 1 << 20);
        endless.write_all(format!("{post}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
        for _ in 0..40 {
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            if endless.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
        }
        assert!(rest(&mut endless).await.starts_with("HTTP/1.1 413"));
    });
}

#[test]
fn huge_heads_are_refused_with_a_reason() {
    run(async {
        for (head, status) in [
            (format!("{HEAD}x: {}\r\n\r\n", "y".repeat(1 << 20)), "431"),
            (format!("{HEAD}{}\r\n", "x: y\r\n".repeat(100)), "431"),
            (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(4000)), "414"),
            ("GET /health HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n".to_owned(), "400"),
            ("\0\0\0\0\r\n\r\n".to_owned(), "400"),
            (
                "GET /health HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\nhost: localhost\r\n\r\n".to_owned(),
                "400",
            ),
        ] {
            let mut client = connect(&service(), 1 << 16);
            // The server answers before it has read everything.
            let _ = tokio::time::timeout(Duration::from_secs(1), client.write_all(head.as_bytes())).await;
            let mut answer = [0; 12];
            assert!(client.read_exact(&mut answer).await.is_ok(), "no answer to {head:.40}");
            assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{head:.40}");
        }
    });
}

// F45: a client that never reads.
#[test]
fn client_that_never_reads_is_cut_off() {
    run(async {
        let service = service();
        let mut silent = connect(&service, 64);
        silent.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let from = Instant::now();
        // Nothing reads the answer, so the connection ends when the server gives up.
        while silent.write_u8(b'x').await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let waited = from.elapsed().as_secs();
        assert!((WRITE_PATIENCE.as_secs()..WRITE_PATIENCE.as_secs() + 40).contains(&waited), "{waited} s");
    });
}

#[test]
fn slow_reader_of_the_stream_loses_its_place_and_no_memory() {
    run(async {
        let service = service();
        let mut client = connect(&service, 256);
        client.write_all(b"GET /events?after=ab-0 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        until(&mut client, "event: ").await;
        assert!(service.clients.enter(Rights::Coarse).is_some());
        (2..40).for_each(|second| service.stream.record(views(second)));
        tokio::time::sleep(WRITE_PATIENCE * 2).await;
        let places: Vec<_> = std::iter::from_fn(|| service.clients.enter(Rights::All)).collect();
        assert_eq!(places.len(), super::super::subscribe::MOST_CLIENTS, "its place is free again");
    });
}

#[test]
fn stream_has_a_limit_on_clients_and_names_when_to_come_back() {
    run(async {
        let service = service();
        let places: Vec<_> = std::iter::from_fn(|| service.clients.enter(Rights::All)).collect();
        let mut client = connect(&service, 1 << 16);
        client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let answer = until(&mut client, "}").await.to_lowercase();
        assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: 5"), "{answer}");
        drop(places);
        client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert!(until(&mut client, "retry: 1000").await.contains("HTTP/1.1 200"));
    });
}

#[test]
fn silent_stream_shows_that_it_is_alive() {
    run(async {
        let mut client = connect(&service(), 1 << 16);
        client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let from = Instant::now();
        until(&mut client, ": alive").await;
        assert_eq!(from.elapsed().as_secs(), 10);
    });
}

#[test]
fn place_in_the_stream_of_another_process_leads_to_a_new_document() {
    run(async {
        let mut client = connect(&service(), 1 << 16);
        client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: ff-3\r\n\r\n").await.unwrap();
        let text = until(&mut client, "data: {}").await;
        assert!(text.contains("event: snapshot"), "{text}");
    });
}
