//! The identity of a run ([`Identity`]): its ids, name, labels, command, host and start time. It does not change while the run goes on.
//! Also hides secrets in the words of a command, before they are written to logs and reports ([`without_secrets`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use eco2_core::schema::{Host, Run, SourceStatus, Tool};
use jiff::{SignedDuration, Timestamp};

use crate::run::labels::Launch;
use crate::run::pricing::When;

/// The data of a run that is known before its first reading.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Id that all processes and restarts of the run share.
    pub(crate) id: String,
    /// Id of the record of this process.
    pub(crate) part: String,
    /// Id of the record of `eco2 run` that this process runs under; empty without one.
    pub(crate) parent: String,
    pub(crate) launch: Launch,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Texts about labels that contradict each other.
    pub(crate) warnings: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) host: Host,
    pub(crate) sources: Vec<SourceStatus>,
    pub(crate) started: Timestamp,
    /// Monotonic clock when `started` was read.
    pub(crate) started_ns: u64,
    /// Boot-time clock when `started` was read.
    pub(crate) boot_ns: u64,
}

impl Identity {
    /// Returns the run for a report, as it is known at its start.
    pub(crate) fn run(&self) -> Run {
        Run {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            command: self.command.clone(),
            started_at: self.started.to_string(),
            ended_at: self.started.to_string(),
            host: self.host.clone(),
            tool: Tool { version: env!("CARGO_PKG_VERSION").to_owned() },
            part: self.part.clone(),
            parent: self.parent.clone(),
            rank: self.launch.rank,
            world_size: self.launch.world_size,
            attempt: self.launch.attempt,
            requeue: self.launch.requeue,
            boot_ns: Some([self.boot_ns; 2]),
            ..Run::default()
        }
    }

    /// Returns the wall-clock time from `begin_ns` to `end_ns`, which are monotonic. The wall clock is read once, at the start, so that
    /// a later change of it does not matter.
    pub(crate) fn when(&self, begin_ns: u64, end_ns: u64) -> When {
        let since = i64::try_from(begin_ns.saturating_sub(self.started_ns)).unwrap_or(i64::MAX);
        let from = self.started.checked_add(SignedDuration::from_nanos(since)).unwrap_or(self.started);
        When::new(from, end_ns.saturating_sub(begin_ns))
    }
}

/// The text that is shown in place of a secret.
const HIDDEN: &str = "[redacted]";
/// A name whose last part is one of these is that of a secret.
const SECRET_PARTS: &[&str] = &[
    "token",
    "key",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "credential",
    "credentials",
    "authorization",
];
/// A name whose last part ends with one of these is that of a secret as well: `apikey`, `authtoken`.
const SECRET_ENDINGS: &[&str] =
    &["token", "apikey", "accesskey", "secretkey", "privatekey", "authkey", "password", "secret"];

/// Returns the command with every word but the program hidden.
pub(crate) fn without_arguments(command: &[String]) -> Vec<String> {
    let hidden = |(index, word): (usize, &String)| if index == 0 { word.clone() } else { HIDDEN.to_owned() };
    command.iter().enumerate().map(hidden).collect()
}

/// Returns the command with the values of secrets hidden.
pub(crate) fn without_secrets(command: &[String]) -> Vec<String> {
    let mut shown = Vec::with_capacity(command.len());
    let mut expects = Expects::Nothing;
    for word in command {
        let is_script = word.contains(char::is_whitespace);
        if expects.value_in(word) {
            shown.push(HIDDEN.to_owned());
            expects = Expects::Nothing;
        } else if is_script {
            shown.push(script(word));
            expects = Expects::Nothing;
        } else {
            let (text, next) = self::word(word);
            shown.push(text.into_owned());
            expects = next;
        }
    }
    shown
}

/// What the next word may be, by the word before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Nothing,
    /// A flag's value.
    Value,
    /// An equals sign or a colon behind a bare name, as a program's text has it.
    Sign,
}

impl Expects {
    /// Whether a word is the value of a secret. A word that begins with two dashes is the next flag.
    fn value_in(self, word: &str) -> bool {
        self == Self::Value && !word.starts_with("--")
    }
}

/// Returns a word that is a text of several words, such as a shell script, with the values of secrets hidden.
fn script(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut expects = Expects::Nothing;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let space = piece.get(word.len()..).unwrap_or_default();
        if word.is_empty() {
            shown.push_str(piece);
            continue;
        }
        if expects == Expects::Sign && matches!(word, "=" | ":") {
            shown.push_str(piece);
            expects = Expects::Value;
            continue;
        }
        // `Authorization: Bearer x`: the scheme is no secret.
        if expects == Expects::Value && matches!(word.to_ascii_lowercase().as_str(), "bearer" | "basic" | "token") {
            shown.push_str(piece);
            continue;
        }
        if expects.value_in(word) {
            shown.push_str(HIDDEN);
            expects = Expects::Nothing;
        } else {
            let (text, next) = self::word(word);
            shown.push_str(&text);
            expects = next;
        }
        shown.push_str(space);
    }
    shown
}

