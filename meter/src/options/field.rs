//! The two traits of a field of [`Options`](super::Options): [`TakeValue`] stores a value in it, [`ShowField`] returns it as text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use eco2_core::Decision;
use eco2_grid::carbon::CloudPower;
use eco2_report::Scope;

/// Whether and where the run log is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Log {
    /// In the folder of runs.
    #[default]
    Runs,
    /// Nowhere.
    Off,
    /// In this folder.
    Folder(PathBuf),
}

/// Length of the summary that `eco2 run` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SummaryLength {
    /// About ten lines.
    #[default]
    Short,
    /// Everything that the report has for people.
    Full,
    /// None.
    Off,
}

impl SummaryLength {
    /// Every length, in the order of help.
    pub(super) const ALL: [Self; 3] = [Self::Short, Self::Full, Self::Off];

    /// Returns the name in options.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Full => "full",
            Self::Off => "off",
        }
    }
}

/// A field that stores a parsed value of type `T`.
pub(super) trait TakeValue<T> {
    /// Puts the value into the field.
    fn take_value(&mut self, value: T);
}

impl<T> TakeValue<T> for T {
    fn take_value(&mut self, value: T) {
        *self = value;
    }
}

impl<T> TakeValue<T> for Option<T> {
    fn take_value(&mut self, value: T) {
        *self = Some(value);
    }
}

/// Labels are added to those of weaker origins, and replace those of the same name.
impl TakeValue<Vec<(String, String)>> for BTreeMap<String, String> {
    fn take_value(&mut self, pairs: Vec<(String, String)>) {
        self.extend(pairs);
    }
}

/// A field that can be shown to people.
pub(super) trait ShowField {
    /// Returns the value as text for people; `None` where the field has none.
    fn shown(&self) -> Option<String>;
}

macro_rules! shown {
    ($($type:ty: |$value:ident| $text:expr;)*) => {
        $(impl ShowField for $type {
            fn shown(&self) -> Option<String> {
                let $value = self;
                Some($text)
            }
        })*
    };
}

shown! {
    String: |text| text.clone();
    bool: |flag| flag.to_string();
    u32: |count| count.to_string();
    f64: |number| number.to_string();
    PathBuf: |path| path.display().to_string();
    Duration: |time| format!("{time:?}");
    CloudPower: |cloud| cloud.provider.to_owned();
    SummaryLength: |length| length.name().to_owned();
    Scope: |scope| scope.name().to_owned();
    Decision: |answer| match answer {
        Decision::Go => "off",
        Decision::Warn => "warn",
        Decision::Pause => "pause",
        Decision::Stop => "stop",
    }.to_owned();
    Log: |log| match log {
        Log::Runs => true.to_string(),
        Log::Off => false.to_string(),
        Log::Folder(folder) => folder.display().to_string(),
    };
}

/// Shown as a time: the only option of this type is `started_at`, nanoseconds since 1970 UTC.
impl ShowField for i64 {
    fn shown(&self) -> Option<String> {
        Some(eco2_grid::utc(*self))
    }
}

impl<T: ShowField> ShowField for Option<T> {
    fn shown(&self) -> Option<String> {
        self.as_ref()?.shown()
    }
}

impl ShowField for Vec<String> {
    fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.join(","))
    }
}

impl ShowField for Vec<(String, f64)> {
    fn shown(&self) -> Option<String> {
        let pairs = self.iter().map(|(name, kg)| format!("{name}={kg}")).collect::<Vec<_>>();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }
}

impl ShowField for BTreeMap<String, String> {
    fn shown(&self) -> Option<String> {
        let pairs = self.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        (!pairs.is_empty()).then(|| pairs.join(","))
    }
}
