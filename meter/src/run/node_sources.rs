//! Looks for the sensors of the whole machine, for the node agent ([`node_sources`]).

use eco2_samplers::Roots;
use eco2_samplers::discover::{self, Discovery, Selection};
use eco2_samplers::schedule::Pace;
use eco2_samplers::visible::Visible;

use crate::Error;
use crate::options::Options;
use crate::run::{machine, open};

/// What the node agent reads: every sensor of the machine.
pub struct NodeSources {
    /// The sensors.
    pub found: Discovery,
    /// Where the machine's interfaces are.
    pub roots: Roots,
    /// When the sensors are read.
    pub pace: Pace,
}

/// Looks for the sources of the whole machine that the options select: every GPU, whatever the environment hides, and no other
/// agent.
///
/// # Errors
/// For a source whose name is not known.
pub fn node_sources(options: &Options) -> Result<NodeSources, Error> {
    let roots = Roots { agent: Vec::new(), ..open::roots(options) };
    let selection = Selection::parse(&options.sources.clone().unwrap_or_default().join(","))?;
    let measured = machine::stored(options).measured(options);
    let found =
        discover::discover_visible(&roots, &selection, &open::model_options(options, measured), &Visible::default());
    Ok(NodeSources { found, roots, pace: open::pace(options) })
}
