//! Reads the tables of wattages that eco2 ships: thermal design power (TDP) of CPUs and board power of GPUs, each row
//! with its source.

/// What a part is built for; decides the defaults of names that no table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Servers: many threads, steady power.
    Server,
    /// Desktops and laptops: few threads, high turbo.
    Client,
}

impl Class {
    /// As the tables write it: anything but `server` is a client.
    pub(crate) fn parse(text: &str) -> Self {
        if text == "server" { Self::Server } else { Self::Client }
    }
}

/// One CPU of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuRow {
    /// Normalised name.
    pub(crate) pattern: &'static str,
    /// Thermal design power of one package, watts.
    pub(crate) tdp_w: f64,
    /// Hardware threads of one package, where known.
    pub(crate) threads: Option<u32>,
    /// Server or client.
    pub(crate) class: Class,
    /// Key of the source, explained at the top of the table.
    pub(crate) source: &'static str,
}

/// One GPU of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GpuRow {
    /// Normalised name.
    pub(crate) pattern: &'static str,
    /// Board power, watts.
    pub(crate) tdp_w: f64,
    /// `vendor:device` numbers, separated by spaces; empty where they do not determine the name.
    pub(crate) pci_ids: &'static str,
    /// Key of the source.
    pub(crate) source: &'static str,
}

const CPUS: &str = include_str!("../../data/cpu_tdp.csv");
const GPUS: &str = include_str!("../../data/gpu_tdp.csv");

/// Returns all rows of the CPU table, in its order (sorted by name).
pub(crate) fn cpus() -> impl Iterator<Item = CpuRow> {
    fields(CPUS).filter_map(cpu_row)
}

