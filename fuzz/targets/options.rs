//! Fuzz target `options`: configuration files and environment variables with any content.
#![no_main]

use eco2::options::{Options, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let toml = Options::from_toml(data, Origin::project("eco2.toml"));
    let json = Options::from_json(data, Origin::code("fuzzed"));
    let _ = Options::resolve([toml, json].into_iter().flatten());
    let text = String::from_utf8_lossy(data);
    let variables = text.lines().filter_map(|line| line.split_once('='));
    if let Ok((layer, _)) = Options::from_env(variables.map(|(name, value)| (name.to_owned(), value.to_owned()))) {
        let _ = Options::resolve([layer]);
    }
});
