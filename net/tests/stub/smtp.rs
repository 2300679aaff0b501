//! A mail server on the loopback with a certificate of its own, which follows a script.

#![allow(dead_code, reason = "several test binaries share it, and each uses a part")]

#[path = "tls.rs"]
mod tls;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// Accepts every message after `STARTTLS`.
    StartTls,
    /// Accepts every message over TLS from the first byte.
    ImplicitTls,
    /// Offers no `STARTTLS`.
    Clear,
    /// Refuses every password.
    RefusesLogin,
    /// Answers 451 to the first recipients, as a greylisting server does.
    BusyFor(u64),
    /// Accepts the connection and never answers.
    Silent,
    /// Speaks another protocol.
    Noise,
}

/// A message as the server got it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mail {
    /// Commands before the text, all of them over TLS.
    pub(crate) commands: Vec<String>,
    pub(crate) text: String,
}

/// A server; it lives as long as the process.
pub(crate) struct MailStub {
    /// Host and port, with the scheme that its script needs.
    pub(crate) server: String,
    /// Its certificate, PEM.
    pub(crate) root_pem: Vec<u8>,
    pub(crate) connections: Arc<AtomicU64>,
    pub(crate) mails: Arc<Mutex<Vec<Mail>>>,
    /// Commands that came without TLS.
    pub(crate) clear: Arc<Mutex<Vec<String>>>,
}

impl MailStub {
    pub(crate) fn new(script: Script) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if script == Script::ImplicitTls { "smtps://" } else { "" };
        let stub = Self {
            server: format!("{scheme}localhost:{}", listener.local_addr().unwrap().port()),
            root_pem: tls::pem(made.cert.der()),
            connections: Arc::default(),
            mails: Arc::default(),
            clear: Arc::default(),
        };
        let (connections, mails, clear) =
            (Arc::clone(&stub.connections), Arc::clone(&stub.mails), Arc::clone(&stub.clear));
        let busy = Arc::new(AtomicU64::new(if let Script::BusyFor(times) = script { times } else { 0 }));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let session = Session {
                    script,
                    config: Arc::new(config.clone()),
                    mails: Arc::clone(&mails),
                    clear: Arc::clone(&clear),
                    busy: Arc::clone(&busy),
                };
                // A client that has gone away is no failure of the test.
                std::thread::spawn(move || session.serve(stream));
            }
        });
        stub
    }

    /// Messages that were accepted.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }
}

struct Session {
    script: Script,
    config: Arc<ServerConfig>,
    mails: Arc<Mutex<Vec<Mail>>>,
    clear: Arc<Mutex<Vec<String>>>,
    busy: Arc<AtomicU64>,
}

impl Session {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        match self.script {
            Script::Silent => std::thread::sleep(Duration::from_secs(60)),
            Script::Noise => stream.write_all(b"not SMTP at all\r\n").ok()?,
            Script::ImplicitTls => self.talk(self.secure(stream)?, "220 stub\r\n")?,
            _ => {
                stream.write_all(b"220 stub\r\n").ok()?;
                loop {
                    let command = line(&mut stream)?;
                    self.clear.lock().unwrap().push(command.clone());
                    match command.as_str() {
                        "STARTTLS" => {
                            stream.write_all(b"220 go ahead\r\n").ok()?;
                            return self.talk(self.secure(stream)?, "");
                        }
                        "QUIT" => return stream.write_all(b"221 bye\r\n").ok(),
                        _ if self.script == Script::Clear => stream.write_all(b"250 stub\r\n").ok()?,
                        _ => stream.write_all(b"250-stub\r\n250 STARTTLS\r\n").ok()?,
                    }
                }
            }
        }
        Some(())
    }

    fn secure(&self, stream: TcpStream) -> Option<StreamOwned<ServerConnection, TcpStream>> {
        Some(StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).ok()?, stream))
    }

    /// The part over TLS.
    fn talk(&self, mut stream: impl Read + Write, greeting: &str) -> Option<()> {
        stream.write_all(greeting.as_bytes()).ok()?;
        stream.flush().ok()?;
        let mut mail = Mail::default();
        loop {
            let command = line(&mut stream)?;
            let verb = command.split([' ', ':']).next().unwrap_or("").to_owned();
            mail.commands.push(command);
            let answer = match verb.as_str() {
                "EHLO" => "250-stub\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n",
                "AUTH" if self.script == Script::RefusesLogin => "535 5.7.8 s3cr3t words of the server\r\n",
                "AUTH" => "235 ok\r\n",
                "RCPT" if self.is_busy() => "451 4.7.1 later\r\n",
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").ok()?;
                    loop {
                        let text = line(&mut stream)?;
                        if text == "." {
                            break;
                        }
                        mail.text += &format!("{text}\n");
                    }
                    self.mails.lock().unwrap().push(std::mem::take(&mut mail));
                    "250 queued\r\n"
                }
                "QUIT" => "221 bye\r\n",
                _ => "250 ok\r\n",
            };
            stream.write_all(answer.as_bytes()).ok()?;
            stream.flush().ok()?;
            if verb == "QUIT" {
                return Some(());
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// A line without its end; read byte by byte, so that no byte of what follows is taken.
fn line(stream: &mut impl Read) -> Option<String> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    bytes.truncate(bytes.len() - 2);
    String::from_utf8(bytes).ok()
}
