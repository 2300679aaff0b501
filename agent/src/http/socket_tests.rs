//! Tests over real sockets: many clients at once, TLS, the Unix socket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::fixture::latest;

const TOKEN: &str = "not-a-secret-0123456789";

fn loopback() -> HttpOptions {
    HttpOptions { listen: Some("127.0.0.1:0".parse().unwrap()), ..HttpOptions::default() }
}

fn exchange(mut stream: impl std::io::Read + std::io::Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that closes without TLS's goodbye is an error to some clients, after the whole answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn token_file(folder: &Path, token: &str, mode: u32) -> PathBuf {
    let path = folder.join("token");
    std::fs::write(&path, token).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

// F45: 100 scrapes at once, between 50 clients that send nothing and 50 that never read more than their sockets hold.
#[test]
fn f45_hundred_scrapers_among_slow_clients_get_whole_pages() {
    let server = HttpServer::start(&loopback(), latest(9)).unwrap();
    let address = server.address().unwrap();
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();
    let deaf: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&METRICS.replace("close", "keep-alive").repeat(400).into_bytes()).unwrap();
            stream
        })
        .collect();
    let scrapers: Vec<_> =
        (0..100).map(|_| std::thread::spawn(move || exchange(TcpStream::connect(address).unwrap(), METRICS))).collect();
    let body = |answer: &str| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap();
    let pages: std::collections::BTreeSet<String> =
        scrapers.into_iter().map(|one| body(&one.join().unwrap())).collect();
    assert_eq!(pages.len(), 1, "all see the same instant");
    assert!(pages.first().unwrap().contains("eco2_energy_joules_total"));
    drop((silent, deaf, server));
}

#[test]
fn token_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = token_file(folder.path(), TOKEN, 0o600);
    let server = HttpServer::start(&HttpOptions { token_file: Some(path), ..loopback() }, latest(9)).unwrap();
    let get = |token: &str| {
        let request = METRICS.replace("host:", &format!("authorization: Bearer {token}\r\nhost:"));
        exchange(TcpStream::connect(server.address().unwrap()).unwrap(), &request)[9..12].to_owned()
    };
    assert_eq!(get(TOKEN), "200");
    let is_soon = |token: &str| {
        (0..300).any(|_| {
            get(token) == "200" || {
                std::thread::sleep(Duration::from_millis(20));
                false
            }
        })
    };
    let other = "not-a-secret-9876543210";
    token_file(folder.path(), other, 0o600);
    assert!(is_soon(other), "within some seconds");
    assert_eq!(get(TOKEN), "401");
}

#[test]
fn client_that_closes_early_harms_nothing() {
    let server = HttpServer::start(&loopback(), latest(9)).unwrap();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(server.address().unwrap()).unwrap();
        stream.write_all(METRICS.as_bytes()).unwrap();
    }
    assert!(exchange(TcpStream::connect(server.address().unwrap()).unwrap(), METRICS).starts_with("HTTP/1.1 200"));
}

/// Passes on what is to be called when a job has begun.
#[derive(Debug)]
struct Later(std::sync::mpsc::Sender<crate::JobDone>);

impl JobControl for Later {
    fn begin(&self, _: crate::JobRequest, _: crate::Caller, done: crate::JobDone) {
        self.0.send(done).unwrap();
    }
    fn end(&self, _: &str, _: crate::JobEnd, _: crate::Caller, _: crate::JobDone) {}
}

