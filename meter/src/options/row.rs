//! [`Row`], the declaration of an option, and the macro `rows!`, which makes struct fields, constants and functions from declarations.
//!
//! An option is declared once, in [`super::rows`]. Its field, name in files, variable, flag, Python keyword, trust rule and line in
//! docs/options.md come from its row, so that they cannot differ.

/// The subject of an option, which is its heading in help and documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The run itself and where its report goes.
    Run,
    /// Carbon intensity of electricity.
    Carbon,
    /// Reports in addition to location-based emissions: cost, water, embodied emissions.
    Supplements,
    /// Limits, and what happens at them.
    Budget,
    /// Sensors and how they are read.
    Hardware,
}

impl Subject {
    /// Every subject, in the order of help and documentation.
    pub const ALL: [Self; 5] = [Self::Run, Self::Carbon, Self::Supplements, Self::Budget, Self::Hardware];

    /// Returns the heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Carbon => "Carbon",
            Self::Supplements => "Cost, water and embodied carbon",
            Self::Budget => "Budget",
            Self::Hardware => "Hardware",
        }
    }
}

/// The effect of an option's value, which decides who may set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It describes the run, or changes how it is measured, priced or shown.
    Describes,
    /// It names code that is loaded into the process.
    LoadsCode,
    /// It names a file or folder that is read.
    ReadsPath,
    /// It names a file or folder that is written.
    WritesPath,
    /// It names an address, or switches on messages to one.
    SetsAddress,
}

impl Effect {
    /// Returns why only trusted origins may set such an option; `None`: every origin may.
    pub(super) fn danger(self) -> Option<&'static str> {
        match self {
            Self::Describes => None,
            Self::LoadsCode => Some("it loads code"),
            Self::ReadsPath => Some("it names a path to read"),
            Self::WritesPath => Some("it names a path to write"),
            Self::SetsAddress => Some("it decides where data is sent"),
        }
    }
}

/// The kind of value that a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A text, which is read as the option's type.
    Text,
    /// A path, which need not be UTF-8.
    Path,
    /// One of these names, or several separated by commas.
    Names(&'static [&'static str]),
    /// `KEY=VALUE`; the flag may be repeated.
    Pair,
    /// Nothing: the flag sets this value.
    Nothing(bool),
}

/// An option's flag on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Name with its dashes: `--zone`.
    pub name: &'static str,
    /// Short form, without its dash.
    pub short: Option<char>,
    /// What it takes.
    pub takes: Takes,
    /// Name of the value in help; empty for a switch.
    pub value: &'static str,
    /// Its own help; empty: that of the option.
    pub help: &'static str,
    /// Whether only the long help shows it.
    pub is_rare: bool,
    /// Whether its value may begin with a dash.
    pub may_be_negative: bool,
}

impl Flag {
    const fn new(name: &'static str, value: &'static str, takes: Takes) -> Self {
        Self { name, short: None, takes, value, help: "", is_rare: false, may_be_negative: false }
    }

    /// A flag with a value.
    pub(super) const fn value(name: &'static str, value: &'static str) -> Self {
        Self::new(name, value, Takes::Text)
    }

    /// A flag with a path.
    pub(super) const fn path(name: &'static str, value: &'static str) -> Self {
        Self::new(name, value, Takes::Path)
    }

    /// A flag with names of a list.
    pub(super) const fn names(name: &'static str, value: &'static str, names: &'static [&'static str]) -> Self {
        Self::new(name, value, Takes::Names(names))
    }

    /// A flag that may be repeated, each with a name and its value.
    pub(super) const fn pair(name: &'static str, value: &'static str) -> Self {
        Self::new(name, value, Takes::Pair)
    }

    /// A flag that sets true.
    pub(super) const fn on(name: &'static str) -> Self {
        Self::new(name, "", Takes::Nothing(true))
    }

    /// A flag that sets false, such as `--no-log`.
    pub(super) const fn off(name: &'static str) -> Self {
        Self::new(name, "", Takes::Nothing(false))
    }

    /// With help of its own, where that of the option does not describe what the flag does.
    pub(super) const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// With a short form.
    pub(super) const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }

    /// Shown by the long help only.
    pub(super) const fn rare(self) -> Self {
        Self { is_rare: true, ..self }
    }

    /// With values that may begin with a dash.
    pub(super) const fn negative(self) -> Self {
        Self { may_be_negative: true, ..self }
    }
}

