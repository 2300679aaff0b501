//! The settings of the server: flags of `eco2 serve`, and variables of HF Eco2AI where a flag is not given.

use std::path::PathBuf;

use eco2_agent::{HttpOptions, Secret, TlsFiles};

use crate::args::ServeArgs;
use crate::failure::UsageError;

/// Token that shows everything, as the file of `--token-file` has it.
const TOKEN: &str = "API_AUTH_TOKEN";
/// As `--rate-limit`; without effect where the second is `false`.
const RATE_LIMIT: [&str; 2] = ["API_RATE_LIMIT", "API_RATE_LIMITING_ENABLED"];
/// As `--tls-cert` and `--tls-key`; without effect where the third is `false`.
const TLS: [&str; 3] = ["SSL_CERT_PATH", "SSL_KEY_PATH", "SSL_ENABLED"];

/// Returns the settings of the server.
///
/// # Errors
/// For a variable that is set and cannot be used: a server is never started with less protection than was asked for.
pub(super) fn http(args: &ServeArgs, variable: impl Fn(&str) -> Option<String>) -> Result<HttpOptions, UsageError> {
    let is_off = |name: &str| variable(name).is_some_and(|value| matches!(value.trim(), "false" | "False" | "0"));
    let token = match (&args.token_file, variable(TOKEN)) {
        (None, Some(text)) => {
            let token = Secret::new(&text).filter(Secret::is_long_enough);
            let least = Secret::SHORTEST;
            Some(token.ok_or_else(|| {
                UsageError(format!(
                    "{TOKEN}: a token has at least {least} characters; `openssl rand -hex 32` makes one"
                ))
            })?)
        }
        _ => None,
    };
    let [limit, limits] = RATE_LIMIT;
    let per_minute = match (args.rate_limit, variable(limit).filter(|_| !is_off(limits))) {
        (None, Some(text)) => {
            let number = text.trim().parse().ok().filter(|number| *number > 0);
            Some(number.ok_or_else(|| UsageError(format!("{limit}: requests per minute are a number from 1 on")))?)
        }
        (given, _) => given,
    };
    if args.tls_cert.is_some() != args.tls_key.is_some() {
        return Err(UsageError("TLS needs both --tls-cert and --tls-key".to_owned()));
    }
    let [cert, key, encrypts] = TLS;
    let path = |name: &str| variable(name).filter(|_| !is_off(encrypts)).map(PathBuf::from);
    let pair = match args.tls_cert.clone().zip(args.tls_key.clone()) {
        Some(given) => Some(given),
        None => match (path(cert), path(key)) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(UsageError(format!("{cert} and {key} belong together: set both, or {encrypts}=false"))),
        },
    };
    if args.client_ca.is_some() && pair.is_none() {
        return Err(UsageError("--client-ca requires --tls-cert and --tls-key".into()));
    }
    Ok(HttpOptions {
        listen: Some(args.listen),
        token_file: args.token_file.clone(),
        token,
        tls: pair.map(|(cert, key)| TlsFiles { cert, key, client_ca: args.client_ca.clone() }),
        insecure: args.insecure,
        hosts: args.host.clone(),
        per_minute,
        ..HttpOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn settings(line: &[&str], variables: &[(&str, &str)]) -> Result<HttpOptions, String> {
        let line = Line::try_parse_from(std::iter::once(&"serve").chain(line)).map_err(|error| error.to_string())?;
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        http(&line.args, variable).map_err(|error| error.0)
    }

    #[test]
    fn variables_of_the_seed_have_an_effect_and_flags_have_precedence() {
        let all = [
            ("API_AUTH_TOKEN", "not-a-secret-0123456789"),
            ("API_RATE_LIMIT", "1000"),
            ("SSL_CERT_PATH", "/c.pem"),
            ("SSL_KEY_PATH", "/k.pem"),
        ];
        let found = settings(&[], &all).unwrap();
        assert!(found.token.is_some_and(|token| token.matches(b"not-a-secret-0123456789")));
        assert_eq!(found.per_minute, Some(1000));
        assert_eq!(found.tls.map(|files| (files.cert, files.key)), Some(("/c.pem".into(), "/k.pem".into())));
        let line = ["--token-file", "/t", "--rate-limit", "5", "--tls-cert", "/a", "--tls-key", "/b"];
        let found = settings(&line, &all).unwrap();
        assert!(found.token.is_none() && found.token_file == Some("/t".into()) && found.per_minute == Some(5));
        assert_eq!(found.tls.map(|files| files.cert), Some("/a".into()));
        let off = [("API_RATE_LIMITING_ENABLED", "false"), ("SSL_ENABLED", "false")];
        let found = settings(&[], &[&all[1..], &off].concat()).unwrap();
        assert!(found.per_minute.is_none() && found.tls.is_none());
    }

    // Advisory of cc-backend 1.5.4: "empty key accepted".
    #[test]
    fn variable_that_cannot_be_used_is_refused_and_never_ignored() {
        for (name, value) in [
            ("API_AUTH_TOKEN", ""),
            ("API_AUTH_TOKEN", "short"),
            ("API_AUTH_TOKEN", "not-a-secret-\n0123456789"),
            ("API_RATE_LIMIT", "0"),
            ("API_RATE_LIMIT", "-5"),
            ("API_RATE_LIMIT", "many"),
            ("SSL_CERT_PATH", "/c.pem"),
        ] {
            let error = settings(&[], &[(name, value)]).unwrap_err();
            assert!(error.contains(name) && !error.contains("not-a-secret"), "{name}={value}: {error}");
        }
        assert!(settings(&["--rate-limit", "0"], &[]).is_err());
        assert!(settings(&["--client-ca", "/ca"], &[]).is_err());
    }
}
