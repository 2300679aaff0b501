//! Sends the alerts of a run (events that a person may want to know at once) by e-mail, for the options `email_to`,
//! `email_server` and others. The password is read from a variable or a file and never shown.

use super::event::{Alert, Poster};
use crate::Error;
use crate::options::Options;

/// Variable that holds the password. The same name with `_FILE` appended names a file of mode 0600 that holds it.
const PASSWORD: &str = "ECO2_TOKEN_EMAIL";

/// Returns the function that sends alerts to the recipients that the options name; `None` without recipients.
///
/// # Errors
/// [`Error::Email`] without a server, a safe password or usable addresses, or in a build without network.
pub(super) fn poster(options: &Options) -> Result<Option<Poster>, Error> {
    if options.email_to.is_empty() {
        return Ok(None);
    }
    open(options, |variable| std::env::var(variable).ok()).map(Some).map_err(Error::Email)
}

#[cfg(feature = "providers")]
fn open(options: &Options, lookup: impl Fn(&str) -> Option<String>) -> Result<Poster, eco2_net::NetError> {
    use eco2_net::{Limits, MailAccount, Mailer, NetError, Secret};
    let root_pem = match options.email_ca.as_ref().map(std::fs::read).transpose() {
        Ok(pem) => pem,
        Err(_) => return Err(NetError::Mail("name a certificate that cannot be read")),
    };
    let password = options.email_user.as_ref().map(|_| Secret::find(PASSWORD, lookup)).transpose()?;
    let account = MailAccount {
        server: options.email_server.clone().ok_or(NetError::Mail("name no server"))?,
        user: options.email_user.clone(),
        password,
        from: options.email_from.clone(),
        to: options.email_to.clone(),
        root_pem,
    };
    let mailer = Mailer::new(account, Limits { retries: 4, ..Limits::default() })?;
    Ok(Box::new(move |alert, left| {
        let sent = mailer.send_within(&subject(alert), &text(alert), left);
        sent.map_err(|fault| format!("an alert was not sent by e-mail: {fault}"))
    }))
}

#[cfg(not(feature = "providers"))]
fn open(_: &Options, _: impl Fn(&str) -> Option<String>) -> Result<Poster, eco2_net::NetError> {
    let _ = (PASSWORD, subject as fn(&Alert) -> String, text as fn(&Alert) -> String);
    Err(eco2_net::NetError::NotBuilt)
}

/// Returns the subject line of the message about an alert.
fn subject(alert: &Alert) -> String {
    format!("eco2: {} in run {}", alert.kind, alert.run)
}

/// Returns the text of the message about an alert.
fn text(alert: &Alert) -> String {
    let seconds = alert.at / 1_000_000_000;
    let device = if alert.device.is_empty() { "" } else { &format!("device: {}\n", alert.device) };
    format!(
        "{}\n\nrun: {}\nkind: {}\n{device}time: {seconds} s after the start of the run\n",
        alert.text, alert.run, alert.kind
    )
}

#[cfg(test)]
#[cfg(feature = "providers")]
mod tests {
    use super::*;

    #[test]
    fn message_has_the_alert_and_its_place_in_the_run() {
        let alert = Alert {
            run: "r1".into(),
            at: 7_900_000_000,
            kind: "hot".into(),
            device: "GPU-1".into(),
            text: "at its highest temperature".into(),
        };
        assert_eq!(subject(&alert), "eco2: hot in run r1");
        let expected =
            "at its highest temperature\n\nrun: r1\nkind: hot\ndevice: GPU-1\ntime: 7 s after the start of the run\n";
        assert_eq!(text(&alert), expected);
    }

    #[test]
    fn d38_password_comes_from_a_variable_or_a_safe_file_only_where_there_is_a_user() {
        let options = Options {
            email_to: vec!["ops@example.org".to_owned()],
            email_server: Some("smtp.example.org".to_owned()),
            ..Options::default()
        };
        assert!(open(&options, |_| None).is_ok(), "a server that needs no login");
        let with_user = Options { email_user: Some("eco2".to_owned()), ..options.clone() };
        let missing = open(&with_user, |_| None).err().unwrap().to_string();
        assert!(missing.contains("ECO2_TOKEN_EMAIL_FILE"), "{missing}");
        assert!(open(&with_user, |name| (name == PASSWORD).then(|| "s3cr3t".to_owned())).is_ok());
        let no_server = open(&Options { email_server: None, ..options }, |_| None).err().unwrap().to_string();
        assert!(no_server.contains("name no server"), "{no_server}");
    }
}