/// The declaration of an option.
#[derive(Debug)]
pub struct Row {
    /// Name in files and in Python; a dot separates the table from the name.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// One line: what it is or does.
    pub help: &'static str,
    /// What applies where it is not set, for people; empty where it needs no word.
    pub unset: &'static str,
    /// Rust type of its field.
    pub kind: &'static str,
    /// Allowed values, for people.
    pub allowed: &'static str,
    /// A value that works, as TOML has it.
    pub example: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// What its value can do, which decides who may set it.
    pub effect: Effect,
    /// Its flag; `None`: it has none.
    pub flag: Option<Flag>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Row {
    /// Returns the flag's name with its dashes; for an option without a flag its name.
    #[must_use]
    pub fn flag_name(&self) -> &'static str {
        self.flag.map_or(self.name, |flag| flag.name)
    }

    /// Returns the help with the default.
    ///
    /// ```
    /// use eco2::options::opt;
    ///
    /// let row = opt::named("pue").unwrap();
    /// assert_eq!(row.help_with_default(), "Power usage effectiveness (PUE) of the facility, 1 or more [default: 1]");
    /// assert_eq!((row.flag_name(), row.variable, row.example), ("--pue", "ECO2_PUE", "1.2"));
    /// ```
    #[must_use]
    pub fn help_with_default(&self) -> String {
        match self.unset {
            "" => self.help.to_owned(),
            unset => format!("{} [default: {unset}]", self.help),
        }
    }

    /// Returns the help of the flag.
    #[must_use]
    pub fn flag_help(&self) -> String {
        match self.flag.map_or("", |flag| flag.help) {
            "" => self.help_with_default(),
            help => help.to_owned(),
        }
    }

    /// Returns the TOML table of the option; `None`: it is in none.
    pub(super) fn table(&self) -> Option<&'static str> {
        self.name.split_once('.').map(|(table, _)| table)
    }
}

/// Declares options: a struct of their fields, its default, how values are read into and shown from it, a [`Row`] for each
/// option in a module of that name, and the list of all.
///
/// A row is the help as a doc comment, the constant (with `ECO2_` the variable), the field with type and default, how a
/// value is read, what is allowed, an example, its subject and [`Effect`], what applies where it is not set, and its flag.
macro_rules! rows {
    (
        $(#[$about:meta])*
        $struct:ident named $table:literal, rows in $module:ident;
        $(
            $(#[doc = $help:literal])+
            $const:ident $field:ident: $type:ty $(= $default:expr)?;
            $read:expr, allowed $allowed:literal, such as $example:literal;
            $subject:ident, $effect:ident $(, unset $unset:literal)? $(, flag $flag:expr)?;
        )*
        $(also: $($(#[$more_about:meta])* $more:ident: $more_type:ty,)*)?
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $struct {
            $(
                $(#[doc = $help])+
                $(#[doc = concat!("\n\nWhere it is not set: ", $unset, ".")])?
                pub $field: $type,
            )*
            $($($(#[$more_about])* pub $more: $more_type,)*)?
        }

        impl Default for $struct {
            fn default() -> Self {
                Self {
                    $($field: rows!(@default $($default)?),)*
                    $($($more: Default::default(),)*)?
                }
            }
        }

        impl $struct {
            /// Reads a value into the field of an option; `None`: it is none of these options, or does not take the value.
            pub(super) fn read_row(&mut self, row: &Row, input: &Input) -> Option<()> {
                $(if *row == $module::$const {
                    let read: fn(&Input) -> Option<_> = $read;
                    self.$field.take_value(read(input)?);
                    return Some(());
                })*
                None
            }

            /// The value of an option, for people; `None`: it is none of these options, or has no value.
            pub(super) fn show_row(&self, row: &Row) -> Option<String> {
                $(if *row == $module::$const {
                    return self.$field.shown();
                })*
                None
            }
        }

        pub(super) mod $module {
            //! Declarations of options, by which code refers to them.

            use super::*;

            $(
                $(#[doc = $help])+
                pub static $const: Row = Row {
                    name: concat!($table, stringify!($field)),
                    variable: concat!("ECO2_", stringify!($const)),
                    // Every line of a doc comment begins with a space, which separates it from the one before.
                    help: concat!($($help),+).trim_ascii_start(),
                    unset: concat!("" $(, $unset)?),
                    kind: stringify!($type),
                    allowed: $allowed,
                    example: $example,
                    subject: Subject::$subject,
                    effect: Effect::$effect,
                    flag: rows!(@flag $($flag)?),
                };
            )*

            /// These declarations, in the order of documentation.
            pub(in crate::options) static ROWS: &[&Row] = &[$(&$const),*];
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@flag) => { None };
    (@flag $flag:expr) => { Some($flag) };
}

pub(super) use rows;