/// Returns a row of the CPU table; `None` where its power is not a number.
fn cpu_row([pattern, tdp_w, threads, class, source]: [&'static str; 5]) -> Option<CpuRow> {
    let class = Class::parse(class);
    Some(CpuRow { pattern, tdp_w: tdp_w.parse().ok()?, threads: threads.parse().ok(), class, source })
}

/// Returns all rows of the GPU table, in its order.
pub(crate) fn gpus() -> impl Iterator<Item = GpuRow> {
    fields(GPUS).filter_map(|[pattern, tdp_w, pci_ids, _, source]| {
        Some(GpuRow { pattern, tdp_w: tdp_w.parse().ok()?, pci_ids, source })
    })
}

/// Returns the row of a normalised CPU name: the longest whose words are the name's first words.
///
/// What follows in the name (`w/ radeon 780m graphics`) does not matter; a row that is more specific than the name
/// never matches, so that `amd epyc` matches no specific model.
#[must_use]
pub(crate) fn cpu(name: &str) -> Option<CpuRow> {
    let rows = fields::<5>(CPUS).filter(|[pattern, ..]| begins_with(name, pattern)).filter_map(cpu_row);
    rows.max_by_key(|row| row.pattern.len())
}

/// Returns the row of a GPU: by its name if there is one, else by its `vendor:device` number.
#[must_use]
pub(crate) fn gpu(name: Option<&str>, pci_id: &str) -> Option<GpuRow> {
    let by_name = name.map(gpu_name).and_then(|name| gpus().find(|row| row.pattern == name));
    by_name.or_else(|| gpus().find(|row| !pci_id.is_empty() && row.pci_ids.split(' ').any(|id| id == pci_id)))
}

/// The board that a virtual GPU is of, by a name such as `GRID V100D-32Q` (NVIDIA virtual GPU software documentation,
/// "Virtual GPU types"): of boards that share the word before the dash, less its trailing letters, that of the most
/// power.
#[must_use]
pub(crate) fn virtual_gpu(name: &str) -> Option<GpuRow> {
    let profile =
        |word: &&str| word.split_once('-').is_some_and(|(_, size)| size.starts_with(|c: char| c.is_ascii_digit()));
    let (board, _) = name.split_whitespace().find(profile)?.split_once('-')?;
    let board = board.to_lowercase();
    let bare = board.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let most = |word: &str| {
        let rows = gpus().filter(|row| row.pattern.split(' ').next() == Some(word));
        rows.max_by(|a, b| a.tdp_w.total_cmp(&b.tdp_w))
    };
    most(&board).or_else(|| most(bare)).filter(|_| !bare.is_empty())
}

/// Normalises a GPU's name: lower case, no brands, no punctuation; `NVIDIA A100-SXM4-80GB` becomes `a100 sxm4 80gb`.
fn gpu_name(name: &str) -> String {
    let text = name.to_lowercase().replace(['-', '(', ')'], " ");
    let brand = |word: &&str| !matches!(*word, "nvidia" | "geforce" | "amd" | "radeon" | "tesla" | "quadro");
    text.split_whitespace().filter(brand).collect::<Vec<_>>().join(" ")
}

fn begins_with(name: &str, pattern: &str) -> bool {
    name.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The data rows of a shipped table with `N` columns, without comments and the header. No field contains a comma.
pub(crate) fn fields<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let data = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    data.filter_map(|line| {
        let mut fields = [""; N];
        let mut parts = line.split(',');
        for field in &mut fields {
            *field = parts.next()?;
        }
        parts.next().is_none().then_some(fields)
    })
}

/// Watts of TDP per thread over a class's rows that know their threads: the median, and what 95 % of them do not
/// exceed.
pub(crate) fn tdp_per_thread(class: Class) -> [f64; 2] {
    let of = |row: CpuRow| Some(row.tdp_w / f64::from(row.threads?));
    let mut watts: Vec<f64> = cpus().filter(|row| row.class == class).filter_map(of).collect();
    watts.sort_by(f64::total_cmp);
    let median = weighted_median(watts.iter().map(|watts| (*watts, 1.0)).collect());
    [median, watts[watts.len() * 95 / 100]]
}

/// Returns the value of `(value, weight)` at which half of the weight is reached; the mean of two where it is reached
/// exactly between them.
pub(crate) fn weighted_median(mut values: Vec<(f64, f64)>) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut reached = 0.0;
    for (at, (value, weight)) in values.iter().enumerate() {
        reached += weight;
        if reached > half {
            return *value;
        }
        if reached == half {
            return values.get(at + 1).map_or(*value, |(next, _)| (value + next) / 2.0);
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cpu_name::normalise;

    #[test]
    fn every_row_is_whole_and_named_as_names_are_normalised() {
        for (text, parsed) in [(CPUS, cpus().count()), (GPUS, gpus().count())] {
            let lines = text.lines().filter(|line| !line.starts_with('#')).count() - 1;
            assert_eq!(parsed, lines);
            assert!(lines > 30);
        }
        for row in cpus() {
            assert_eq!(normalise(row.pattern), row.pattern);
            assert!((1.0..=600.0).contains(&row.tdp_w), "{row:?}");
            assert!(row.threads.is_none_or(|threads| (1..=512).contains(&threads)), "{row:?}");
            assert!(row.source.split('+').all(|key| CPUS.contains(&format!("\n# {key} "))), "{row:?}");
        }
        for row in gpus() {
            assert!((30.0..=1_500.0).contains(&row.tdp_w), "{row:?}");
            assert!(GPUS.contains(&format!("\n# {} ", row.source)), "{row:?}");
        }
    }

    #[test]
    fn rows_are_sorted_and_unique() {
        let names: Vec<_> = cpus().map(|row| row.pattern).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn names_match_whole_words_only() {
        let find = |name: &str| cpu(&normalise(name)).map(|row| (row.pattern, row.tdp_w, row.threads));
        assert_eq!(find("AMD EPYC 7763 64-Core Processor"), Some(("amd epyc 7763", 280.0, Some(128))));
        assert_eq!(find("Intel(R) Xeon(R) CPU E5-2670 v2 @ 2.50GHz"), Some(("intel xeon e5-2670 v2", 115.0, Some(20))));
        assert_eq!(find("AMD Ryzen 7 7840U w/ Radeon 780M Graphics"), Some(("amd ryzen 7 7840u", 28.0, Some(16))));
        assert_eq!(find("AMD EPYC"), None);
        assert_eq!(find("AMD EPYC 77630"), None);
        assert_eq!(find(""), None);
    }

    /// Base power of Intel's 12th to 14th generation by the suffix of the number (datasheets 655258 and later).
    fn base_w(series: &str, number: &str) -> f64 {
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (generation, suffix) = (&digits[..2], &number[digits.len()..]);
        match suffix {
            "ks" => 150.0,
            "k" | "kf" | "ke" => 125.0,
            "" | "f" | "e" if series == "i3" => 60.0,
            "" | "f" | "e" => 65.0,
            // The embedded parts of the 14th generation.
            "te" if generation == "14" => 45.0,
            "t" | "te" => 35.0,
            "hx" => 55.0,
            "h" | "hk" | "he" | "hre" => 45.0,
            "p" | "pe" | "pre" => 28.0,
            "u" if digits.ends_with('0') => 9.0,
            "u" | "ue" | "ure" | "ul" => 15.0,
            other => panic!("no rule for {series}-{number} ({other})"),
        }
    }

    #[test]
    fn k15_hybrid_processors_have_their_base_power_and_not_their_turbo_power() {
        let mut checked = 0;
        for row in cpus() {
            let Some((series, number)) = row.pattern.strip_prefix("intel core ").and_then(|name| name.split_once('-'))
            else {
                continue;
            };
            // 12th to 14th generation: the number begins with it. A U or P of four figures as well: 1335u.
            let digits = number.chars().take_while(char::is_ascii_digit).count();
            let suffix = &number[digits..];
            let mobile = ["u", "ue", "ure", "ul", "p", "pe", "pre"].contains(&suffix);
            if !["12", "13", "14"].contains(&&number[..2]) || !(digits == 5 || digits == 4 && mobile) {
                continue;
            }
            assert_eq!(row.tdp_w, base_w(series, number), "{}", row.pattern);
            checked += 1;
        }
        assert!(checked > 40, "{checked}");
    }

    #[test]
    fn k15_base_power_by_hand() {
        let watts = |name: &str| cpu(&normalise(name)).map(|row| row.tdp_w);
        assert_eq!(watts("13th Gen Intel(R) Core(TM) i5-1335U"), Some(15.0));
        assert_eq!(watts("12th Gen Intel(R) Core(TM) i7-1270P"), Some(28.0));
        assert_eq!(watts("12th Gen Intel(R) Core(TM) i7-12700K"), Some(125.0));
        assert_eq!(watts("Intel(R) Core(TM) i3-1000G4 CPU @ 1.10GHz"), Some(9.0), "its TDP-up is 12 W");
        assert_eq!(watts("Intel(R) Core(TM) i3-8121U CPU @ 2.20GHz"), Some(15.0));
        assert_eq!(watts("AMD Ryzen 7 7840HS w/ Radeon 780M Graphics"), Some(35.0), "of 35 to 54 W");
    }

    #[test]
    fn gpus_are_found_by_name_or_number() {
        assert_eq!(gpu(Some("NVIDIA A100-SXM4-80GB"), "").map(|row| row.tdp_w), Some(400.0));
        assert_eq!(gpu(Some("NVIDIA Unheard Of"), ""), None, "rows without a number are not all that have none");
        assert_eq!(gpu(None, "10de:1eb8").map(|row| row.tdp_w), Some(70.0));
        assert_eq!(gpu(Some("NVIDIA Unheard Of"), "10de:ffff"), None);
    }

    #[test]
    fn half_of_the_weight_decides() {
        assert_eq!(weighted_median(vec![(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)]), 2.0);
        assert_eq!(weighted_median(vec![(1.0, 2.0), (5.0, 2.0)]), 3.0);
        assert_eq!(weighted_median(vec![(1.0, 1.0), (5.0, 9.0)]), 5.0);
    }
}
