//! Requests and webhooks against a server on the loopback that fails in every way, without real waits.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod stub;
#[path = "stub/tls.rs"]
mod tls;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use eco2_net::{Auth, Http, Limits, NetError, ScriptedClock, Secret, ServerTrust, Webhook};
use stub::{Answer, Stub};
use tls::self_signed;

const TOKEN: &str = "not-a-secret-that-must-not-show";

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(2), first_wait: Duration::from_secs(1), retries: 2, ..Limits::default() }
}

/// The error of a request with a token, whose text shows neither the token nor the address.
fn failing(base: &str, limits: Limits) -> NetError {
    let http = Http::new(base, limits).unwrap().with_clock(Arc::new(ScriptedClock::default()));
    let token = Secret::new(TOKEN).unwrap();
    let error = http.get("/path", &[("zone", "DE")], Auth::Bearer(&token)).unwrap_err();
    let text = format!("{error} {error:?} {http:?}");
    assert!(!text.contains(TOKEN), "{text}");
    assert!(!format!("{error} {error:?}").contains("127.0.0.1"), "{error}");
    error
}

#[test]
fn every_failure_is_an_error_of_its_own() {
    let redirect = Answer::Http(302, "location: https://example.org/\r\n", String::new());
    let often = Answer::Http(429, "retry-after: 120\r\n", String::new());
    let busy = Answer::Http(503, "retry-after: 7\r\n", String::new());
    let endless = Answer::Http(429, "retry-after: 99999999\r\n", String::new());
    let cases = [
        (Answer::status(401), NetError::Refused(401)),
        (Answer::status(403), NetError::Refused(403)),
        (often, NetError::TooOften { retry_after_s: Some(120) }),
        (endless, NetError::TooOften { retry_after_s: Some(3600) }),
        (busy, NetError::NotAvailable { retry_after_s: 7 }),
        (Answer::status(503), NetError::Status(503)),
        (Answer::status(500), NetError::Status(500)),
        (Answer::status(404), NetError::Status(404)),
        (redirect, NetError::Redirect),
        (Answer::Long(100_000), NetError::TooLarge { most: 65_536 }),
    ];
    for (answer, expected) in cases {
        let text = format!("{answer:.80?}");
        assert_eq!(failing(&Stub::always(answer).base, Limits { max_bytes: 65_536, ..limits() }), expected, "{text}");
    }
    let hurried = Limits { timeout: Duration::from_millis(300), retries: 0, ..limits() };
    for slow in [Answer::Silence, Answer::Drops] {
        assert_eq!(failing(&Stub::always(slow).base, hurried), NetError::Timeout);
    }
    for broken in [Answer::Noise, Answer::Closed] {
        let error = failing(&Stub::always(broken).base, limits());
        assert!(matches!(error, NetError::NotHttp | NetError::Unreachable), "{error:?}");
    }
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(failing(&format!("http://{free}"), limits()), NetError::Unreachable);
}

#[test]
fn passing_error_is_retried_with_doubling_waits_and_a_final_one_is_not() {
    // Two retries: waits of 1 and 2 s on the clock that is scripted, none of them real.
    for (status, requests, slept_s) in [(500, 3, 3), (503, 3, 3), (401, 1, 0), (404, 1, 0), (429, 1, 0)] {
        let stub = Stub::always(Answer::status(status));
        let clock = Arc::new(ScriptedClock::default());
        let http = Http::new(&stub.base, limits()).unwrap().with_clock(clock.clone());
        http.get("/", &[], Auth::None).unwrap_err();
        assert_eq!((stub.asked(), clock.slept()), (requests, Duration::from_secs(slept_s)), "{status}");
    }
}

