//! Requests and webhooks against a server on the loopback that fails in every way, without real waits.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod stub;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use eco2_net::{Auth, Http, Limits, NetError, ScriptedClock, Secret, Webhook};
use stub::{Answer, Stub};

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
    let endless = Answer::Http(429, "retry-after: 99999999\r\n", String::new());
    let cases = [
        (Answer::status(401), NetError::Refused(401)),
        (Answer::status(403), NetError::Refused(403)),
        (often, NetError::TooOften { retry_after_s: Some(120) }),
        (endless, NetError::TooOften { retry_after_s: Some(3600) }),
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
    assert_eq!(failing(&self_signed(), limits()), NetError::Tls);
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

/// A server with a self-signed certificate.
fn self_signed() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = rustls::StreamOwned::new(connection, stream);
            let _ = stub::answer(stream, &Answer::ok("{}"));
        }
    });
    base
}
