//! The archive of `eco2 doctor --bundle`, for reports of faults: what the command found, the processor and the versions. It has no name of
//! the host or of the user, no path of the home folder, and no command line.

use std::fs;

use eco2::options::{Level, Options, opt};
use eco2_report::TextStyle;

use super::archive::archive;
use super::page;
use super::verdict::MachineCheck;
use crate::out::document;

/// Names of the files, for the message.
pub(super) const FILES: &str = "doctor.txt, doctor.json, machine.txt and options.txt";
/// Width of the lines in the text: that of a wide terminal.
const COLUMNS: usize = 120;

/// Returns the archive of a check of this machine.
pub(super) fn bundle(found: &MachineCheck, json: &serde_json::Value, options: &Options) -> Vec<u8> {
    let style = TextStyle { width: COLUMNS, ..TextStyle::default() };
    let secrets = Secrets::of(options);
    let files = [
        ("eco2-doctor/doctor.txt", page::page(found, &style)),
        ("eco2-doctor/doctor.json", document(json)),
        ("eco2-doctor/machine.txt", machine(options)),
        ("eco2-doctor/options.txt", option_names(options)),
    ];
    archive(&files.map(|(name, text)| (name, secrets.redacted(&text))))
}

/// Returns versions, and the first processor as the kernel describes it.
fn machine(options: &Options) -> String {
    let read = |path: &str| fs::read_to_string(options.procfs.join(path)).unwrap_or_default();
    let processors = read("cpuinfo");
    let first = processors.split("\n\n").next().unwrap_or_default();
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "eco2 {}\nkernel {}\narchitecture {}\nprocessors {count}\n\n{first}\n",
        env!("CARGO_PKG_VERSION"),
        read("sys/kernel/osrelease").trim(),
        std::env::consts::ARCH
    )
}

/// Returns which options are set and by which kind of origin; values may be private.
fn option_names(options: &Options) -> String {
    let is_set = |row: &&eco2::options::Row| options.origin(row).level() > Level::Default;
    opt::all().filter(is_set).map(|row| format!("{}: {}\n", row.name, options.origin(row).level().name())).collect()
}

/// Texts that must not be in the archive, with what replaces them.
struct Secrets(Vec<(String, &'static str)>);

impl Secrets {
    fn of(options: &Options) -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let hosts = [options.procfs.join("sys/kernel/hostname"), "/proc/sys/kernel/hostname".into()];
        let hosts = hosts.map(|path| fs::read_to_string(path).unwrap_or_default().trim().to_owned());
        let names = [(variable("HOME"), "~")];
        let names = names.into_iter().chain(hosts.map(|host| (host, "HOST")));
        // The address of the BMC names a machine of the user's network; the scheme is no secret.
        let bmc = options.redfish.as_deref().unwrap_or_default().trim();
        let bmc = bmc.split_once("://").map_or(bmc, |(_, rest)| rest).trim_end_matches('/').to_owned();
        let users = ["USER", "LOGNAME", "SUDO_USER"].map(|name| (variable(name), "USER"));
        // `root` is no name of a person, and a word of remedies; `/` as a home would replace every path.
        let is_private = |(text, _): &(String, &str)| !["", "/", "root", "localhost"].contains(&text.as_str());
        Self([(bmc, "BMC")].into_iter().chain(names).chain(users).filter(is_private).collect())
    }

    /// Returns a text with every private name replaced, where it is a word of its own.
    fn redacted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (private, stand_in) in &self.0 {
            let (mut out, mut rest) = (String::new(), text.as_str());
            while let Some((before, after)) = rest.split_once(private.as_str()) {
                let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
                let is_part = is_word(
                    before.chars().next_back().or(out.chars().next_back()).filter(|_| !private.starts_with('/')),
                );
                let is_part = is_part || is_word(after.chars().next());
                out.push_str(before);
                out.push_str(if is_part { private } else { stand_in });
                rest = after;
            }
            out.push_str(rest);
            text = out;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_the_bmc_is_private() {
        let options = Options { redfish: Some("https://bmc7.lab.example.org/".to_owned()), ..Options::default() };
        let text = "redfish: https://bmc7.lab.example.org: no answer";
        assert_eq!(Secrets::of(&options).redacted(text), "redfish: https://BMC: no answer");
    }

    #[test]
    fn private_names_are_replaced_where_they_are_words() {
        let secrets = Secrets(vec![("/homes/ada".into(), "~"), ("node03".into(), "HOST"), ("ada".into(), "USER")]);
        let text = "node03: /homes/ada/lib, /srv/ada and nvidia-node031, adapter of ada";
        assert_eq!(secrets.redacted(text), "HOST: ~/lib, /srv/USER and nvidia-node031, adapter of USER");
    }
}
