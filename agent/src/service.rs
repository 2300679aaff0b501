//! Runs the agent ([`Service`]): the sampling thread, and the accounting thread.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use eco2_grid::pricing::IntensitySources;
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::discover::Discovery;
use eco2_samplers::schedule::Pace;
use eco2_samplers::{Options, Roots, Sampler, StartError, Waker, host};

use crate::accounting::{Accounting, now};
use crate::counter_start::counting_since_ns;
use crate::feed::{Feed, Requests};
use crate::folder::RunFolder;
use crate::intensity_poll::IntensityPoll;
use crate::job_files::JobFiles;
use crate::job_history::JobHistory;
use crate::job_log::JobLog;
use crate::jobs::{Job, JobError, JobTerms};
use crate::latest::Latest;
use crate::node::{Input, IntervalUse, Node};
use crate::pages::{Pages, Place};
use crate::prices::Rates;
use crate::requests::{Peer, Reply, Request};
use crate::snapshot::{ConsumerKind, NodeIdentity, Snapshot};
use crate::store::Store;

/// How long a lease of a viewer lasts, during which sensors are read at their full rate.
const LEASE_NS: u64 = 5_000_000_000;
/// How long a request waits for its answer. The accounting thread answers within some milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time for the last counter changes when the agent ends.
const ENDING_NS: u64 = 100_000_000;

/// What the agent needs to know.
#[derive(Debug)]
pub struct Settings {
    /// The folder of its pages.
    pub folder: RunFolder,
    /// Where the machine's interfaces are.
    pub roots: Roots,
    /// When the sensors are read. With a fixed interval a lease changes nothing.
    pub pace: Pace,
    /// Id of the group `eco2`, which may read the fine page; `None`: there is none.
    pub group: Option<u32>,
    /// Folder of the log of jobs, which survives the machine; `None`: that of the pages.
    pub state: Option<RunFolder>,
    /// The kinds of consumers that are found without a request: containers, pods, users.
    pub by: Vec<ConsumerKind>,
    /// What the energy emits and costs; `None`: not known.
    pub rates: Option<Rates>,
    /// Version that is shown.
    pub version: String,
}

/// What depends on the site; nothing of it is needed.
#[derive(Debug, Clone, Default)]
pub struct SiteSettings {
    /// Folder of the files by which DCGM's exporter knows the jobs of each GPU: read and written.
    pub job_files: Option<PathBuf>,
    /// Where the carbon intensity of each time comes from; `None`: one intensity applies for all time.
    pub intensities: Option<IntensitySources>,
    /// Gets each warning once, as one line of text.
    pub on_warning: Option<fn(&str)>,
}

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no sampling thread.
    #[error(transparent)]
    Sampling(#[from] StartError),
    /// There is no accounting thread.
    #[error("cannot start the accounting thread: {0}; raise the limit on processes (ulimit -u)")]
    Thread(#[source] std::io::Error),
}

/// The running agent. Dropping it ends it.
#[derive(Debug)]
pub struct Service {
    latest: Latest,
    requests: Requests,
    sampler: Option<HeldSampler>,
    thread: Option<JoinHandle<()>>,
    folder: RunFolder,
    /// The folder of the log of jobs, if it is another one.
    state: Option<RunFolder>,
    /// Held until the agent ends.
    _poll: Option<IntensityPoll>,
}

struct HeldSampler(Sampler);

impl std::fmt::Debug for HeldSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sampler")
    }
}

impl Service {
    /// Starts both threads. What an earlier agent of this folder published goes on.
    ///
    /// # Errors
    /// Where the system refuses a thread.
    pub fn start(found: Discovery, settings: Settings) -> Result<Self, ServiceError> {
        Self::start_at(found, settings, SiteSettings::default())
    }

