//! Pushes the metrics of the node to other machines while the agent works ([`Pusher`]), on a thread of its own: neither the
//! sampling thread nor the accounting thread waits for a disk or a server.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use eco2::{PushTargets, Pushed};
use eco2_report::{CounterStart, PushOrigin};

use crate::latest::Latest;
use crate::metrics::{job_starts, node_metric_set};
use crate::snapshot::Snapshot;

/// Interval of the pushes.
pub const PUSH_EVERY: Duration = Duration::from_secs(10);
/// How long the end of the agent waits for the servers.
const PARTING: Duration = Duration::from_secs(1);

/// The thread that pushes. Dropping it makes a last push and ends the thread.
#[derive(Debug)]
pub struct Pusher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pusher {
    /// Starts to push the newest snapshot every `every`. `warn` gets a text when a push fails, and not again while the text
    /// is the same.
    ///
    /// # Errors
    /// If there is no thread.
    pub fn start(
        targets: PushTargets,
        latest: Latest,
        every: Duration,
        warn: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let mut pushing = Pushing { targets, latest, warn: Box::new(warn), last: Vec::new() };
        let thread = Builder::new().name("eco2-push".to_owned()).spawn(move || {
            let mut next = Instant::now() + every;
            while stopped.recv_timeout(next.saturating_duration_since(Instant::now())) == Err(RecvTimeoutError::Timeout)
            {
                // The next push is due after the same interval, also if a server was slow.
                next = (next + every).max(Instant::now());
                pushing.push(next.saturating_duration_since(Instant::now()) / 2);
            }
            pushing.push(PARTING);
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has ended it as well.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Pushing {
    targets: PushTargets,
    latest: Latest,
    warn: Box<dyn Fn(&str) + Send>,
    /// The texts of the last push.
    last: Vec<String>,
}

impl Pushing {
    /// Pushes the newest snapshot, and waits for the servers for `patience` at most.
    fn push(&mut self, patience: Duration) {
        let views = self.latest.views();
        let start = self.latest.counter_start();
        let mut problems = self.targets.put_for_all(&of_node(&views.public, start));
        problems.extend(self.targets.put(&of_node(&views.full, start)));
        problems.extend(self.targets.send(patience));
        // The numbers of waiting requests differ each time.
        let kind = |text: &str| text.replace(|digit: char| digit.is_ascii_digit(), "");
        let is_new = |text: &&String| !self.last.iter().any(|last| kind(last) == kind(text));
        problems.iter().filter(is_new).for_each(|text| (self.warn)(text));
        self.last = problems;
    }
}

/// Returns what is pushed of a node: the metrics that a reader with the agent's token sees. `start`: since when its counters count that
/// are not of jobs.
fn of_node(snapshot: &Snapshot, start: &CounterStart) -> Pushed<'static> {
    let node = &snapshot.node;
    let origin = PushOrigin {
        at_ns: u64::try_from(snapshot.wall_ns).unwrap_or(0),
        start: CounterStart { jobs_ns: job_starts(snapshot), ..start.clone() },
        version: node.version.clone(),
        hostname: node.hostname.clone(),
        instance: node.hostname.clone(),
        run: None,
        rank: None,
    };
    Pushed { metrics: node_metric_set(snapshot), origin, group: None, report: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use eco2::Options;

    use super::*;
    use crate::fixture::snapshot;
    use crate::latest::Views;
    use crate::snapshot::Consumer;
    use crate::{Resolution, node_metrics};
    use eco2_report::MetricsFormat;

    #[test]
    fn textfile_has_the_page_of_metrics_and_a_fault_is_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/node.prom");
        let push = [("textfile".to_owned(), path.display().to_string())].into();
        let targets = PushTargets::open(&Options { push, ..Options::default() }, Some(folder.path())).unwrap();
        let full = Arc::new(snapshot(7, Resolution::FULL));
        let latest = Latest::new(Views { full: Arc::clone(&full), public: Arc::clone(&full) });
        let (sender, warnings) = channel();
        let warn = move |text: &str| drop(sender.send(text.to_owned()));
        let pusher = Pusher::start(targets, latest, Duration::from_millis(20), warn).unwrap();
        let first = warnings.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(first.contains("node.prom"), "{first}");
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while !path.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(pusher);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), node_metrics(&full, MetricsFormat::Prometheus));
        assert_eq!(warnings.try_iter().count(), 0, "the same fault again");
    }

    #[test]
    fn counters_have_the_start_of_the_journal_of_the_agent_or_of_their_job_at_each_push() {
        let first = snapshot(7, Resolution::FULL);
        let (wall_ns, began_ns) = (u64::try_from(first.wall_ns).unwrap(), first.consumers[0].began_wall_ns);
        let id = first.consumers[0].id.clone();
        let latest = Latest::counting_since(Views { full: Arc::new(first.clone()), public: Arc::new(first) }, Some(5));
        let mut later = snapshot(17, Resolution::FULL);
        // The wall clock is corrected; another job has the same id.
        later.wall_ns += 250_000;
        later.consumers.push(Consumer { began_wall_ns: began_ns + 1, ..later.consumers[0].clone() });
        latest.publish(Views { full: Arc::new(later.clone()), public: Arc::new(later) });
        let start = of_node(&latest.views().full, latest.counter_start()).origin.start;
        assert_eq!((start.kept_ns, start.sender_ns), (Some(5), Some(wall_ns - 7_000_000_000)));
        assert_eq!((start.jobs_ns.len(), start.jobs_ns[&id]), (2, u64::try_from(began_ns).unwrap()));
    }
}
