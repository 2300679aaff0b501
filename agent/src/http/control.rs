//! Begins and ends jobs by request ([`JobControl`]): what a request may contain, and what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::access::Rights;
use super::peer::PeerEnd;
use super::reply::{Content, Reply};
use crate::gpu_name::GpuName;

/// Longest id of a job, bytes.
const LONGEST_ID: usize = 128;
/// Longest name of a job, characters.
const LONGEST_NAME: usize = 256;

/// A job to begin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Id, unique among the jobs that go on: letters, digits and `-_.:@+=`, at most 128.
    pub id: String,
    /// Name that is shown to people; `None`: the id.
    #[serde(default)]
    pub name: Option<String>,
    /// A process; the job is this process and everything that it starts.
    #[serde(default)]
    pub pid: Option<u32>,
    /// A control group, by its path below the mount point; the job is every process in it.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
    /// The user to whom the job belongs; `None`: the caller. Only callers that may see everything may name another.
    #[serde(default)]
    pub uid: Option<u32>,
    /// At most 16 labels by name, such as the account of a scheduler.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The GPUs that it may use, by their numbers in the list of their driver or by UUIDs. Only callers that may see everything may
    /// name them.
    #[serde(default)]
    pub gpus: BTreeSet<GpuName>,
    /// Limit on its energy with that of the jobs within it, kilowatt-hours with the overhead of the facility.
    #[serde(default)]
    pub max_energy_kwh: Option<f64>,
    /// Limit on what that energy emits, kilograms CO2e.
    #[serde(default)]
    pub max_co2_kg: Option<f64>,
}

/// The end of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobEnd {
    /// Steps that it did; `None`: they were not counted.
    #[serde(default)]
    pub steps: Option<u64>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A user, who may begin and end own jobs.
    User(u32),
    /// Root, a member of the group `eco2`, or the bearer of the token: may end every job, and begin jobs of every user.
    Trusted,
}

/// The reason why a job was not begun or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFault {
    /// A job with this id goes on.
    #[error("a job with this id goes on; end it first, or choose another id")]
    Exists,
    /// No job with this id goes on, or it belongs to another user.
    #[error("no job with this id goes on, or it is not yours")]
    Unknown,
    /// The request contradicts itself or the machine, such as a process of another user.
    #[error("{0}")]
    Refused(String),
    /// Too many jobs go on, or the agent is behind.
    #[error("{0}")]
    Unavailable(String),
}

/// Takes the key of a job, or the reason why it was not begun or ended, and returns whether the caller was still there. Dropping it
/// is the answer that the agent is behind.
pub type JobDone = Box<dyn FnOnce(Result<u64, JobFault>) -> bool + Send>;

/// Begins and ends jobs. Calls come from the thread that serves all clients: they append, and never wait for a disk.
pub trait JobControl: Debug + Send + Sync {
    /// Begins a job, and passes its key to `done`, now or later. Where the caller has gone by then, the job is ended.
    fn begin(&self, job: JobRequest, caller: Caller, done: JobDone);

    /// Ends a job, and passes its key to `done`, now or later.
    fn end(&self, id: &str, end: JobEnd, caller: Caller, done: JobDone);

    /// Makes the sensors be read often for the next five seconds. Where nothing is read for the server, it does nothing.
    fn lease(&self) {}
}

/// Answers a request to begin a job.
pub(super) fn begin(control: &dyn JobControl, rights: Rights, body: &[u8], peer: Option<PeerEnd>) -> Reply {
    let caller = match caller(rights) {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let job: JobRequest = match parsed(body) {
        Ok(job) => job,
        Err(reply) => return reply,
    };
    let name_length = job.name.as_ref().map_or(0, |name| name.chars().count());
    let fault = match (&job.pid, &job.cgroup) {
        _ if !is_id(&job.id) => Some("id: 1 to 128 letters, digits and -_.:@+="),
        _ if name_length > LONGEST_NAME => Some("name: at most 256 characters"),
        (Some(_), Some(_)) => Some("a job is a process or a control group, not both: leave out pid or cgroup"),
        _ => None,
    };
    if let Some(fault) = fault {
        return Reply::error(StatusCode::BAD_REQUEST, fault);
    }
    if matches!((caller, job.uid), (Caller::User(own), Some(other)) if own != other) {
        return Reply::error(StatusCode::FORBIDDEN, "uid: only root and the group eco2 may begin jobs of other users");
    }
    later(StatusCode::CREATED, peer, |done| control.begin(job, caller, done))
}

/// Answers a request to end a job. The body may be empty.
pub(super) fn end(control: &dyn JobControl, rights: Rights, id: &str, body: &[u8]) -> Reply {
    let caller = match caller(rights) {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let end = if body.is_empty() { Ok(JobEnd::default()) } else { parsed(body) };
    match end {
        Ok(end) => later(StatusCode::OK, None, |done| control.end(id, end, caller, done)),
        Err(reply) => reply,
    }
}

/// Answers a request of a program that reads the fine page.
pub(super) fn lease(control: &dyn JobControl, rights: Rights) -> Reply {
    if rights != Rights::All {
        let text = "only root and the group eco2 may have sensors read often; the page changes once a second";
        return Reply::error(StatusCode::FORBIDDEN, text);
    }
    control.lease();
    Reply::text("application/json", "{\"seconds\":5}\n".to_owned())
}

/// Whether a text is the id of a job.
pub(crate) fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+=".contains(&byte);
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_plain)
}

