//! Follows the control groups of containers, pods and users that there are, where that was switched on.

use eco2_samplers::usage::{FoundGroups, GroupKind, KnownGroup, find_groups, group_name};

use super::{Accounting, SECOND_NS};
use crate::jobs::{Job, JobProcesses};
use crate::shares::JobKey;
use crate::snapshot::{ConsumerKind, EndReason, Instant};

/// Time between two looks for groups.
const LOOK_NS: u64 = 5 * SECOND_NS;
/// Most groups that are followed. The energy of others is not attributed.
const MOST: usize = 256;

impl Accounting {
    /// Begins and ends the consumers of groups that came and went since the last look.
    pub(super) fn look_for_groups(&mut self, now: Instant) {
        if self.by.is_empty() || now.ns < self.groups_ns {
            return;
        }
        self.groups_ns = now.ns.saturating_add(LOOK_NS);
        let FoundGroups { groups, is_whole } = find_groups(&self.roots, &self.by);
        if !is_whole {
            self.warn("there are too many control groups to look at all: those not seen go on as they are".to_owned());
        }
        let followed = self.node.jobs().filter(|(_, state)| state.ended.is_none() && state.job.kind.is_of_group());
        let mut followed: Vec<(JobKey, JobProcesses)> =
            followed.map(|(key, state)| (key, state.job.processes.clone())).collect();
        let count = followed.len();
        let mut new = Vec::new();
        for group in groups {
            let processes = JobProcesses::Group(group.path.clone());
            let before = followed.len();
            followed.retain(|(_, of)| *of != processes);
            if followed.len() == before {
                new.push((group, processes));
            }
        }
        // These are gone, if all that there is was seen.
        let gone = if is_whole { followed.len() } else { 0 };
        for (key, _) in followed.into_iter().take(gone) {
            self.node.end_job(key, now, None, EndReason::Gone);
        }
        // Those that are followed stay: a new one displaces none.
        let room = MOST.saturating_sub(count - gone);
        if new.len() > room {
            self.warn(format!(
                "there are more than {MOST} containers, pods and users: the energy of the rest is not attributed"
            ));
        }
        for (group, processes) in new.into_iter().take(room) {
            let key = self.node.begin_job(self.consumer(&group, processes), now, None);
            self.usage.follow(key, JobProcesses::Group(group.path));
        }
    }

    fn consumer(&self, group: &KnownGroup, processes: JobProcesses) -> Job {
        let kind = kind(group.kind);
        let id = format!("{}:{}", kind.name(), group.id);
        let name = if group.kind == GroupKind::User { None } else { group_name(&self.roots, &group.path) };
        let (name, uid) = (name.unwrap_or_else(|| group.id.clone()), group.uid.unwrap_or(0));
        Job { id, name, uid, processes, kind, by_operator: true, labels: std::collections::BTreeMap::new() }
    }
}

fn kind(kind: GroupKind) -> ConsumerKind {
    match kind {
        GroupKind::Container => ConsumerKind::Container,
        GroupKind::Pod => ConsumerKind::Pod,
        GroupKind::User => ConsumerKind::User,
    }
}
