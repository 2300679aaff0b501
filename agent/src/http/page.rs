//! The live page: constant style and script, the document of the node as its data, and plain tables for readers without scripts.

use eco2_report::document::{Kind, STYLE, document as page};
use maud::{Markup, html};

use super::live::Live;

/// The page's constant parts. uPlot draws the charts; its licence is part of the script that is served.
const LIVE: Kind = Kind {
    style: &[STYLE, include_str!("page/uplot.css"), include_str!("page/live.css")],
    script: &[
        "/* uPlot:\n",
        include_str!("page/LICENSE-uplot"),
        "*/\n",
        include_str!("page/uplot.js"),
        "\n",
        include_str!("page/live.js"),
    ],
    connects: true,
};

/// Returns the page and its content security policy. Without a document the page asks for the token.
pub(crate) fn document(live: Option<&Live>) -> (String, String) {
    let title = live.map_or("eco2", |live| live.node.hostname.as_str());
    let body = html! {
        div id="app" {}
        div id="plain" {
            @match live {
                Some(live) => (plain(live)),
                None => p { "This server shows its values to the bearer of its token. The page needs JavaScript to send it." },
            }
        }
    };
    let title = if title == "eco2" { "eco2".to_owned() } else { format!("{title} · eco2") };
    (page(&LIVE, &title, &live, &body), format!("{}; frame-ancestors 'none'", LIVE.policy()))
}

/// Returns the state of the node as tables.
fn plain(live: &Live) -> Markup {
    let number = |value: Option<f64>| value.map_or_else(|| "not known".to_owned(), |value| format!("{value:.1}"));
    html! {
        h1 { (live.node.hostname) }
        p.mut { "The live view needs JavaScript; reload this page for newer values." }
        table {
            caption { "Now" }
            thead { tr { th { "" } th.r { "Value" } th.r { "Low" } th.r { "High" } th { "Unit" } } }
            tbody {
                @for (name, [value, low, high], unit) in [("Power", live.now.total_w, "W"), ("Energy", live.now.energy_j, "J")] {
                    tr { th { (name) } td.r { (number(value)) } td.r { (number(low)) } td.r { (number(high)) } td { (unit) } }
                }
            }
        }
        table {
            caption { "Devices" }
            thead { tr { th { "Device" } th.r { "Power, W" } th.r { "Energy, J" } th { "Quality" } } }
            tbody {
                @for device in &live.devices {
                    tr { th { (device.name) } td.r { (number(device.power_w)) } td.r { (number(device.energy_j[0])) } td { (device.quality.name()) } }
                }
            }
        }
        table {
            caption { "Jobs and other use" }
            thead { tr { th { "Use" } th.r { "Energy, J" } } }
            tbody { @for one in &live.consumers { tr { th { (one.name) } td.r { (number(Some(one.energy_j))) } } } }
        }
        table {
            caption { "Sensors" }
            thead { tr { th { "Source" } th { "Status" } th { "Detail" } } }
            tbody { @for source in &live.sources { tr { th { (source.name) } td { (source.status.name()) } td { (source.reason) } } } }
        }
    }
}