fn caller(rights: Rights) -> Result<Caller, Reply> {
    match rights {
        Rights::All => Ok(Caller::Trusted),
        Rights::Own(uid) => Ok(Caller::User(uid)),
        Rights::Coarse | Rights::Nothing => {
            let text = "jobs are begun and ended over the Unix socket, or with a token";
            Err(Reply::error(StatusCode::FORBIDDEN, text))
        }
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|cause| Reply::error(StatusCode::BAD_REQUEST, &format!("the body: {cause}")))
}

/// Returns the answer that `ask` gives to its argument, once it is there.
/// Asks, and answers when that is done; not to a `peer` that is gone by then.
fn later(success: StatusCode, peer: Option<PeerEnd>, ask: impl FnOnce(JobDone)) -> Reply {
    let (send, answer) = oneshot::channel();
    ask(Box::new(move |outcome| {
        let is_gone = peer.is_some_and(|peer| peer.is_gone());
        !is_gone && send.send(reply(outcome, success)).is_ok()
    }));
    Reply { body: Content::Later(answer), ..Reply::text("", String::new()) }
}

fn reply(outcome: Result<u64, JobFault>, success: StatusCode) -> Reply {
    let fault = match outcome {
        Ok(key) => return Reply { status: success, ..Reply::json(&serde_json::json!({"key": key})) },
        Err(fault) => fault,
    };
    let status = match fault {
        JobFault::Exists => StatusCode::CONFLICT,
        JobFault::Unknown => StatusCode::NOT_FOUND,
        JobFault::Refused(_) => StatusCode::BAD_REQUEST,
        JobFault::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Reply::error(status, &fault.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Keeps what it was asked for.
    #[derive(Debug, Default)]
    struct Kept(Mutex<Vec<String>>);

    impl JobControl for Kept {
        fn begin(&self, job: JobRequest, caller: Caller, done: JobDone) {
            let mut kept = self.0.lock().unwrap();
            assert!(matches!(caller, Caller::Trusted | Caller::User(1000)));
            if kept.contains(&job.id) {
                done(Err(JobFault::Exists));
            } else {
                kept.push(job.id);
                assert!(done(Ok(7)));
            }
        }

        fn end(&self, id: &str, end: JobEnd, _caller: Caller, done: JobDone) {
            assert!(matches!(end.steps, None | Some(9)));
            let is_known = self.0.lock().unwrap().iter().any(|kept| kept == id);
            done(if is_known { Ok(7) } else { Err(JobFault::Unknown) });
        }
    }

    /// The answer, which these controls give at once.
    fn settled(reply: Reply) -> Reply {
        match reply.body {
            Content::Later(mut answer) => answer.try_recv().unwrap(),
            _ => reply,
        }
    }

    fn status(reply: Reply) -> u16 {
        settled(reply).status.as_u16()
    }

    #[test]
    fn job_is_begun_once_and_ended() {
        let control = Kept::default();
        let own = Rights::Own(1000);
        let body = br#"{"id": "48213", "name": "train", "pid": 4242}"#;
        assert_eq!(status(begin(&control, own, body, None)), 201);
        assert_eq!(status(begin(&control, own, body, None)), 409);
        assert_eq!(status(end(&control, own, "48213", b"")), 200);
        assert_eq!(status(end(&control, Rights::All, "48213", br#"{"steps": 9}"#)), 200);
        assert_eq!(status(end(&control, own, "48214", b"")), 404);
    }

    #[test]
    fn only_known_callers_begin_jobs_and_only_own_ones() {
        let control = Kept::default();
        for rights in [Rights::Coarse, Rights::Nothing] {
            assert_eq!(status(begin(&control, rights, br#"{"id": "a"}"#, None)), 403);
            assert_eq!(status(end(&control, rights, "a", b"")), 403);
        }
        assert_eq!(status(begin(&control, Rights::Own(1000), br#"{"id": "a", "uid": 1001}"#, None)), 403);
        assert_eq!(status(begin(&control, Rights::Own(1000), br#"{"id": "a", "uid": 1000}"#, None)), 201);
        assert_eq!(status(begin(&control, Rights::All, br#"{"id": "b", "uid": 1001}"#, None)), 201);
    }

    // F42: hostile bodies get a reason and change nothing.
    #[test]
    fn f42_hostile_bodies_are_refused_with_a_reason() {
        let control = Kept::default();
        let deep = format!("{{\"id\": {}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let long = format!("{{\"id\": \"{}\"}}", "a".repeat(129));
        let name = format!("{{\"id\": \"a\", \"name\": \"{}\"}}", "x".repeat(300));
        for body in [
            "",
            "[]",
            "{}",
            "null",
            "{\"id\": 1}",
            "{\"id\": \"\"}",
            "{\"id\": \"../a\"}",
            "{\"id\": \"a b\"}",
            "{\"id\": \"a\\u0000\"}",
            "{\"id\": \"a\", \"pid\": -1}",
            "{\"id\": \"a\", \"pid\": 1e99}",
            "{\"id\": \"a\", \"pid\": 1, \"cgroup\": \"/b\"}",
            "{\"id\": \"a\", \"more\": 1}",
            "{\"id\": \"a\", \"id\": \"b\"}",
            "\u{feff}{\"id\": \"a\"}",
            &deep,
            &long,
            &name,
        ] {
            let reply = settled(begin(&control, Rights::All, body.as_bytes(), None));
            assert_eq!(reply.status.as_u16(), 400, "{body:.60}");
            let Content::Whole(text) = reply.body else { panic!("a stream") };
            assert!(text.len() < 400 && text.starts_with(b"{\"error\":\""), "{text:?}");
        }
        assert_eq!(status(begin(&control, Rights::All, b"\xff\xfe", None)), 400);
        assert!(control.0.lock().unwrap().is_empty());
    }
}
