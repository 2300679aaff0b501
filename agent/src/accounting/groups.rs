//! Follows the containers, pods and users that there are, where that was switched on.

use std::collections::{BTreeMap, BTreeSet};

use eco2_samplers::usage::{FoundGroups, GroupKind, find_groups, group_name, pod_name};

use super::{Accounting, SECOND_NS};
use crate::jobs::{Job, JobProcesses, JobState};
use crate::shares::JobKey;
use crate::snapshot::{ConsumerKind, EndReason, Instant};

/// Time between two looks.
const LOOK_NS: u64 = 5 * SECOND_NS;
/// Most containers and pods that are followed, and most users: users may start processes of many subordinate ones. The energy of others is not attributed.
const MOST: usize = 256;

/// A container, a pod or a user.
#[derive(Debug)]
struct Found {
    kind: ConsumerKind,
    /// The first digits of a container's id, a pod's UID, or a user's number.
    id: String,
    processes: JobProcesses,
}

impl Accounting {
    /// Begins and ends the consumers that came and went since the last look.
    pub(super) fn look_for_groups(&mut self, now: Instant) {
        if self.by.is_empty() || now.ns < self.groups_ns {
            return;
        }
        self.groups_ns = now.ns.saturating_add(LOOK_NS);
        let (all, are_groups_whole) = self.find();
        let are_users_whole = !self.by.contains(&ConsumerKind::User) || self.usage.is_listed();
        if !are_users_whole {
            self.warn("the list of processes cannot be read: what users use meanwhile is not attributed".to_owned());
        }
        let is_whole = are_groups_whole && are_users_whole;
        if !are_groups_whole {
            self.warn("there are too many control groups to look at all: those not seen go on as they are".to_owned());
        }
        let followed = self.node.jobs().filter(|(_, state)| state.ended.is_none() && state.job.kind.is_found());
        let mut followed: Vec<(JobKey, JobProcesses)> =
            followed.map(|(key, state)| (key, state.job.processes.clone())).collect();
        let mut new = Vec::new();
        for found in all {
            let before = followed.len();
            followed.retain(|(_, of)| *of != found.processes);
            if followed.len() == before {
                new.push(found);
            }
        }
        // These are gone, if all that there is was seen.
        let gone = if is_whole { followed.len() } else { 0 };
        for (key, _) in followed.into_iter().take(gone) {
            self.node.end_job(key, now, None, EndReason::Gone);
        }
        let (users, groups): (Vec<Found>, Vec<Found>) =
            new.into_iter().partition(|found| found.kind == ConsumerKind::User);
        self.follow_found(groups, now, "containers and pods", |kind| kind != ConsumerKind::User);
        self.follow_found(users, now, "users", |kind| kind == ConsumerKind::User);
    }

    /// Begins new consumers. Those that are followed stay: a new one displaces none.
    fn follow_found(&mut self, new: Vec<Found>, now: Instant, of: &str, is_same: fn(ConsumerKind) -> bool) {
        let is_open = |job: &JobState| job.ended.is_none() && job.job.kind.is_found() && is_same(job.job.kind);
        let room = MOST.saturating_sub(self.node.jobs().filter(|(_, state)| is_open(state)).count());
        if new.len() > room {
            self.warn(format!("there are more than {MOST} {of}: the energy of the rest is not attributed"));
        }
        for found in new.into_iter().take(room) {
            let processes = found.processes.clone();
            let key = self.node.begin_job(self.consumer(found), now, None);
            self.usage.follow(key, processes);
        }
    }

    /// Returns the containers, pods and users of the kinds that were switched on, and whether every control group was looked at.
    fn find(&mut self) -> (Vec<Found>, bool) {
        let kinds: Vec<GroupKind> = self.by.iter().filter_map(|kind| group_kind(*kind)).collect();
        let FoundGroups { groups, is_whole } = if kinds.is_empty() {
            FoundGroups { groups: Vec::new(), is_whole: true }
        } else {
            find_groups(&self.roots, &kinds)
        };
        let users = if self.by.contains(&ConsumerKind::User) {
            self.usage.watch_users();
            self.usage.users()
        } else {
            BTreeSet::new()
        };
        let groups = groups.into_iter().map(|group| Found {
            kind: consumer_kind(group.kind),
            id: group.id,
            processes: JobProcesses::Group(group.path),
        });
        let users = users.into_iter().map(|uid| Found {
            kind: ConsumerKind::User,
            id: uid.to_string(),
            processes: JobProcesses::User(uid),
        });
        (groups.chain(users).collect(), is_whole)
    }

    fn consumer(&self, found: Found) -> Job {
        let Found { kind, id, processes } = found;
        let (name, uid) = match &processes {
            JobProcesses::Group(path) => {
                let of_pod = if kind == ConsumerKind::Pod { pod_name(&self.roots, &id) } else { None };
                (of_pod.or_else(|| group_name(&self.roots, path)), 0)
            }
            JobProcesses::User(uid) => (None, *uid),
            JobProcesses::Tree(_) => (None, 0),
        };
        let name = name.unwrap_or_else(|| id.clone());
        let id = format!("{}:{id}", kind.name());
        Job { id, name, uid, processes, kind, by_operator: true, labels: BTreeMap::new() }
    }
}

fn group_kind(kind: ConsumerKind) -> Option<GroupKind> {
    match kind {
        ConsumerKind::Container => Some(GroupKind::Container),
        ConsumerKind::Pod => Some(GroupKind::Pod),
        ConsumerKind::User | ConsumerKind::Job => None,
    }
}

fn consumer_kind(kind: GroupKind) -> ConsumerKind {
    match kind {
        GroupKind::Container => ConsumerKind::Container,
        GroupKind::Pod => ConsumerKind::Pod,
    }
}
