//! CPU names: what the kernel prints, brought to the form in which the table has them.
//!
//! `Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz`, `13th Gen Intel(R) Core(TM) i9-13900K` and `Intel Core i9 processor
//! 14901E` become `intel xeon e5-2699 v4`, `intel core i9-13900k` and `intel core i9-14901e`.

/// Lower case, no marks, no frequency, no filler words; words in the order they came.
#[must_use]
pub(crate) fn normalise(name: &str) -> String {
    let mut text = name.split('@').next().unwrap_or_default().to_lowercase();
    for mark in ["(r)", "(tm)", "(c)", "®", "™", "\u{200b}"] {
        text = text.replace(mark, " ");
    }
    // `Core i5+8500` is a bundle with Optane memory; the `+` of `8480+` belongs to the model.
    for series in ["i3", "i5", "i7", "i9"] {
        text = text.replace(&format!(" {series}+"), &format!(" {series} "));
    }
    let text = without_brackets(&text);
    let mut words: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !filler(word)) {
        match words.last_mut() {
            Some(last) if is_core_series(last) && word.starts_with(|c: char| c.is_ascii_digit()) => {
                last.push('-');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words.join(" ")
}

/// Cores as the name itself gives them: 64 for `AMD EPYC 7763 64-Core Processor`.
#[must_use]
pub(crate) fn cores(name: &str) -> Option<u32> {
    name.split_whitespace().find_map(|word| word.strip_suffix("-Core")?.parse().ok()).filter(|cores| *cores > 0)
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|c| {
            depth += usize::from(*c == '(');
            let outside = depth == 0;
            depth = depth.saturating_sub(usize::from(*c == ')'));
            outside
        })
        .collect()
}

fn filler(word: &str) -> bool {
    let generation = ["st", "nd", "rd", "th"].iter().any(|s| word.strip_suffix(s).is_some_and(all_digits));
    matches!(word, "" | "cpu" | "processor" | "gen" | "apu") || generation || word.ends_with("-core")
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_core_series(word: &str) -> bool {
    matches!(word, "i3" | "i5" | "i7" | "i9")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_kernels_and_lists_write_names() {
        for (name, expected) in [
            ("Intel(R) Xeon(R) CPU E5-2699 v4 @ 2.20GHz", "intel xeon e5-2699 v4"),
            ("Intel(R) Xeon(R) Platinum 8480+", "intel xeon platinum 8480+"),
            ("13th Gen Intel(R) Core(TM) i9-13900K", "intel core i9-13900k"),
            ("Intel Core i9 processor 14901E", "intel core i9-14901e"),
            ("Intel Core i5+8500  (9M Cache, up to 4.10 GHz)", "intel core i5-8500"),
            ("AMD EPYC 7763 64-Core Processor", "amd epyc 7763"),
            ("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", "amd ryzen 7 7840u w/ radeon 780m graphics"),
            ("AMD EPYC", "amd epyc"),
            ("", ""),
        ] {
            assert_eq!(normalise(name), expected);
        }
    }

    #[test]
    fn amd_names_contain_their_number_of_cores() {
        assert_eq!(cores("AMD EPYC 7763 64-Core Processor"), Some(64));
        assert_eq!(cores("AMD EPYC 7B12"), None);
        assert_eq!(cores("Six-Core AMD Opteron(tm) Processor 2431"), None);
    }
}
