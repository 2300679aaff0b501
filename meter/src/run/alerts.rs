//! Sends the alerts of a run to functions of this process, to a webhook and by e-mail. An *alert* is an event that a
//! person may want to know at once, such as a limit that is reached or a device that is lost. A *listener* is a
//! function of this process that gets alerts; a *service* is the webhook or the mail server.
//!
//! The code that finds an event puts it into a bounded queue and goes on. An event that finds the queue full is dropped
//! and counted; the report has the count. The *alerts' thread* takes events out of the queue and calls the listeners.
//! It runs only if there is a listener, a service or a limit per hour. It also checks the limits every few seconds, for
//! programs that never check them. Each service has a queue and a thread of its own, so a slow one delays nothing else.

mod email;
mod event;
mod outbox;
mod queue;
mod rates;
mod webhook;

use std::sync::Arc;
use std::time::{Duration, Instant};

use eco2_core::schema::{EventKind, EventRecord};

pub use event::Alert;
use event::{Poster, Repeats};
pub(crate) use outbox::Outbox;
use outbox::Service;
use queue::Waited;
pub(crate) use rates::Rates;

use crate::Error;
use crate::options::Options;

/// Interval between two checks of the limits by the alerts' thread. A check costs one provisional account, so a few
/// seconds are often enough. The report checks the limits at the end in any case.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Returns a function that puts those events of a run that are alerts into its outbox (the queues of its alerts).
pub(crate) fn observer(run: &str, outbox: &Arc<Outbox>) -> Box<dyn Fn(&EventRecord) + Send> {
    let (run, outbox) = (run.to_owned(), Arc::clone(outbox));
    Box::new(move |event| {
        if event.event_kind().is_some_and(EventKind::is_alert) {
            outbox.put(|| Alert::of(&run, event));
        }
    })
}

/// The functions of the run that the alerts' threads call.
#[derive(Clone)]
pub(crate) struct Run {
    /// Checks the limits; returns `false` once the run is gone.
    pub(crate) check_limits: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Adds an event about a failed delivery to the report. Takes its kind and its text.
    pub(crate) failed: Arc<dyn Fn(EventKind, String) + Send + Sync>,
}

/// The services that the options name, each with the function that sends to it.
#[derive(Default)]
pub(crate) struct Services {
    ready: Vec<(Service, Poster)>,
    /// Events (kind and text) for services that a build without network leaves out.
    pub(crate) left_out: Vec<(EventKind, String)>,
}

impl Services {
    /// Returns the services that the options name.
    ///
    /// # Errors
    /// [`Error::Webhook`] or [`Error::Email`] without a safe address or password.
    pub(crate) fn of(options: &Options) -> Result<Self, Error> {
        let mut services = Self::default();
        for (service, opened) in
            [(Service::Webhook, webhook::poster(options)), (Service::Email, email::poster(options))]
        {
            match opened {
                Err(
                    error @ (Error::Webhook(eco2_net::NetError::NotBuilt) | Error::Email(eco2_net::NetError::NotBuilt)),
                ) => {
                    services.left_out.push((service.failed_kind(), error.to_string()));
                }
                opened => services.ready.extend(opened?.map(|poster| (service, poster))),
            }
        }
        Ok(services)
    }

    /// Starts the alerts' thread and a thread for each service.
    pub(crate) fn start(self, outbox: &Arc<Outbox>, run: &Run) {
        let opened = self.open(outbox);
        if !opened.is_empty() {
            start(outbox, run.clone());
        }
        for (service, poster) in opened {
            let (outbox, run) = (Arc::clone(outbox), run.clone());
            let posting = move || post(&outbox, &run, service, poster);
            drop(std::thread::Builder::new().name(service.thread().to_owned()).spawn(posting));
        }
    }

    /// Opens the queues of all services before any thread runs. An alert that is passed on from then on reaches every
    /// service, or is counted as lost.
    fn open(self, outbox: &Outbox) -> Vec<(Service, Poster)> {
        self.ready.into_iter().filter(|(service, _)| outbox.service(*service).begin()).collect()
    }
}

/// Starts the alerts' thread, unless it runs already. If it cannot be started there are no alerts.
pub(crate) fn start(outbox: &Arc<Outbox>, run: Run) {
    if outbox.local.begin() {
        let outbox = Arc::clone(outbox);
        drop(
            std::thread::Builder::new()
                .name("eco2-alerts".to_owned())
                .spawn(move || deliver(&outbox, &run, CHECK_EVERY)),
        );
    }
}

