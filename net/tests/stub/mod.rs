//! A web server on the loopback that follows a script, faults included.

#![allow(dead_code, reason = "several test binaries share it, and each uses a part")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status with headers and a body.
    Http(u16, &'static str, String),
    /// Nothing, for good.
    Silence,
    /// A byte now and then, for good.
    Drops,
    /// A body of this number of bytes.
    Long(usize),
    /// Bytes that are no HTTP.
    Noise,
    /// The connection is closed.
    Closed,
}

impl Answer {
    /// 200 with a body.
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Http(200, "", body.into())
    }

    /// A status alone.
    pub(crate) fn status(code: u16) -> Self {
        Self::Http(code, "", String::new())
    }
}

/// A server; it lives as long as the process.
pub(crate) struct Stub {
    pub(crate) base: String,
    pub(crate) requests: Arc<AtomicU64>,
    /// Every request as it came: its line and its headers.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    /// The bodies of requests that have one.
    pub(crate) bodies: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Answers every request with what `script` returns for its line, such as `GET /intensity HTTP/1.1`.
    pub(crate) fn new(script: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::with_heads(move |line, _| script(line))
    }

    /// Answers every request with what `script` returns for its line and all of its head.
    pub(crate) fn with_heads(script: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stub = Self { base, requests: Arc::default(), seen: Arc::default(), bodies: Arc::default() };
        let (requests, seen, bodies) = (stub.requests.clone(), stub.seen.clone(), stub.bodies.clone());
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, requests) = (Arc::clone(&script), Arc::clone(&requests));
                let (seen, bodies) = (Arc::clone(&seen), Arc::clone(&bodies));
                std::thread::spawn(move || serve(stream, &*script, &requests, (&seen, &bodies)));
            }
        });
        stub
    }

    /// Answers everything alike.
    pub(crate) fn always(answer: Answer) -> Self {
        Self::new(move |_| answer.clone())
    }

    pub(crate) fn asked(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

type Texts = Mutex<Vec<String>>;

fn serve(
    stream: TcpStream,
    script: &dyn Fn(&str, &str) -> Answer,
    requests: &AtomicU64,
    (seen, bodies): (&Texts, &Texts),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let line = head.lines().next().unwrap_or("").to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    if let Some(length) = length {
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        bodies.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
    }
    seen.lock().unwrap().push(head.clone());
    // A client that has gone away is no failure of the test.
    let _ = answer(stream, &script(&line, &head));
}

/// Sends an answer over any transport.
pub(crate) fn answer(mut stream: impl Read + Write, answer: &Answer) -> std::io::Result<()> {
    match answer {
        Answer::Http(status, headers, body) => {
            let head =
                format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(body.as_bytes())
        }
        Answer::Silence => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Answer::Drops => {
            stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n")?;
            loop {
                stream.write_all(b" ")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Answer::Long(bytes) => {
            stream.write_all(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")?;
            let chunk = [b' '; 1 << 16];
            (0..bytes.div_ceil(chunk.len())).try_for_each(|_| stream.write_all(&chunk))
        }
        Answer::Noise => stream.write_all(b"\x00\xff\x16not http at all\r\n\r\n"),
        Answer::Closed => Ok(()),
    }
}
