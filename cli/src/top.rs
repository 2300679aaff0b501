//! Runs `eco2 top`: what the node agent shows, in a terminal. Without a terminal, one screen is printed.
//!
//! `agent_client` asks the agent, `node` turns its answer into a screen's values, `eco2_report` lays them out, and `screen` has the terminal.

mod node;
mod screen;

use std::time::{Duration, Instant};

use eco2::Unrelated;
use eco2::options::Layer;
use eco2_core::schema::Report;
use eco2_report::{TopFrame, TopView, top_lines, top_of_run};
use jiff::Zoned;

use self::node::Nodes;
use self::screen::{Key, Screen};
use crate::agent_client::{AgentClient, AgentPlace};
use crate::args::TopArgs;
use crate::{out, settings};

/// Time in which a stored run is shown as a whole.
const REPLAY: Duration = Duration::from_secs(60);
/// How often a stored run moves on.
const REPLAY_STEP: Duration = Duration::from_millis(250);
/// Parts of a stored run by which the arrows move.
const PARTS: u64 = 20;
/// Time after which an agent whose values do not change is not called live.
const STALE: Duration = Duration::from_secs(3);

/// Path of the node's newest values.
const NODE: &str = "/api/v1/node";
/// Where one screen is printed: how often, and after which time, the agent is asked again for the power of jobs.
const LOOKS: u32 = 8;
const LOOK: Duration = Duration::from_millis(300);
/// Most lines above the screen: more than any node has.
const MOST_SCROLLED: usize = 10_000;

/// Runs the command.
///
/// # Errors
/// If no agent runs or answers, for a run that is not found, and for a terminal that cannot be used.
pub(crate) fn top(args: &TopArgs) -> anyhow::Result<u8> {
    if let Some(run) = &args.replay {
        let report = eco2::read_whole(run, &settings::resolve(Layer::default())?, Unrelated::Refused)?;
        return show(&mut Stored { report, at_ns: 0, paused: false });
    }
    let place = match &args.url {
        Some(url) => AgentPlace::at_url(url, args.token_file.as_deref())?,
        None => AgentPlace::Folder(args.dir.clone()),
    };
    if args.json {
        out::data(&out::document(&AgentClient::connect(&place)?.ask("GET", NODE, None)?))?;
        return Ok(0);
    }
    show(&mut Live::new(place, args.interval))
}

/// What a screen shows.
trait Subject {
    /// Returns the values for the first screen; where it is not `updated`, those that would come later as well.
    ///
    /// # Errors
    /// If there is nothing to show.
    fn first(&mut self, updated: bool) -> anyhow::Result<TopFrame>;
    /// Returns the values for the next screen.
    fn next(&mut self) -> TopFrame;
    /// Time until they may change.
    fn wait(&self) -> Duration;
    /// Stops or goes on.
    fn pause(&mut self);
    /// Moves in time, where it can.
    fn seek(&mut self, _parts: i64) {}
}

/// Shows a subject until the user ends it; without a terminal once.
fn show(subject: &mut impl Subject) -> anyhow::Result<u8> {
    if !Screen::is_usable() {
        let lines = top_lines(&subject.first(false)?, &TopView::default(), &out::data_style(), None);
        out::page(&(lines.join("\n") + "\n"))?;
        return Ok(0);
    }
    // What cannot be shown at all is an error, not an empty screen.
    let mut frame = subject.first(true)?;
    let mut screen = Screen::open()?;
    let mut view = TopView::default();
    let mut due = Instant::now() + subject.wait();
    loop {
        let (rows, columns) = screen.size();
        let style = eco2_report::TextStyle { width: columns, ..out::data_style() };
        let lines = top_lines(&frame, &view, &style, Some(rows));
        screen.paint(&lines)?;
        match screen.key(due.saturating_duration_since(Instant::now()))? {
            Key::None => {}
            Key::Signal(number) => return Ok(128 + number),
            Key::Quit => return Ok(0),
            Key::Sort => view.order = view.order.next(),
            Key::Help => view.help = !view.help,
            Key::Pause => subject.pause(),
            Key::Scroll(lines) => view.scrolled = view.scrolled.saturating_add_signed(lines).min(MOST_SCROLLED),
            Key::Seek(parts) => {
                subject.seek(parts);
                due = Instant::now();
            }
        }
        if Instant::now() >= due {
            frame = subject.next();
            due = Instant::now() + subject.wait();
        }
    }
}