#[test]
fn client_that_closes_its_half_after_the_request_gets_its_answer_and_one_that_is_gone_is_known_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("eco2.sock");
    let options = HttpOptions { socket: Some(socket.clone()), ..HttpOptions::default() };
    let (send, asked) = std::sync::mpsc::channel();
    let _server = HttpServer::start_with(&options, latest(9), Some(Arc::new(Later(send)))).unwrap();
    let begin = || {
        let mut client = UnixStream::connect(&socket).unwrap();
        let request = b"POST /api/v1/jobs HTTP/1.1\r\nhost: any\r\ncontent-length: 10\r\n\r\n{\"id\":\"a\"}";
        client.write_all(request).unwrap();
        (client, asked.recv().unwrap())
    };
    // The thread that serves all clients goes on, and sees what the other one has closed.
    let others = || (0..3).for_each(|_| assert!(!exchange(UnixStream::connect(&socket).unwrap(), METRICS).is_empty()));
    let (mut client, done) = begin();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    others();
    assert!(done(Ok(7)), "the caller is there");
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"key\":7"), "{answer}");
    let (client, done) = begin();
    drop(client);
    others();
    assert!(!done(Ok(8)), "the caller is gone");
}

#[test]
fn socket_shows_its_user_everything_and_is_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("eco2.sock");
    let options = HttpOptions { socket: Some(socket.clone()), ..HttpOptions::default() };
    let server = HttpServer::start(&options, latest(9)).unwrap();
    let answer = exchange(UnixStream::connect(&socket).unwrap(), &METRICS.replace("localhost", "any"));
    assert!(answer.contains("run=\"48213\"") && server.address().is_none(), "the agent's own user: {answer}");
    drop(server);
    assert!(!socket.exists());
}

#[test]
fn lease_is_granted_to_those_who_may_see_fine_energies() {
    #[derive(Debug, Default)]
    struct Counted(std::sync::atomic::AtomicU32);
    impl JobControl for Counted {
        fn begin(&self, _: crate::JobRequest, _: crate::Caller, done: crate::JobDone) {
            done(Ok(1));
        }
        fn end(&self, _: &str, _: crate::JobEnd, _: crate::Caller, done: crate::JobDone) {
            done(Ok(1));
        }
        fn lease(&self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("eco2.sock");
    let options = HttpOptions { socket: Some(socket.clone()), ..loopback() };
    let control = Arc::new(Counted::default());
    let server = HttpServer::start_with(&options, latest(9), Some(control.clone())).unwrap();
    let request = "POST /api/v1/lease HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let granted = exchange(UnixStream::connect(&socket).unwrap(), request);
    assert!(
        granted.starts_with("HTTP/1.1 200") && granted.contains("{\"seconds\":5}"),
        "the agent's own user: {granted}"
    );
    let refused = exchange(TcpStream::connect(server.address().unwrap()).unwrap(), request);
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert_eq!(control.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// Asks the socket that a variable names; run in another PID namespace by the test below.
#[test]
fn asks_from_another_namespace() {
    let Some(socket) = std::env::var_os("ECO2_TEST_SOCKET") else { return };
    print!("{}", exchange(UnixStream::connect(socket).unwrap(), &METRICS.replace("localhost", "any")));
}

// Root of a container is not root of the machine: what it sees over a mounted socket is what everyone sees.
#[test]
fn root_of_another_pid_namespace_sees_what_everyone_sees() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("eco2.sock");
    let options = HttpOptions { socket: Some(socket.clone()), ..HttpOptions::default() };
    let _server = HttpServer::start(&options, latest(9)).unwrap();
    let ask = |program: &str, before: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(before).env("ECO2_TEST_SOCKET", &socket);
        if program == "unshare" {
            command.arg(std::env::current_exe().unwrap());
        }
        let name = "http::server::socket_tests::asks_from_another_namespace";
        command.args(["--exact", name, "--nocapture"]).output().ok().map(|ran| String::from_utf8(ran.stdout).unwrap())
    };
    let here = ask(std::env::current_exe().unwrap().to_str().unwrap(), &[]).unwrap();
    assert!(here.contains("run=\"48213\""), "{here}");
    match ask("unshare", &["--pid", "--fork"]).filter(|answer| answer.contains("HTTP/1.1")) {
        None => eprintln!("skipped: this user may not make a PID namespace"),
        Some(there) => assert!(there.contains(" 200 OK") && !there.contains("48213"), "{there}"),
    }
}

#[test]
fn token_is_read_from_a_file_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let fault = |token: &str, mode| {
        let options = HttpOptions { token_file: Some(token_file(folder.path(), token, mode)), ..loopback() };
        HttpServer::start(&options, latest(1)).map(drop)
    };
    assert!(matches!(fault(TOKEN, 0o644), Err(HttpFault::Token(eco2_net::SecretFault::Open(_)))));
    assert!(matches!(fault("short", 0o600), Err(HttpFault::ShortToken(_))));
    // Advisory of cc-backend 1.5.4: "empty key accepted".
    assert!(matches!(fault("", 0o600), Err(HttpFault::Token(_))));
    assert!(fault(TOKEN, 0o600).is_ok());
}

fn pem(what: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", base64::engine::general_purpose::STANDARD.encode(der))
}

/// Writes a certificate for localhost that signed itself, and its key.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&cert, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    (cert, key, made)
}