/// Returns a word as it is shown, and what the next word may be.
fn word(word: &str) -> (Cow<'_, str>, Expects) {
    if let Some((_, value)) = word.split_once(['=', ':']).filter(|(name, _)| is_secret(name)) {
        if value.trim_matches(['"', '\'']).is_empty() {
            return (Cow::Borrowed(word), Expects::Value);
        }
        let end = word.len() - value.len();
        return (Cow::Owned(format!("{}{HIDDEN}", word.get(..end).unwrap_or_default())), Expects::Nothing);
    }
    if is_secret(word) {
        let is_flag = word.trim_start_matches(['"', '\'']).starts_with('-');
        return (Cow::Borrowed(word), if is_flag { Expects::Value } else { Expects::Sign });
    }
    (address(word), Expects::Nothing)
}

/// Returns an address with the password of its user and the values of secrets in its query hidden; other words as they are.
fn address(word: &str) -> Cow<'_, str> {
    let Some((before, rest)) = word.split_once("://") else { return Cow::Borrowed(word) };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(host_end);
    let user = authority.rsplit_once('@');
    let authority = match user.map(|(user, host)| (user.split_once(':'), host)) {
        Some((Some((user, _)), host)) => format!("{user}:{HIDDEN}@{host}"),
        Some((None, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let mut shown = format!("{before}://{authority}");
    for (index, piece) in path.split_inclusive(['?', '&']).enumerate() {
        match piece.split_once('=').filter(|(name, _)| index > 0 && is_secret(name)) {
            Some((name, value)) => {
                shown.push_str(&format!("{name}={HIDDEN}{}", if value.ends_with('&') { "&" } else { "" }));
            }
            None => shown.push_str(piece),
        }
    }
    if shown == word { Cow::Borrowed(word) } else { Cow::Owned(shown) }
}

/// Whether a name is that of a secret, by its last part: `--api-key`, `+hub.token`, `"PASSWORD"`, `apiKey`.
fn is_secret(name: &str) -> bool {
    let name = name.trim_matches(|letter: char| !letter.is_alphanumeric());
    let last = name.rsplit(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let camel = last
        .rfind(|letter: char| letter.is_uppercase())
        .filter(|at| last.get(..*at).is_some_and(|head| head.ends_with(|letter: char| letter.is_lowercase())));
    let part = camel.and_then(|at| last.get(at..)).unwrap_or(last).to_lowercase();
    SECRET_PARTS.contains(&part.as_str()) || SECRET_ENDINGS.iter().any(|ending| part.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str]) -> Vec<String> {
        without_secrets(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn k17_value_of_an_argument_named_like_a_secret_is_hidden() {
        let cases: [(&[&str], &[&str]); 18] = [
            (&["--token=x1"], &["--token=[redacted]"]),
            (&["--api-key", "x1", "--lr", "3"], &["--api-key", "[redacted]", "--lr", "3"]),
            (&["PASSWORD=x1"], &["PASSWORD=[redacted]"]),
            (&["--hf_token", "x1"], &["--hf_token", "[redacted]"]),
            (&["-password", "-x1"], &["-password", "[redacted]"]),
            (&["--secret", "--verbose"], &["--secret", "--verbose"]),
            (&["--wandb.api_key=x1"], &["--wandb.api_key=[redacted]"]),
            (&["+hub.token=a=b"], &["+hub.token=[redacted]"]),
            (&["--apikey", "x1"], &["--apikey", "[redacted]"]),
            (&["--hubApiKey=x1"], &["--hubApiKey=[redacted]"]),
            (&["--aws-secret-access-key", "x1"], &["--aws-secret-access-key", "[redacted]"]),
            (&["token:x1"], &["token:[redacted]"]),
            (&["{\"api_key\":\"x1\"}"], &["{\"api_key\":[redacted]"]),
            (&["-H", "Authorization: Bearer x1"], &["-H", "Authorization: Bearer [redacted]"]),
            (&["https://ann:x1@host/path"], &["https://ann:[redacted]@host/path"]),
            (&["https://host/p?a=1&token=x1&b=2"], &["https://host/p?a=1&token=[redacted]&b=2"]),
            (
                &["sh", "-c", "TOKEN=x1 python t.py --key x2"],
                &["sh", "-c", "TOKEN=[redacted] python t.py --key [redacted]"],
            ),
            (&["python", "-c", "password = 'x1'\nrun()"], &["python", "-c", "password = [redacted]\nrun()"]),
        ];
        for (words, expected) in cases {
            assert_eq!(shown(words), expected, "{words:?}");
        }
    }

    #[test]
    fn k17_other_arguments_stay_as_they_are() {
        let words = [
            "python",
            "train.py",
            "--max-tokens",
            "512",
            "--tokenizer",
            "gpt2",
            "--key-dim=64",
            "--token-file",
            "t.txt",
            "--lr=3e-4",
            "--num_key_value_heads",
            "8",
            "--url",
            "https://host:8080/a?b=c",
            "--note",
            "a: b",
            "keyboard",
            "-k",
            "3",
        ];
        assert_eq!(shown(&words), words);
    }

    #[test]
    fn redacted_arguments_are_hidden_whatever_they_are() {
        let words = ["python", "train.py", "x"].map(str::to_owned);
        assert_eq!(without_arguments(&words), ["python", "[redacted]", "[redacted]"]);
    }
}