/// A node.
struct Live {
    place: AgentPlace,
    /// `None`: to be connected again.
    agent: Option<AgentClient>,
    interval: Duration,
    nodes: Nodes,
    frame: TopFrame,
    /// The number of the newest values, and when they came.
    seen: Option<(u64, Instant)>,
    paused: bool,
}

impl Live {
    fn new(place: AgentPlace, interval: Duration) -> Self {
        Self {
            place,
            agent: None,
            interval,
            nodes: Nodes::default(),
            frame: TopFrame::default(),
            seen: None,
            paused: false,
        }
    }

    /// Asks the agent once.
    fn ask(&mut self) -> anyhow::Result<()> {
        // The agent closes a connection on which it has waited for some seconds.
        let kept =
            self.agent.take().and_then(|mut agent| agent.ask("GET", NODE, None).ok().map(|found| (agent, found)));
        let (agent, document) = match kept {
            Some(kept) => kept,
            None => {
                let mut agent = AgentClient::connect(&self.place)?;
                let document = agent.ask("GET", NODE, None)?;
                (agent, document)
            }
        };
        self.agent = Some(agent);
        let number = document["sequence"].as_u64().unwrap_or(0);
        if self.seen.is_none_or(|(seen, _)| seen != number) {
            self.seen = Some((number, Instant::now()));
            self.frame = self.nodes.frame(&document);
        }
        Ok(())
    }
}

/// Returns the time of the day.
fn clock() -> String {
    Zoned::now().strftime("%H:%M:%S").to_string()
}

impl Subject for Live {
    fn first(&mut self, updated: bool) -> anyhow::Result<TopFrame> {
        self.ask()?;
        // The power of jobs is known from the second answer on.
        let lacks_power =
            |frame: &TopFrame| frame.uses.iter().any(|one| one.is_job && one.is_running && one.power_w.is_none());
        for _ in 0..LOOKS {
            if updated || !lacks_power(&self.frame) {
                break;
            }
            std::thread::sleep(LOOK);
            self.ask()?;
        }
        Ok(TopFrame { state: format!("live, {}", clock()), ..self.frame.clone() })
    }

    fn next(&mut self) -> TopFrame {
        if !self.paused && self.ask().is_err() {
            let age = self.seen.map_or(0, |(_, at)| at.elapsed().as_secs());
            let state = format!("no answer for {age} s, asking again");
            return TopFrame { state, is_stale: true, ..self.frame.clone() };
        }
        let age = self.seen.map_or(Duration::ZERO, |(_, at)| at.elapsed());
        let is_stale = !self.paused && age > STALE.max(self.interval * 3);
        let state = match (self.paused, is_stale) {
            (true, _) => "paused".to_owned(),
            (_, true) => format!("no new values for {} s", age.as_secs()),
            _ => format!("live, {}", clock()),
        };
        TopFrame { state, is_stale, ..self.frame.clone() }
    }

    fn wait(&self) -> Duration {
        self.interval
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
    }
}

/// A stored run.
struct Stored {
    report: Report,
    at_ns: u64,
    paused: bool,
}

impl Subject for Stored {
    /// A run that is printed once is shown at its end.
    fn first(&mut self, updated: bool) -> anyhow::Result<TopFrame> {
        Ok(top_of_run(&self.report, if updated { self.at_ns } else { u64::MAX }))
    }

    fn next(&mut self) -> TopFrame {
        if !self.paused {
            let steps = REPLAY.as_millis() / REPLAY_STEP.as_millis();
            let step_ns = self.report.run.duration_ns / u64::try_from(steps).unwrap_or(1).max(1);
            self.at_ns = self.at_ns.saturating_add(step_ns.max(1)).min(self.report.run.duration_ns);
        }
        top_of_run(&self.report, self.at_ns)
    }

    fn wait(&self) -> Duration {
        REPLAY_STEP
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
    }

    fn seek(&mut self, parts: i64) {
        let part_ns = self.report.run.duration_ns / PARTS;
        let by_ns = i64::try_from(part_ns).unwrap_or(i64::MAX).saturating_mul(parts);
        self.at_ns = self.at_ns.saturating_add_signed(by_ns).min(self.report.run.duration_ns);
    }
}
