//! E-mail to a mail server on the loopback that fails in every way, without real waits between attempts.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

#[path = "stub/smtp.rs"]
mod smtp;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eco2_net::{Limits, MailAccount, Mailer, NetError, ScriptedClock, Secret};
use smtp::{MailStub, Script};

const PASSWORD: &str = "not-a-secret-that-must-not-show";

fn account(stub: &MailStub) -> MailAccount {
    MailAccount {
        server: stub.server.clone(),
        user: Some("eco2@example.org".to_owned()),
        password: Secret::new(PASSWORD),
        to: vec!["ops@example.org".to_owned(), "team@example.org".to_owned()],
        root_pem: Some(stub.root_pem.clone()),
        ..MailAccount::default()
    }
}

fn mailer(account: MailAccount) -> (Mailer, Arc<ScriptedClock>) {
    let limits = Limits {
        timeout: Duration::from_millis(500),
        retries: 2,
        first_wait: Duration::from_secs(1),
        ..Limits::default()
    };
    let clock = Arc::new(ScriptedClock::default());
    (Mailer::new(account, limits).unwrap().with_clock(clock.clone()), clock)
}

/// The error of a message; it shows neither the password nor text of the server.
fn failing(account: MailAccount) -> (NetError, Duration) {
    let (mailer, clock) = mailer(account);
    let error = mailer.send_within("subject", "text", &|| None).unwrap_err();
    let text = format!("{error} {error:?} {mailer:?}");
    assert!(!text.contains(PASSWORD) && !text.contains("s3cr3t"), "{text}");
    (error, clock.slept())
}

#[test]
fn a_message_arrives_over_starttls_and_over_implicit_tls() {
    for script in [Script::StartTls, Script::ImplicitTls] {
        let stub = MailStub::new(script);
        mailer(account(&stub)).0.send_within("eco2: budget-stop", "0.5 kg CO₂e\n.\nend", &|| None).unwrap();
        let mails = stub.mails();
        let [mail] = &mails[..] else { panic!("{script:?}: {mails:?}") };
        for command in
            ["MAIL FROM:<eco2@example.org>", "RCPT TO:<ops@example.org>", "RCPT TO:<team@example.org>", "AUTH PLAIN"]
        {
            assert!(mail.commands.iter().any(|sent| sent.starts_with(command)), "{command}: {:?}", mail.commands);
        }
        for line in ["Subject: eco2: budget-stop", "From: eco2@example.org", "Content-Type: text/plain; charset=utf-8"]
        {
            assert!(mail.text.contains(line), "{}", mail.text);
        }
        assert!(!mail.text.lines().any(|line| line == "."), "a line of one dot would end the message");
        let clear = stub.clear.lock().unwrap();
        assert!(clear.iter().all(|command| command.starts_with("EHLO") || command == "STARTTLS"), "{clear:?}");
    }
}

#[test]
fn nothing_is_sent_in_the_clear_or_to_a_server_that_is_not_trusted() {
    let stub = MailStub::new(Script::Clear);
    assert!(matches!(failing(account(&stub)).0, NetError::Mail(_)));
    assert!(stub.mails().is_empty());
    for script in [Script::StartTls, Script::ImplicitTls] {
        let stub = MailStub::new(script);
        let stranger = MailAccount { root_pem: None, ..account(&stub) };
        assert_eq!(failing(stranger).0, NetError::Tls, "{script:?}");
        assert!(stub.mails().is_empty());
    }
}

#[test]
fn passing_error_is_retried_and_a_refused_login_is_not() {
    let stub = MailStub::new(Script::BusyFor(2));
    let (mailer, clock) = mailer(MailAccount { to: vec!["ops@example.org".to_owned()], ..account(&stub) });
    mailer.send_within("subject", "text", &|| None).unwrap();
    assert_eq!((stub.mails().len(), clock.slept()), (1, Duration::from_secs(1 + 2)));
    let stub = MailStub::new(Script::RefusesLogin);
    assert_eq!(failing(account(&stub)), (NetError::Smtp(535), Duration::ZERO));
    assert_eq!(stub.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn silent_server_costs_the_time_limit_and_no_more_than_the_time_left() {
    let stub = MailStub::new(Script::Silent);
    let (mailer, _) = mailer(account(&stub));
    let began = Instant::now();
    let left = || Some(Duration::ZERO);
    assert_eq!(mailer.send_within("subject", "text", &left), Err(NetError::Timeout));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(stub.connections.load(Ordering::SeqCst), 1, "no time for another attempt");
    assert_eq!(failing(account(&MailStub::new(Script::Noise))).0, NetError::NotSmtp);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = MailAccount { server: format!("localhost:{free}"), ..account(&stub) };
    assert_eq!(failing(dead), (NetError::Unreachable, Duration::from_secs(1 + 2)));
}

#[test]
fn d37_options_that_cannot_be_used_are_refused_before_anything_is_sent() {
    let good =
        MailAccount { server: "smtp.example.org".into(), to: vec!["a@example.org".into()], ..MailAccount::default() };
    let open = |account: MailAccount| Mailer::new(account, Limits::default()).map(drop);
    assert_eq!(open(good.clone()), Ok(()));
    for server in ["smtp.example.org:465", "smtps://mail.example.org", "smtp://mail.example.org:2525", "127.0.0.1:25"] {
        assert_eq!(open(MailAccount { server: server.into(), ..good.clone() }), Ok(()), "{server}");
    }
    for server in
        ["", "smtp.example.org:0", "smtp.example.org:x", "http://h", "a b", "user@h", "169.254.169.254", "h\r\nX"]
    {
        assert!(
            matches!(open(MailAccount { server: server.into(), ..good.clone() }), Err(NetError::Mail(_))),
            "{server}"
        );
    }
    for to in ["", "ops", "a@b\r\nBcc: c@d", "A <a@b.c>"] {
        let wrong = MailAccount { to: vec![to.into()], ..good.clone() };
        assert!(matches!(open(wrong), Err(NetError::Mail(_))), "{to}");
    }
    let wrong = MailAccount { root_pem: Some(b"not a certificate".to_vec()), ..good };
    assert!(matches!(open(wrong), Err(NetError::Mail(_))));
}
