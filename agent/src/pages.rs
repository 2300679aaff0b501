//! Publishes the energies of the node in its two pages ([`Pages`]), which other programs map.
//!
//! The page for root and the group `eco2` has every reading. The page for everyone changes once a second, its energies are multiples
//! of 0.1 J, and its powers are computed from these: finer ones would show what other users compute.

use std::path::PathBuf;

use eco2_samplers::page::{FINE, PUBLIC, PageFault, PageSpec, PageWriter, SLOTS, Steps};

use crate::node::Node;
use crate::snapshot::Resolution;

/// Where the pages are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The agent's folder.
    pub(crate) folder: PathBuf,
    /// Group that may read the fine page; `None`: only its owner.
    pub(crate) group: Option<u32>,
    pub(crate) boot_id: String,
    pub(crate) began_ns: u64,
}

/// The two pages.
#[derive(Debug)]
pub(crate) struct Pages {
    place: Place,
    fine: Option<PageWriter>,
    public: Option<PageWriter>,
    /// Number of domains in the present files.
    domains: usize,
}

impl Pages {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, fine: None, public: None, domains: 0 }
    }

    /// Publishes what the node knows at `now_ns`, at the end of a round of readings. Where domains were added, it makes new files.
    ///
    /// # Errors
    /// Where a file cannot be made; the other one, and the next call, are not affected.
    pub(crate) fn publish(&mut self, node: &mut Node, now_ns: u64) -> Result<(), PageFault> {
        let made = self.make(node);
        if let Some(fine) = &mut self.fine {
            fine.publish(&node.page(Resolution::FULL, now_ns), now_ns);
        }
        let Some(public) = &mut self.public else { return made };
        // The writer leaves out what is finer than its steps.
        public.publish(&node.page(Resolution::PUBLIC, now_ns), now_ns);
        made
    }

    /// Makes the files, where there are none for the present domains.
    fn make(&mut self, node: &Node) -> Result<(), PageFault> {
        let count = node.domain_count();
        if count == self.domains && self.fine.is_some() && self.public.is_some() {
            return Ok(());
        }
        let domains: Vec<_> = node.domains().into_iter().take(eco2_core::MAX_DOMAINS).collect();
        let Place { folder, group, boot_id, began_ns } = &self.place;
        let spec = |name, mode, resolution: Resolution, group| PageSpec {
            folder,
            name,
            mode,
            group,
            steps: Steps { ns: resolution.step_ns, uj: resolution.step_uj },
            boot_id,
            began_ns: *began_ns,
            slots: SLOTS,
            domains: &domains,
        };
        let fine_mode = if group.is_some() { 0o640 } else { 0o600 };
        self.domains = count;
        // The new file is in its place before the old one is marked as ended.
        let fine = PageWriter::create(&spec(FINE, fine_mode, Resolution::FULL, *group));
        let public = PageWriter::create(&spec(PUBLIC, 0o644, Resolution::PUBLIC, None));
        self.fine = Some(fine?);
        self.public = Some(public?);
        Ok(())
    }
}
