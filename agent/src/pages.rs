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

/// Time between two attempts to make a file.
const AGAIN_NS: u64 = 1_000_000_000;

/// The two pages. Each is made and published by itself: where one fails, the other is not affected.
#[derive(Debug)]
pub(crate) struct Pages {
    place: Place,
    pages: [Page; 2],
}

/// One page.
#[derive(Debug)]
struct Page {
    name: &'static str,
    mode: u32,
    group: Option<u32>,
    resolution: Resolution,
    /// The present file; `None`: there was none yet.
    writer: Option<PageWriter>,
    /// Number of domains that the node had when the file was made.
    domains: usize,
    /// When a file may be made next, monotonic nanoseconds.
    due_ns: u64,
}

impl Pages {
    pub(crate) fn new(place: Place) -> Self {
        let page =
            |name, mode, group, resolution| Page { name, mode, group, resolution, writer: None, domains: 0, due_ns: 0 };
        let fine_mode = if place.group.is_some() { 0o640 } else { 0o600 };
        let fine = page(FINE, fine_mode, place.group, Resolution::FULL);
        Self { pages: [fine, page(PUBLIC, 0o644, None, Resolution::PUBLIC)], place }
    }

    /// Publishes what the node knows at `now_ns`, at the end of a round of readings. Where domains were added, it makes new files.
    ///
    /// # Errors
    /// The last of the files that cannot be made. An earlier file of that page goes on, with the domains that it has, and it is
    /// tried again after a second.
    pub(crate) fn publish(&mut self, node: &mut Node, now_ns: u64) -> Result<(), PageFault> {
        let [fine, public] = &mut self.pages;
        let made = fine.publish(&self.place, node, now_ns);
        public.publish(&self.place, node, now_ns).and(made)
    }
}

impl Page {
    fn publish(&mut self, place: &Place, node: &mut Node, now_ns: u64) -> Result<(), PageFault> {
        let made = self.make(place, node, now_ns);
        match &mut self.writer {
            // The writer leaves out what is finer than its steps.
            Some(writer) if writer.is_due(now_ns) => writer.publish(&node.page(self.resolution, now_ns), now_ns),
            Some(writer) => writer.live(now_ns),
            None => {}
        }
        made
    }

    /// Makes the file, where there is none for the present domains.
    fn make(&mut self, place: &Place, node: &Node, now_ns: u64) -> Result<(), PageFault> {
        let count = node.domain_count();
        if (self.writer.is_some() && count == self.domains) || now_ns < self.due_ns {
            return Ok(());
        }
        self.due_ns = now_ns.saturating_add(AGAIN_NS);
        let domains: Vec<_> = node.domains().into_iter().take(eco2_core::MAX_DOMAINS).collect();
        let Place { folder, boot_id, began_ns, .. } = place;
        // The new file is in its place before the old one is marked as ended.
        self.writer = Some(PageWriter::create(&PageSpec {
            folder,
            name: self.name,
            mode: self.mode,
            group: self.group,
            steps: Steps { ns: self.resolution.step_ns, uj: self.resolution.step_uj },
            boot_id,
            began_ns: *began_ns,
            slots: SLOTS,
            domains: &domains,
        })?);
        (self.domains, self.due_ns) = (count, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use eco2_core::{Component, Domain};
    use eco2_samplers::page::PageReader;

    use super::*;
    use crate::node::Input;
    use crate::snapshot::NodeIdentity;

    const S: u64 = 1_000_000_000;

    #[test]
    fn page_that_cannot_be_made_harms_no_other_and_is_tried_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Node::new(NodeIdentity::default(), 0, Vec::new());
        let domains = vec![Domain::counter("package-0", Component::Cpu, "package", "rapl-perf")];
        node.take(Input::Domains { source: 0, domains });
        // A folder that is not empty cannot be replaced by a file.
        let obstacle = folder.path().join(FINE);
        std::fs::create_dir_all(obstacle.join("x")).unwrap();
        let place = Place { folder: folder.path().to_owned(), group: None, boot_id: "b".into(), began_ns: 0 };
        let mut pages = Pages::new(place);
        let now_ns = eco2_samplers::clock::monotonic_ns();
        let attach = |name, now_ns| PageReader::attach(folder.path(), name, "b", now_ns);
        assert!(pages.publish(&mut node, now_ns).is_err());
        let public = attach(PUBLIC, now_ns).unwrap();
        std::fs::remove_dir_all(&obstacle).unwrap();
        for ms in [10, 20, 999] {
            let at_ns = now_ns + ms * 1_000_000;
            assert!(pages.publish(&mut node, at_ns).is_ok() && attach(FINE, at_ns).is_err(), "{ms} ms later");
        }
        assert!(pages.publish(&mut node, now_ns + S).is_ok() && attach(FINE, now_ns + S).is_ok());
        assert!(public.is_live(now_ns + S), "its file was not made again meanwhile");
    }
}
