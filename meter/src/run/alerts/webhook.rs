//! Sends the alerts of a run (events that a person may want to know at once) to a webhook, an address that receives
//! messages by HTTP. The address is a secret.
//!
//! Forms of the messages: Slack incoming webhooks (`text`, with &, < and > escaped), Discord webhooks (`content`, at
//! most 2000 characters, no mention of a user), Microsoft Teams workflows (an Adaptive Card), and plain JSON of schema
//! `eco2.event/1`.

use serde_json::{Value, json};

use super::event::{Alert, Poster};
use crate::Error;
use crate::options::{Options, WebhookForm as Form};

/// Variable that holds the address. The same name with `_FILE` appended names a file of mode 0600 that holds it.
const VARIABLE: &str = "ECO2_TOKEN_WEBHOOK";
/// Largest number of characters that Discord accepts in a message.
const DISCORD: usize = 2_000;

/// Returns the function that sends alerts to the webhook that the options name, with retries while there is time;
/// `None` without a webhook.
///
/// # Errors
/// [`Error::Webhook`] without a safe address, or in a build without network.
pub(super) fn poster(options: &Options) -> Result<Option<Poster>, Error> {
    let Some(name) = options.webhook.as_deref() else { return Ok(None) };
    let form = Form::named(name).unwrap_or(Form::Json);
    let hook = open(form, |variable| std::env::var(variable).ok()).map_err(Error::Webhook)?;
    Ok(Some(posting(form, hook)))
}

#[cfg(feature = "providers")]
fn posting(form: Form, hook: eco2_net::Webhook) -> Poster {
    Box::new(move |alert, left| {
        let sent = hook.post_within(&body(form, alert).to_string(), left);
        sent.map_err(|fault| format!("an alert was not sent to the webhook: {fault}"))
    })
}

#[cfg(not(feature = "providers"))]
fn posting(_: Form, never: std::convert::Infallible) -> Poster {
    match never {}
}

#[cfg(feature = "providers")]
fn open(form: Form, lookup: impl Fn(&str) -> Option<String>) -> Result<eco2_net::Webhook, eco2_net::NetError> {
    use eco2_net::{Limits, Secret};
    // Other tools use this variable for Slack; it applies if that of eco2 is not set.
    let slack = (form == Form::Slack).then(|| lookup("SLACK_WEBHOOK_URL")).flatten();
    let address = Secret::find(VARIABLE, &lookup)
        .or_else(|fault| slack.and_then(|address| Secret::new(&address)).ok_or(fault))?;
    let limits = Limits { retries: 4, ..Limits::default() };
    eco2_net::Webhook::new(address, limits)
}

#[cfg(not(feature = "providers"))]
fn open(_: Form, _: impl Fn(&str) -> Option<String>) -> Result<std::convert::Infallible, eco2_net::NetError> {
    let _ = (VARIABLE, body as fn(Form, &Alert) -> Value);
    Err(eco2_net::NetError::NotBuilt)
}

/// Returns the JSON body of the message about an alert in the given form.
fn body(form: Form, alert: &Alert) -> Value {
    let line = alert.line();
    match form {
        Form::Slack => json!({ "text": line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") }),
        Form::Discord => json!({
            "content": line.chars().take(DISCORD).collect::<String>(),
            "allowed_mentions": { "parse": [] },
        }),
        Form::Teams => json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "body": [{ "type": "TextBlock", "text": line, "wrap": true }],
                },
            }],
        }),
        Form::Json => json!({
            "schema": "eco2.event/1",
            "run": alert.run,
            "at": alert.at,
            "kind": alert.kind,
            "device": alert.device,
            "text": alert.text,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        let text = "carbon budget: 1 of <1> & @everyone".to_owned();
        Alert { run: "r1".into(), at: 7, kind: "budget-stop".into(), device: String::new(), text }
    }

    #[test]
    fn every_service_gets_its_own_form() {
        let line = "eco2 run r1: carbon budget: 1 of <1> & @everyone";
        assert_eq!(
            body(Form::Slack, &alert())["text"],
            line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        );
        let discord = body(Form::Discord, &alert());
        assert_eq!((&discord["content"], &discord["allowed_mentions"]["parse"]), (&json!(line), &json!([])));
        let teams = body(Form::Teams, &alert());
        assert_eq!(teams["attachments"][0]["content"]["body"][0]["text"], line);
        assert_eq!(body(Form::Json, &alert())["kind"], "budget-stop");
        let long = Alert { text: "ä".repeat(5_000), ..alert() };
        assert_eq!(body(Form::Discord, &long)["content"].as_str().map(|text| text.chars().count()), Some(DISCORD));
    }

    #[cfg(feature = "providers")]
    #[test]
    fn d37_the_address_of_a_webhook_is_a_secret_that_never_shows() {
        let address = "https://hooks.example.org/services/T0/B0/s3cr3t?sig=s3cr3t";
        let webhook = open(Form::Teams, |name| (name == VARIABLE).then(|| address.to_owned())).unwrap();
        assert!(!format!("{webhook:?}").contains("s3cr3t"), "{webhook:?}");
        for wrong in ["http://hooks.example.org/s3cr3t", "https://u@h/s3cr3t", "s3cr3t", "https://h/s3cr3t#x"] {
            let error = open(Form::Json, |name| (name == VARIABLE).then(|| wrong.to_owned())).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
        let missing = open(Form::Slack, |_| None).unwrap_err().to_string();
        assert!(missing.contains("ECO2_TOKEN_WEBHOOK_FILE"), "{missing}");
        let known = open(Form::Slack, |name| (name == "SLACK_WEBHOOK_URL").then(|| address.to_owned()));
        assert!(known.is_ok());
    }
}
