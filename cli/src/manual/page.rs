//! Writes the manual page of a command in the language of man(7), from the command's definition. *Filled* text is broken into lines by
//! the program that shows the page; the lines of examples are kept.

use clap::builder::PossibleValue;
use clap::{Arg, Command};

/// Longest line of filled text, bytes; mandoc(1) warns of longer ones than 80, and counts a letter that is not ASCII as eight.
const LINE_BYTES: usize = 70;
/// First line of the examples after a command's help.
const EXAMPLES: &str = "Examples:";

/// Returns the page of a command that clap has built. `date` is that of the page, such as 2026-11-30.
pub(super) fn page(command: &Command, date: &str) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let mut out = format!(".TH {} 1 {date} \"eco2 {version}\" \"eco2 manual\"\n", name.to_uppercase());
    out += &format!(".SH NAME\n{} \\-\n{}", escaped(name), filled(&about));
    out += ".SH SYNOPSIS\n.nf\n";
    let usage = command.clone().render_usage().to_string();
    for line in usage.trim_start_matches("Usage:").lines() {
        out += &format!("{}\n", escaped(line.trim()));
    }
    out += ".fi\n";
    arguments(command, &mut out);
    commands(command, &mut out);
    if let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        after(&text.to_string(), &mut out);
    }
    out
}

/// Returns the subcommands that have a page.
pub(super) fn documented(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// Writes the arguments, then the flags under their headings.
fn arguments(command: &Command, out: &mut String) {
    let visible = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let mut headings: Vec<Option<&str>> = visible().map(Arg::get_help_heading).collect();
    // Flags without a heading come first, and headings in the order of their first flags.
    headings.sort_by_key(Option::is_some);
    let mut seen = Vec::new();
    headings.retain(|heading| {
        !seen.contains(heading) && {
            seen.push(*heading);
            true
        }
    });
    let groups = headings.into_iter().flat_map(|heading| [(heading, true), (heading, false)]);
    for (heading, positional) in groups {
        let of_group =
            |argument: &&Arg| argument.get_help_heading() == heading && argument.is_positional() == positional;
        let group: Vec<&Arg> = visible().filter(of_group).collect();
        if group.is_empty() {
            continue;
        }
        let title = heading.unwrap_or(if positional { "Arguments" } else { "Options" });
        *out += &format!(".SH {}\n", escaped(&title.to_uppercase()));
        group.into_iter().for_each(|one| argument(one, out));
    }
}

/// Writes a flag or an argument with its help, values and default.
fn argument(argument: &Arg, out: &mut String) {
    let short = argument.get_short().map_or_else(String::new, |short| format!("\\fB\\-{short}\\fR, "));
    let text = argument.to_string();
    let end_of_name = if argument.is_positional() { 0 } else { text.find([' ', '=', '[']).unwrap_or(text.len()) };
    let (name, value) = text.split_at(end_of_name);
    *out += &format!(".TP\n{short}\\fB{}\\fR{}\n", escaped(name), escaped(value));
    let help = argument.get_long_help().or_else(|| argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut lines: Vec<String> = help.lines().map(str::to_owned).collect();
    let takes_value = argument.get_action().takes_values();
    if takes_value && !argument.is_hide_possible_values_set() {
        lines.extend(argument.get_possible_values().iter().filter(|value| !value.is_hide_set()).map(possible_value));
    }
    if takes_value && !argument.is_hide_default_value_set() && !argument.get_default_values().is_empty() {
        let values: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        lines.push(format!("[default: {}]", values.join(", ")));
    }
    let texts: Vec<String> = lines.iter().map(|line| filled(line)).collect();
    *out += &texts.join(".br\n");
}

fn possible_value(value: &PossibleValue) -> String {
    match value.get_help() {
        Some(help) => format!("{}: {help}", value.get_name()),
        None => value.get_name().to_owned(),
    }
}

/// Writes the subcommands, each with the name of its page.
fn commands(command: &Command, out: &mut String) {
    let shown: Vec<&Command> = documented(command).collect();
    if shown.is_empty() {
        return;
    }
    *out += ".SH COMMANDS\n";
    for command in shown {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        *out += &format!(".TP\n\\fB{}\\fR(1)\n{}", escaped(name), filled(&about));
    }
}

/// Writes the text after the help: paragraphs, and the examples.
fn after(text: &str, out: &mut String) {
    let (notes, examples) = text.split_once(EXAMPLES).unwrap_or((text, ""));
    let (examples, more) = examples.split_once("\n\n").unwrap_or((examples, ""));
    let notes: Vec<&str> =
        notes.split("\n\n").chain(more.split("\n\n")).filter(|note| !note.trim().is_empty()).collect();
    for (at, note) in notes.into_iter().enumerate() {
        *out += if at == 0 { ".SH NOTES\n" } else { ".PP\n" };
        *out += &filled(note);
    }
    if !examples.is_empty() {
        *out += ".SH EXAMPLES\n.nf\n";
        examples.trim_matches('\n').lines().for_each(|line| *out += &format!("{}\n", escaped(line.trim())));
        *out += ".fi\n";
    }
}

/// Returns a text in lines of at most [`LINE_BYTES`]. A dot or an apostrophe at the start of a line would be a request: it is escaped.
fn filled(text: &str) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for word in text.split_whitespace().map(escaped) {
        if length > 0 && length + 1 + word.len() > LINE_BYTES {
            out.push('\n');
            length = 0;
        }
        let before = match length {
            0 if word.starts_with(['.', '\'']) => "\\&",
            0 => "",
            _ => " ",
        };
        length += before.len() + word.len();
        out += &(before.to_owned() + &word);
    }
    out + "\n"
}

/// Returns a text with the characters escaped that have a meaning in man(7). A hyphen becomes a minus, which can be copied into a shell.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
