//! The forms of the messages that a webhook takes, with their names in options.

/// The form of a webhook's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookForm {
    Slack,
    Teams,
    Discord,
    Json,
}

impl WebhookForm {
    const ALL: [Self; 4] = [Self::Slack, Self::Teams, Self::Discord, Self::Json];
    /// The names, in the order of `ALL`.
    pub(super) const NAMES: [&str; 4] =
        [Self::Slack.name(), Self::Teams.name(), Self::Discord.name(), Self::Json.name()];

    const fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Discord => "discord",
            Self::Json => "json",
        }
    }

    /// Returns the form of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}
