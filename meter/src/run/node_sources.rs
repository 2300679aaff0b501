//! Looks for the sensors of the whole machine, for the node agent ([`node_sources`]).

use eco2_grid::pricing::IntensitySources;
use eco2_grid::{Intensity, Pue};
use eco2_samplers::Roots;
use eco2_samplers::discover::{self, Discovery, Selection};
use eco2_samplers::schedule::Pace;
use eco2_samplers::visible::Visible;

use crate::Error;
use crate::options::Options;
use crate::run::{machine, open, pricing};

/// What the node agent reads: every sensor of the machine.
pub struct NodeSources {
    /// The sensors.
    pub found: Discovery,
    /// Where the machine's interfaces are.
    pub roots: Roots,
    /// When the sensors are read.
    pub pace: Pace,
    /// What a kilowatt-hour emits and costs.
    pub rates: NodeRates,
}

/// What a kilowatt-hour emits and costs, by the options. Prices over time are not used.
#[derive(Debug, Clone)]
pub struct NodeRates {
    /// Carbon intensity: that of the zone, the world average where none is set, or the one that the options state.
    pub intensity: Intensity,
    /// The sources of intensities over time, which are asked by other threads; `None`: the options name none.
    pub sources: Option<IntensitySources>,
    /// Power usage effectiveness of the facility.
    pub pue: Pue,
    /// Price of a kilowatt-hour; `None`: not stated.
    pub price_per_kwh: Option<f64>,
    /// ISO 4217 code of the price.
    pub currency: Option<String>,
}

/// Looks for the sources of the whole machine that the options select: every GPU, whatever the environment hides, and no other
/// agent.
///
/// # Errors
/// For a source whose name is not known, and for a zone or a value that cannot be used.
pub fn node_sources(options: &Options) -> Result<NodeSources, Error> {
    let roots = Roots { agent: Vec::new(), ..open::roots(options) };
    let selection = Selection::parse(&options.sources.clone().unwrap_or_default().join(","))?;
    let measured = machine::stored(options).measured(options);
    let found =
        discover::discover_visible(&roots, &selection, &open::model_options(options, measured), &Visible::default());
    Ok(NodeSources { found, roots, pace: open::pace(options), rates: rates(options)? })
}

fn rates(options: &Options) -> Result<NodeRates, Error> {
    let request = pricing::request(options)?;
    let (price_per_kwh, currency) = (request.price_per_kwh, request.currency.clone());
    let pricing = pricing::resolved(request, options)?;
    let intensity = pricing.intensity().clone();
    Ok(NodeRates { intensity, sources: pricing.sources, pue: pricing.pue, price_per_kwh, currency })
}
