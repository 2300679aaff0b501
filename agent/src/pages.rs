//! Publishes the energies of the node in its two pages ([`Pages`]), which other programs map.
//!
//! The page for root and the group `eco2` has every reading. The page for everyone changes once a second, its energies are multiples
//! of 0.1 J, and its powers are computed from these: finer ones would show what other users compute.

use std::path::PathBuf;

use eco2_core::{DomainPoint, Snapshot};
use eco2_samplers::page::{FINE, PUBLIC, PageFault, PageSpec, PageWriter, Steps};

use crate::node::Node;
use crate::snapshot::Resolution;

/// A timer is late by less than this. The public page changes once a second on average, and never earlier by more than this.
const LATE_NS: u64 = 50_000_000;

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
    /// When the public page may change next, monotonic nanoseconds.
    next_public_ns: u64,
    /// What the public page shows, and since when.
    before: Option<(u64, Snapshot)>,
}

impl Pages {
    pub(crate) fn new(place: Place) -> Self {
        Self { place, fine: None, public: None, domains: 0, next_public_ns: 0, before: None }
    }

    /// Publishes what the node knows at `now_ns`, at the end of a round of readings. Where domains were added, it makes new files.
    ///
    /// # Errors
    /// Where a file cannot be made; the other one, and the next call, are not affected.
    pub(crate) fn publish(&mut self, node: &mut Node, now_ns: u64) -> Result<(), PageFault> {
        let made = self.make(node);
        if let Some(fine) = &mut self.fine {
            let (total, points) = node.points(Resolution::FULL, now_ns);
            fine.publish(&Snapshot::new(now_ns, total, &points), now_ns);
        }
        let Some(public) = &mut self.public else { return made };
        public.live(now_ns);
        if now_ns >= self.next_public_ns {
            let is_on_time = now_ns - self.next_public_ns < LATE_NS;
            let from_ns = if is_on_time { self.next_public_ns } else { now_ns };
            self.next_public_ns = from_ns.saturating_add(Resolution::PUBLIC.step_ns);
            let (mut total, mut points) = node.points(Resolution::PUBLIC, now_ns);
            if let Some((before_ns, before)) = &self.before {
                let ns = now_ns.saturating_sub(*before_ns);
                total.slope_q28 = mean_slope(&before.total, &total, ns);
                points.iter_mut().zip(before.points()).for_each(|(to, from)| to.slope_q28 = mean_slope(from, to, ns));
            }
            let snapshot = Snapshot::new(now_ns, total, &points);
            public.publish(&snapshot, now_ns);
            self.before = Some((now_ns, snapshot));
        }
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
            domains: &domains,
        };
        let fine_mode = if group.is_some() { 0o640 } else { 0o600 };
        self.domains = count;
        // The new file is in its place before the old one is marked as ended.
        let fine = PageWriter::create(&spec(FINE, fine_mode, Resolution::FULL, *group));
        let public = PageWriter::create(&spec(PUBLIC, 0o644, Resolution::PUBLIC, None));
        self.next_public_ns = 0;
        self.fine = Some(fine?);
        self.public = Some(public?);
        Ok(())
    }
}

/// Returns the mean power between two points, in the unit of [`DomainPoint::slope_q28`].
fn mean_slope(earlier: &DomainPoint, later: &DomainPoint, ns: u64) -> u32 {
    if ns == 0 || !earlier.is_known() || !later.is_known() {
        return 0;
    }
    let slope = (u128::from(later.uj.saturating_sub(earlier.uj)) << 28) / u128::from(ns);
    u32::try_from(slope).unwrap_or(u32::MAX)
}
