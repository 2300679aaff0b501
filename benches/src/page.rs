//! Time of a read of the agent's page, compared with the clock and with the same question over the agent's socket.

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eco2_core::{Component, Domain, DomainPoint, Energies, Margins, Snapshot};
use eco2_samplers::clock::monotonic_ns;
use eco2_samplers::page::{FINE, PUBLIC, PageReader, PageSpec, PageWriter, SLOTS, Steps};

use crate::command::build;
use crate::fixture::one_clock;
use crate::measure::{Failure, Place, cpu_each, in_turns};
use crate::table::{Limit, Row};

const ROUNDS: usize = 61;
const READS: u64 = 20_000;
/// Questions over the socket per batch.
const QUESTIONS: u32 = 20;
/// Domains of the page: two packages with memory, and eight GPUs.
const DOMAINS: usize = 12;
const BOOT: &str = "bench";

/// The total with its range, all domains, and the question over the socket, in turns with a reading of the clock.
///
/// # Errors
/// Where the command cannot be built, or the agent does not answer.
pub(crate) fn measure(place: &Place) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir()?;
    let mut writer = page(folder.path())?;
    let now_ns = monotonic_ns();
    let point = DomainPoint { edge_ns: now_ns, uj: 1_000_000, slope_q28: 26_843_545, flags: 0 };
    let margins = Margins { below_mj: 5, above_mj: 20 };
    (0..100)
        .for_each(|_| writer.publish(&Snapshot::new(now_ns, point, &[point; DOMAINS]).with_margins(margins), now_ns));
    let reader = PageReader::attach(folder.path(), FINE, BOOT, now_ns)?;
    let timeline = reader.timeline();
    let agent = Agent::start(&build(place)?, &folder.path().join("agent"))?;
    let mut client = agent.connect()?;
    let mut energies = Energies::default();
    let [clock, total, all, socket] = in_turns(
        ROUNDS,
        [
            &mut || cpu_each(READS, one_clock),
            &mut || cpu_each(READS, || black_box(timeline.total_bounded())),
            &mut || cpu_each(READS, || timeline.now(now_ns, black_box(&mut energies))),
            &mut || ask(&mut client).unwrap_or(f64::NAN),
        ],
    );
    let nanoseconds = |what: f64| format!("{what:.1} and {:.1} ns", clock.median());
    Ok(vec![
        Row::of("page: total with its range / clock_gettime", &total.over(&clock), "x", Limit::AtMost(0.5))
            .noting(nanoseconds(total.median())),
        Row::of("page: 12 domains / clock_gettime", &all.over(&clock), "x", Limit::AtMost(1.5))
            .noting(nanoseconds(all.median())),
        Row::of(
            "the same question over the socket (wall) / total of the page",
            &socket.over(&total),
            "x",
            Limit::AtLeast(200.0),
        )
        .noting(format!("{:.0} µs", socket.median() / 1e3)),
    ])
}

fn page(folder: &Path) -> Result<PageWriter, Failure> {
    let domain = |n: usize| Domain::counter(&format!("gpu-{n}"), Component::Gpu, "board", "nvml");
    let domains: Vec<Domain> = (0..DOMAINS).map(domain).collect();
    let (steps, began_ns) = (Steps { ns: 0, uj: 1 }, monotonic_ns());
    let (mode, group, boot_id) = (0o600, None, BOOT);
    let spec = PageSpec { folder, name: FINE, mode, group, steps, boot_id, began_ns, slots: SLOTS, domains: &domains };
    Ok(PageWriter::create(&spec)?)
}

/// Asks for the node by one connection; wall nanoseconds of one answer.
fn ask(client: &mut UnixStream) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..QUESTIONS {
        client.write_all(b"GET /api/v1/node HTTP/1.1\r\nhost: eco2\r\n\r\n")?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            let count = client.read(&mut buffer)?;
            if count == 0 {
                return Err("the agent closed the connection".into());
            }
            answer.extend_from_slice(&buffer[..count]);
        }
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(QUESTIONS))
}

/// Whether an answer has as many bytes as its head states.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

/// An agent on synthetic sensors, which ends with this value.
struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(eco2: &Path, folder: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(eco2);
        command.args(["serve", "--source", "synthetic", "--listen", "127.0.0.1:0", "--dir"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let agent = Self { child, socket: folder.join("eco2.sock") };
        let began = Instant::now();
        while !(folder.join(PUBLIC).exists() && agent.socket.exists()) {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("the agent does not publish".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(agent)
    }

    fn connect(&self) -> Result<UnixStream, Failure> {
        let client = UnixStream::connect(&self.socket)?;
        client.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(client)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