/// Runs as the alerts' thread: calls the listeners and passes each alert on to the services. Checks the limits every
/// `check_every`, however many alerts there are.
fn deliver(outbox: &Outbox, run: &Run, check_every: Duration) {
    let mut repeats = Repeats::default();
    let mut next_check = Instant::now() + check_every;
    loop {
        match outbox.local.wait(next_check.saturating_duration_since(Instant::now())) {
            Waited::Event(alert) => {
                if let Some(alert) = repeats.admit(alert, Instant::now()) {
                    outbox.services().for_each(|queue| queue.put(|| alert.clone()));
                    let failures = outbox.call_listeners(&alert);
                    failures.into_iter().for_each(|failure| (run.failed)(Service::Webhook.failed_kind(), failure));
                }
            }
            Waited::Nothing => {}
            Waited::Over => break,
        }
        if Instant::now() >= next_check {
            if !(run.check_limits)() {
                break;
            }
            next_check = Instant::now() + check_every;
        }
    }
    outbox.services().for_each(queue::Queue::finish);
    outbox.local.end();
}

/// Runs as a service's thread: sends each alert, with retries.
fn post(outbox: &Outbox, run: &Run, service: Service, mut poster: Poster) {
    let queue = outbox.service(service);
    loop {
        match queue.wait(CHECK_EVERY) {
            Waited::Event(alert) => {
                if let Err(failure) = poster(&alert, &|| queue.left()) {
                    (run.failed)(service.failed_kind(), failure);
                }
            }
            Waited::Nothing => {}
            Waited::Over => return queue.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn alert(text: &str) -> Alert {
        Alert { run: "r".into(), at: 0, kind: "hot".into(), device: String::new(), text: text.into() }
    }

    fn no_run() -> Run {
        Run { check_limits: Arc::new(|| true), failed: Arc::new(|_, _| ()) }
    }

    #[test]
    fn limits_are_checked_on_time_while_alerts_keep_coming() {
        let outbox = Arc::new(Outbox::default());
        outbox.local.begin();
        let (checked, checks) = channel();
        let run = Run { check_limits: Arc::new(move || checked.send(()).is_ok()), ..no_run() };
        let own = Arc::clone(&outbox);
        let thread = std::thread::spawn(move || deliver(&own, &run, Duration::from_millis(200)));
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            outbox.put(|| alert("flaps"));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(checks.try_iter().count() >= 2, "two seconds, a check every 200 ms");
        outbox.local.finish();
        thread.join().unwrap();
    }

    #[test]
    fn queues_of_all_services_are_open_before_a_thread_starts() {
        let outbox = Outbox::default();
        let poster = || -> Poster { Box::new(|_, _| Ok(())) };
        let ready = vec![(Service::Webhook, poster()), (Service::Email, poster())];
        assert_eq!(Services { ready, ..Services::default() }.open(&outbox).len(), 2);
        assert!(!outbox.local.is_open());
        outbox.services().for_each(|queue| queue.put(|| alert("early")));
        assert!(outbox.services().all(|queue| queue.lost().waiting == 1));
    }

    #[test]
    fn slow_service_delays_neither_listeners_nor_other_services_and_unsent_alerts_are_counted() {
        let outbox = Arc::new(Outbox::default());
        let (release, stuck) = channel::<()>();
        let (mailed, mails) = channel();
        let slow: Poster = Box::new(move |_, _| stuck.recv().map_err(|_| "gone".to_owned()));
        let quick: Poster = Box::new(move |alert, _| {
            drop(mailed.send(alert.text.clone()));
            Ok(())
        });
        let ready = vec![(Service::Webhook, slow), (Service::Email, quick)];
        Services { ready, ..Services::default() }.start(&outbox, &no_run());
        let listen = || {
            let (sender, heard) = channel();
            outbox.listen(Box::new(move |alert: &Alert| drop(sender.send(alert.text.clone()))));
            heard
        };
        let wait = Duration::from_secs(30);
        let heard = listen();
        outbox.put(|| alert("a"));
        assert_eq!(heard.recv_timeout(wait).unwrap(), "a");
        let later = listen();
        outbox.put(|| alert("b"));
        assert_eq!((heard.recv_timeout(wait).unwrap(), later.recv_timeout(wait).unwrap()), ("b".into(), "b".into()));
        assert_eq!((mails.recv_timeout(wait).unwrap(), mails.recv_timeout(wait).unwrap()), ("a".into(), "b".into()));
        let unsent = outbox.close(true);
        assert_eq!(
            unsent[0],
            (EventKind::WebhookFailed, "alerts not sent to the webhook before the end of the run: 2".to_owned())
        );
        drop(release);
    }
}