fn tls_client(
    server: &rcgen::CertifiedKey<rcgen::KeyPair>,
    own: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
) -> rustls::ClientConnection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
            builder.with_client_auth_cert(vec![own.cert.der().clone()], key).unwrap()
        }
    };
    rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

#[test]
fn encrypted_server_answers_tls_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key, made) = certificate(folder.path(), "server");
    let (ca, _, client) = certificate(folder.path(), "client");
    let start = |client_ca: Option<PathBuf>| {
        let tls = Some(TlsFiles { cert: cert.clone(), key: key.clone(), client_ca });
        HttpServer::start(&HttpOptions { tls, ..loopback() }, latest(9)).unwrap()
    };
    let get = |server: &HttpServer, own: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>| {
        let stream = TcpStream::connect(server.address().unwrap()).unwrap();
        let mut tls = rustls::StreamOwned::new(tls_client(&made, own), stream);
        let mut answer = String::new();
        let _ = tls.write_all(METRICS.as_bytes()).and_then(|()| tls.read_to_string(&mut answer));
        answer
    };
    let server = start(None);
    assert!(get(&server, None).starts_with("HTTP/1.1 200"));
    let plain = exchange(TcpStream::connect(server.address().unwrap()).unwrap(), METRICS.trim_start_matches(' '));
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    let server = start(Some(ca));
    assert!(get(&server, Some(&client)).starts_with("HTTP/1.1 200"), "a client with a certificate");
    assert_eq!(get(&server, None), "", "a client without one");
}

#[test]
fn tls_files_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(folder.path(), "server");
    let (_, other, _) = certificate(folder.path(), "other");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (files, named) in [
        (TlsFiles { cert: empty.clone(), key: key.clone(), client_ca: None }, &empty),
        (TlsFiles { cert: cert.clone(), key: empty.clone(), client_ca: None }, &empty),
        (TlsFiles { cert: cert.clone(), key: other.clone(), client_ca: None }, &other),
        (TlsFiles { cert: cert.clone(), key: key.clone(), client_ca: Some(empty.clone()) }, &empty),
    ] {
        let fault = HttpServer::start(&HttpOptions { tls: Some(files), ..loopback() }, latest(1)).unwrap_err();
        assert!(fault.to_string().contains(&*named.to_string_lossy()), "{fault}");
    }
}

/// Serves synthetic values for a browser or a scraper: `ECO2_PAGE_FOR=SECONDS cargo test -p eco2-agent page_for_browsers -- --ignored`.
#[test]
#[ignore = "serves until it is stopped"]
fn page_for_browsers() {
    let seconds: u64 = std::env::var("ECO2_PAGE_FOR").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let latest = latest(1);
    let listen = std::env::var("ECO2_PAGE_AT").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_LISTEN);
    let folder = tempfile::tempdir().unwrap();
    let options = HttpOptions {
        listen: Some(listen),
        token_file: Some(token_file(folder.path(), TOKEN, 0o600)),
        ..HttpOptions::default()
    };
    let _server = HttpServer::start(&options, latest.clone()).unwrap();
    for second in 2..seconds {
        std::thread::sleep(Duration::from_secs(1));
        latest.publish(crate::fixture::views(second));
    }
}