    /// As [`Self::start`], with what depends on the site.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(found: Discovery, settings: Settings, site: SiteSettings) -> Result<Self, ServiceError> {
        let Settings { folder, roots, pace, group, state, by, rates, version } = settings;
        let host = host::read(&roots);
        let identity = NodeIdentity { boot_id: host.boot_id, hostname: host.hostname, kernel: host.kernel, version };
        let began_ns = monotonic_ns();
        let place = Place { folder: folder.path().to_owned(), group, boot_id: identity.boot_id.clone(), began_ns };
        let boot_id = identity.boot_id.clone();
        let mut node = Node::new(identity, began_ns, found.statuses).priced(rates);
        if site.intensities.is_some() {
            node = node.priced_over_time();
        }
        let mut store = Store::new(folder.path(), place.boot_id.clone());
        let written = store.written();
        let (journal, warning) = store.read();
        let unmeasured = journal.as_ref().is_some_and(|journal| journal.is_of_other_clock(&boot_id, began_ns));
        let kept_records = journal.as_ref().map_or(0, |journal| journal.records);
        let is_kept = journal.is_some();
        let is_other = journal.is_some_and(|journal| !node.resume(journal));
        let since_ns = counting_since_ns(folder.path(), is_kept && !is_other, now().wall_ns);
        let warning = warning.or_else(|| is_other.then(|| "it is of another version".to_owned()));
        let (log, records, skipped) = JobLog::open(state.as_ref().unwrap_or(&folder).path());
        node.replay(&records, kept_records);
        // Their first readings come later; what was published of them is shown at once.
        for (source, found) in found.sources.iter().enumerate() {
            node.take(Input::Domains { source, domains: found.domains().to_vec() });
        }
        let views = node.account(now(), IntervalUse::default);
        let latest = Latest::counting_since(views, since_ns);
        let (feed, received) = Feed::new();
        let requests = feed.requests();
        let poll = site.intensities.map(|sources| IntensityPoll::start(sources, requests.clone()));
        let mut accounting = Accounting::new(node, &roots, Pages::new(place), store, log, received, latest.clone());
        accounting.files = site.job_files.as_deref().map(JobFiles::new);
        accounting.on_warning = site.on_warning;
        warning
            .into_iter()
            .for_each(|text| accounting.warn(format!("the journal is not used, or not in full: {text}")));
        if unmeasured {
            let [from, to] = [written, Some(jiff::Timestamp::now())]
                .map(|at| at.map_or_else(|| "an unknown time".to_owned(), |at| format!("{at:.0}")));
            let reason = "the monotonic clock is another one than before";
            accounting.warn(format!("the energy from {from} to {to} is not measured: {reason}"));
        }
        accounting.by = by;
        if skipped > 0 {
            accounting.warn(format!("{skipped} lines of the log of jobs were damaged"));
        }
        let state_folder = state.as_ref().unwrap_or(&folder).path();
        let listed = accounting.ended_jobs();
        let (history, added) = JobHistory::open(state_folder, &records, &boot_id, listed);
        accounting.history = Some(history);
        added.unwrap_or_else(|error| accounting.warn(format!("an ended job is not kept: {error}")));
        accounting.follow_jobs_again();
        accounting.remove_old_lines(&records);
        let thread = std::thread::Builder::new().name("eco2-accounting".to_owned());
        let thread = thread.spawn(move || accounting.run()).map_err(ServiceError::Thread)?;
        let options = Options { cpus: found.cpus, pace, ..Options::default() };
        let sampler = Sampler::start(found.sources, Box::new(feed), options);
        let mut service = Self { latest, requests, sampler: None, thread: Some(thread), folder, state, _poll: poll };
        service.sampler = Some(HeldSampler(sampler?));
        Ok(service)
    }

    /// Returns where the newest snapshots are.
    #[must_use]
    pub fn latest(&self) -> Latest {
        self.latest.clone()
    }

    /// Returns a handle for jobs and leases, for any thread.
    #[must_use]
    pub fn jobs(&self) -> Jobs {
        let waker = self.sampler.as_ref().map(|HeldSampler(sampler)| sampler.waker());
        Jobs { requests: self.requests.clone(), latest: self.latest.clone(), waker }
    }

    /// Returns the folder of the pages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the folder of the log and the history of jobs.
    #[must_use]
    pub fn state_folder(&self) -> &Path {
        self.state.as_ref().unwrap_or(&self.folder).path()
    }

    /// Reads every sensor once more, keeps the account, marks the pages as ended and ends both threads.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(HeldSampler(sampler)) = self.sampler.take() {
            // The account takes the last readings from the queue.
            let _ = sampler.stop(ENDING_NS);
        }
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && !self.requests.pass(Request::Stop) {
                std::thread::sleep(Duration::from_millis(1));
            }
            // A panic of the thread has ended it as well.
            let _ = thread.join();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

