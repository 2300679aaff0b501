//! A web server on the loopback with a certificate that it signed itself.

#![allow(dead_code, reason = "several test binaries share it, and each uses a part")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// A server with a self-signed certificate: its address and its certificate.
pub(crate) fn self_signed() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let pem = String::from_utf8(pem(made.cert.der())).unwrap();
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
            let _ = served(stream);
        }
    });
    (base, pem)
}

/// Answers one request with an empty JSON object.
fn served(mut stream: impl Read + Write) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head)?;
    stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
}

/// PEM (RFC 7468) of a certificate.
pub(crate) fn pem(der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = Vec::from(&b"-----BEGIN CERTIFICATE-----\n"[..]);
    for row in der.chunks(48) {
        for chunk in row.chunks(3) {
            let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            let digit =
                |place| if place <= chunk.len() { DIGITS[(bits >> (18 - 6 * place)) as usize & 63] } else { b'=' };
            text.extend((0..4).map(digit));
        }
        text.push(b'\n');
    }
    text.extend(b"-----END CERTIFICATE-----\n");
    text
}
