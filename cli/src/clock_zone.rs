//! Finds the grid zone that the time zone of this machine's clock suggests, for a hint. It is never used as the zone of a run:
//! the machine may be elsewhere.

use std::fs;
use std::path::Path;

/// Returns the time zone and the grid zone in it, such as `Europe/Berlin` and `DE`; `None` if the clock names no place.
pub(crate) fn of_this_machine() -> Option<(String, &'static str)> {
    let variable = std::env::var("TZ").ok();
    let link = fs::read_link("/etc/localtime").ok();
    let file = fs::read_to_string("/etc/timezone").ok();
    chosen(variable.as_deref(), link.as_deref(), file.as_deref())
}

/// Returns the first time zone that names a place, in the order of tzset(3): variable, link of `/etc/localtime`; then Debian's
/// file.
fn chosen(variable: Option<&str>, link: Option<&Path>, file: Option<&str>) -> Option<(String, &'static str)> {
    let of_link = link.and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/")).map(|(_, name)| name);
    // A variable of a form without a place, such as `CET-1CEST`, still overrules the files.
    let names = match variable.map(|name| name.trim_start_matches(':')).filter(|name| !name.is_empty()) {
        Some(name) => vec![name.split_once("zoneinfo/").map_or(name, |(_, name)| name)],
        None => [of_link, file.map(str::trim)].into_iter().flatten().collect(),
    };
    names.iter().find_map(|name| Some(((*name).to_owned(), eco2_grid::zone_in(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_overrules_the_link_and_the_link_the_file() {
        let berlin = Some(Path::new("../usr/share/zoneinfo/Europe/Berlin"));
        let chosen = |variable, link, file| chosen(variable, link, file).map(|(name, zone)| format!("{name} {zone}"));
        assert_eq!(chosen(None, berlin, Some("Asia/Tokyo\n")).as_deref(), Some("Europe/Berlin DE"));
        assert_eq!(chosen(Some(":Asia/Tokyo"), berlin, None).as_deref(), Some("Asia/Tokyo JP"));
        assert_eq!(
            chosen(None, Some(Path::new("/usr/share/zoneinfo/Etc/UTC")), Some("Asia/Tokyo")).as_deref(),
            Some("Asia/Tokyo JP")
        );
        assert_eq!(chosen(Some("UTC"), berlin, None), None);
        assert_eq!(chosen(None, None, None), None);
    }
}