/// Begins, ends and lists jobs. Cloning shares the agent.
#[derive(Debug, Clone)]
pub struct Jobs {
    requests: Requests,
    latest: Latest,
    waker: Option<Waker>,
}

impl Jobs {
    /// Begins a job for `by`, and returns its key. It is recorded before this returns, so that a crash of the agent does not lose it.
    /// Where the record cannot be written, the job goes on all the same, and an event counts the fault.
    ///
    /// # Errors
    /// [`JobError`] with the reason. A job whose caller has given up waiting is ended.
    pub fn begin_job(&self, job: Job, by: Peer) -> Result<u64, JobError> {
        self.begin_job_with(job, JobTerms::default(), by)
    }

    /// As [`Self::begin_job`], with what was agreed for the job.
    ///
    /// # Errors
    /// As [`Self::begin_job`].
    pub fn begin_job_with(&self, job: Job, terms: JobTerms, by: Peer) -> Result<u64, JobError> {
        wait(|reply| self.pass_begin(job, terms, by, reply))
    }

    /// Ends the job of that id, if `by` may, and returns its key; `steps`: how many steps it took, if it counted them.
    ///
    /// # Errors
    /// [`JobError`] with the reason.
    pub fn end_job(&self, id: &str, by: Peer, steps: Option<u64>) -> Result<u64, JobError> {
        wait(|reply| self.pass_end(id, by, steps, reply))
    }

    /// As [`Self::begin_job`], without waiting. `false`: the agent is behind, and the request was not taken.
    pub(crate) fn pass_begin(&self, job: Job, terms: JobTerms, by: Peer, reply: Reply) -> bool {
        self.requests.pass(Request::Begin { job, terms, by, reply })
    }

    /// As [`Self::end_job`], without waiting. `false`: the agent is behind, and the request was not taken.
    pub(crate) fn pass_end(&self, id: &str, by: Peer, steps: Option<u64>, reply: Reply) -> bool {
        self.requests.pass(Request::End { id: id.to_owned(), by, steps, reply })
    }

    /// Returns the newest snapshot as `by` may see it.
    #[must_use]
    pub fn seen_by(&self, by: Peer) -> Snapshot {
        let views = self.latest.views();
        if by.is_operator { (*views.full).clone() } else { views.public.of_user(by.uid) }
    }

    /// Makes the sensors be read now, and at their full rate for the next five seconds, for someone who may see fine energies.
    pub fn lease(&self) {
        self.requests.view_until(monotonic_ns().saturating_add(LEASE_NS));
        self.waker.iter().for_each(Waker::wake);
    }
}

/// Waits for the answer to a request.
fn wait(pass: impl FnOnce(Reply) -> bool) -> Result<u64, JobError> {
    let (send, answer) = sync_channel(1);
    let reply = move |result| send.try_send(result).is_ok();
    if !pass(Box::new(reply)) {
        return Err(JobError::Busy);
    }
    answer.recv_timeout(PATIENCE).unwrap_or(Err(JobError::Busy))
}