#[test]
fn webhook_waits_as_long_as_requested_but_not_longer_than_the_time_left() {
    let stub = Stub::new(|_| Answer::Http(429, "retry-after: 40\r\n", String::new()));
    let clock = Arc::new(ScriptedClock::default());
    let address = Secret::new(&format!("{}/hook", stub.base)).unwrap();
    let hook = Webhook::new(address, Limits { retries: 1, ..limits() }).unwrap().with_clock(clock.clone());
    let refused = Err(NetError::TooOften { retry_after_s: Some(40) });
    assert_eq!(hook.post("{}"), refused);
    assert_eq!((stub.asked(), clock.slept()), (2, Duration::from_secs(40)), "40 s, not the 1 s of the limits");
    assert_eq!(hook.post_within("{}", &|| Some(Duration::from_secs(30))), refused);
    assert_eq!((stub.asked(), clock.slept()), (3, Duration::from_secs(40)), "a wait that is too long is not started");
}

#[test]
fn f44_untrusted_certificate_and_plain_text_are_refused() {
    assert_eq!(failing(&without_tls(), limits()), NetError::Tls);
    assert_eq!(failing(&self_signed().0, limits()), NetError::Tls);
}

/// A BMC signs its certificate itself: it is trusted if its file is named, or if nothing is checked on request.
#[test]
fn private_certificate_is_trusted_by_its_file_and_only_by_it() {
    let (folder, (base, pem), (_, other_pem)) = (tempfile::tempdir().unwrap(), self_signed(), self_signed());
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        ServerTrust::Authority(folder.path().join(name))
    };
    let asked = |trust: &ServerTrust| {
        let http =
            Http::trusting(&base, limits(), trust).map(|http| http.with_clock(Arc::new(ScriptedClock::default())));
        http.and_then(|http| http.get("/", &[], Auth::None))
    };
    assert_eq!(asked(&file("own.pem", &pem)), Ok(b"{}".to_vec()));
    assert_eq!(asked(&ServerTrust::Unchecked), Ok(b"{}".to_vec()));
    assert_eq!(asked(&file("other.pem", &other_pem)), Err(NetError::Tls));
    assert_eq!(asked(&ServerTrust::Public), Err(NetError::Tls));
    for (name, text) in [("empty.pem", ""), ("key.pem", "-----BEGIN RUBBISH-----\n"), ("text.pem", "no certificate")] {
        let error = asked(&file(name, text)).unwrap_err();
        assert_eq!(error, NetError::Certificate(folder.path().join(name)), "{name}");
        assert!(error.to_string().contains(name));
    }
}

#[test]
fn login_sends_an_account_once_and_returns_the_token_and_where_to_end_the_session() {
    let stub = Stub::new(|line| match line {
        line if line.starts_with("POST /sessions") => {
            Answer::Http(201, "x-auth-token: T0K3N\r\nlocation: /sessions/7\r\n", "{}".to_owned())
        }
        line if line.starts_with("POST /silent") => Answer::Http(201, "", "{}".to_owned()),
        line if line.starts_with("DELETE /sessions/7") => Answer::status(204),
        _ => Answer::status(401),
    });
    let http = Http::new(&stub.base, limits()).unwrap();
    let account = Secret::new("monitor:pass\"word:\\2").unwrap();
    let login = |path: &str| http.log_in(path, &account, ["UserName", "Password"], "x-auth-token");
    let session = login("/sessions").unwrap();
    assert_eq!(session.location.as_deref(), Some("/sessions/7"));
    assert!(!format!("{session:?}").contains("T0K3N"));
    http.delete("/sessions/7", Auth::Header("x-auth-token", &session.token)).unwrap();
    assert!(stub.seen.lock().unwrap().last().unwrap().contains("x-auth-token: T0K3N"));
    assert_eq!(login("/silent").unwrap_err(), NetError::NoToken);
    let before = stub.asked();
    assert_eq!((login("/locked").unwrap_err(), stub.asked() - before), (NetError::Refused(401), 1), "never repeated");
    let body = stub.bodies.lock().unwrap()[0].clone();
    assert_eq!(body, r#"{"UserName":"monitor","Password":"pass\"word:\\2"}"#);
}

/// A server that answers in plain HTTP where TLS is expected.
fn without_tls() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            let _ = stub::answer(stream, &Answer::ok("{}"));
        }
    });
    base
}
