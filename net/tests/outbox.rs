//! An outbox whose server is away, slow, refuses or dies, and whose process is killed: nothing is lost, and nothing sent twice.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod stub;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use std::time::Duration;

use eco2_net::{Auth, Clock as _, Http, Limits, Message, NetError, Outbox, ScriptedClock, SystemClock};
use stub::{Answer, Stub};

const MIB: u64 = 1 << 20;
/// Interval of the messages.
const TICK: Duration = Duration::from_secs(10);
/// Variable with the folder, for the process that is killed.
const FOLDER: &str = "TEST_OUTBOX_FOLDER";
/// Variable with the address of the server.
const SERVER: &str = "TEST_OUTBOX_SERVER";

/// Held while a process is started: between fork and exec it has the files of this one, and the lock of any folder that is sent.
static STARTS: RwLock<()> = RwLock::new(());

/// Keeps processes from being started while a test looks at locks.
fn no_starts() -> RwLockReadGuard<'static, ()> {
    STARTS.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn message(number: usize) -> Message {
    Message::post("/write", "text/plain", format!("n={number};").into_bytes())
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("n={number};")).collect()
}

/// Sends what waits to a server that takes everything; returns the bodies.
fn rest(outbox: &mut Outbox) -> Vec<String> {
    let (clock, mut all) = (ScriptedClock::default(), Vec::new());
    clock.sleep(Duration::from_secs(10_000));
    let until = clock.now() + Duration::from_secs(600);
    outbox.send(&clock, until, |message| {
        all.push(body(message));
        Ok(())
    });
    all
}

#[test]
fn server_that_is_down_for_ten_minutes_gets_every_message_once_and_in_order() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let (clock, mut taken, mut attempts) = (ScriptedClock::default(), Vec::new(), 0);
    let mut outbox = Outbox::new(folder.path(), MIB);
    for tick in 0..100 {
        assert_eq!(outbox.put(message(tick)).dropped, 0);
        let until = TICK * (tick as u32 + 1);
        outbox.send(&clock, until, |message| {
            attempts += 1;
            let is_down = (100..700).contains(&clock.now().as_secs());
            if is_down {
                return Err(NetError::Unreachable);
            }
            taken.push(body(message));
            Ok(())
        });
        if tick == 40 {
            // The process is started again while the server is down.
            outbox = Outbox::new(folder.path(), MIB);
        }
        clock.sleep(until.saturating_sub(clock.now()));
    }
    assert_eq!(taken, numbers(0..100));
    assert_eq!(outbox.waiting(), 0);
    assert!(attempts < 140, "{attempts} attempts: the waits grow");
}

#[test]
fn server_that_is_there_again_gets_its_messages_a_minute_later_at_most() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let (mut clock, mut taken_at) = (ScriptedClock::default(), Vec::new());
    clock.fraction = 0.999;
    let mut outbox = Outbox::new(folder.path(), MIB);
    outbox.put(message(0));
    let is_down_until = Duration::from_secs(600);
    while clock.now() < is_down_until + 2 * TICK * 6 {
        let until = clock.now() + TICK;
        outbox.send(&clock, until, |_| {
            let is_down = clock.now() < is_down_until;
            if is_down {
                return Err(NetError::Unreachable);
            }
            taken_at.push(clock.now());
            Ok(())
        });
        clock.sleep(until.saturating_sub(clock.now()));
    }
    assert_eq!(taken_at.len(), 1);
    assert!(taken_at[0] - is_down_until <= Duration::from_secs(60) + TICK, "{taken_at:?}");
}

#[test]
fn refused_content_is_dropped_and_any_other_error_keeps_the_message() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::new(folder.path(), MIB);
    for error in [400, 404, 413, 422].map(NetError::Status) {
        outbox.put(message(1));
        let sent = outbox.send(&ScriptedClock::default(), TICK, |_| Err(error.clone()));
        assert_eq!((sent.refused, sent.waiting, sent.fault), (1, 0, Some(error)));
    }
    outbox.put(message(2));
    let (busy, seconds) = (NetError::TooOften { retry_after_s: Some(30) }, Duration::from_secs);
    let keeping = [
        NetError::Status(408),
        NetError::Status(500),
        NetError::Status(503),
        NetError::NotAvailable { retry_after_s: 30 },
        NetError::Refused(401),
        NetError::Refused(403),
        NetError::Redirect,
        NetError::Timeout,
        NetError::Tls,
        NetError::NotHttp,
    ];
    for error in keeping {
        let sent = Outbox::new(folder.path(), MIB).send(&ScriptedClock::default(), TICK, |_| Err(error.clone()));
        assert_eq!((sent.sent, sent.refused, sent.waiting, sent.fault), (0, 0, 1, Some(error)));
    }
    // The wait that the server asks for is kept, over several calls.
    for busy in [busy, NetError::NotAvailable { retry_after_s: 30 }] {
        outbox.put(message(3));
        let (clock, mut times) = (ScriptedClock::default(), Vec::new());
        for tick in 1..=5 {
            outbox.send(&clock, TICK * tick, |_| {
                times.push(clock.now());
                if times.len() == 1 { Err(busy.clone()) } else { Ok(()) }
            });
            clock.sleep((TICK * tick).saturating_sub(clock.now()));
        }
        assert_eq!((times[0], times[1]), (seconds(0), seconds(30)), "{busy}");
    }
}

#[test]
fn limit_on_bytes_drops_the_oldest_and_counts_them() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::new(folder.path(), 3 * 4096);
    let dropped: u64 = (0..10).map(|number| outbox.put(message(number)).dropped).sum();
    assert_eq!((dropped, outbox.waiting()), (7, 3), "each counts as a block of 4096 bytes");
    assert_eq!(rest(&mut outbox), numbers(7..10));
}

#[test]
fn damaged_file_is_dropped_and_foreign_files_are_left_alone() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::new(folder.path(), MIB);
    (0..3).for_each(|number| drop(outbox.put(message(number))));
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let mut paths: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "message"));
    paths.sort();
    std::fs::write(&paths[1], "").unwrap();
    let (mut taken, clock) = (Vec::new(), ScriptedClock::default());
    let sent = outbox.send(&clock, TICK, |message| {
        taken.push(body(message));
        Ok(())
    });
    assert_eq!((sent.sent, sent.damaged, sent.waiting), (2, 1, 0));
    assert_eq!(taken, ["n=0;", "n=2;"]);
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
fn messages_that_cannot_be_written_are_kept_in_memory_and_sent_after_the_others() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = Outbox::new(&path, 20);
    assert!(outbox.put(message(0)).fault.is_none());
    // What is in the way of a file is what a full disk is: no write succeeds.
    std::fs::rename(&path, folder.path().join("aside")).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(outbox.put(message(1)).fault.is_some());
    let dropped: u64 = (2..10).map(|number| outbox.put(message(number)).dropped).sum();
    assert_eq!(dropped, 4, "20 bytes have room for five of four bytes");
    std::fs::remove_file(&path).unwrap();
    std::fs::rename(folder.path().join("aside"), &path).unwrap();
    assert_eq!(rest(&mut outbox), ["n=0;", "n=5;", "n=6;", "n=7;", "n=8;", "n=9;"]);
}

#[test]
fn one_process_sends_at_a_time() {
    let _no_starts = no_starts();
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (Outbox::new(folder.path(), MIB), Outbox::new(folder.path(), MIB));
    one.put(message(1));
    let clock = ScriptedClock::default();
    let sent = one.send(&clock, TICK, |_| {
        let meanwhile = other.send(&ScriptedClock::default(), TICK, |_| Ok(()));
        assert!(meanwhile.is_busy && meanwhile.sent == 0);
        Ok(())
    });
    assert_eq!(sent.sent, 1);
    // A folder in which no lock can be made: the server is reached all the same.
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mut blocked = Outbox::new(&path, MIB);
    assert!(blocked.put(message(2)).fault.is_some());
    let sent = blocked.send(&ScriptedClock::default(), TICK, |_| Ok(()));
    assert_eq!((sent.sent, sent.waiting, sent.is_busy), (1, 0, false));
    let none = Outbox::new(&folder.path().join("none"), MIB).send(&clock, TICK, |_| Ok(()));
    assert!(!none.is_busy && none.waiting == 0, "no folder, no messages");
}

fn client(server: &str) -> Http {
    Http::new(server, Limits { timeout: Duration::from_millis(300), ..Limits::default() }).unwrap()
}

#[test]
fn server_that_answers_slowly_or_dies_in_the_middle_gets_the_message_again() {
    let _no_starts = no_starts();
    let answers = Mutex::new(vec![Answer::Noise, Answer::Closed, Answer::Silence, Answer::status(503)]);
    let stub = Stub::new(move |_| answers.lock().unwrap().pop().unwrap_or(Answer::status(204)));
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::new(folder.path(), MIB);
    outbox.put(message(1).header("x-test", "1"));
    let http = client(&stub.base);
    let sent =
        outbox.send(&ScriptedClock::default(), Duration::from_secs(60), |message| http.deliver(message, Auth::None));
    assert_eq!((sent.sent, sent.waiting), (1, 0));
    assert_eq!(*stub.bodies.lock().unwrap(), vec!["n=1;"; 5]);
    let heads = stub.seen.lock().unwrap();
    assert!(
        heads.iter().all(|head| head.starts_with("POST /write HTTP/1.1") && head.contains("x-test: 1")),
        "{heads:?}"
    );
}

/// The process that is killed: puts and sends messages until then. Does nothing in a usual run of the tests.
#[test]
fn process_that_is_killed() {
    let (Some(folder), Ok(server)) = (std::env::var_os(FOLDER), std::env::var(SERVER)) else { return };
    let (clock, http) = (SystemClock::default(), client(&server));
    let mut outbox = Outbox::new(Path::new(&folder), 64 * MIB);
    for number in 0.. {
        // The file of a number is there only once the message is stored.
        let name = format!("{}-{number}", std::process::id());
        let body = format!("{name};").into_bytes();
        assert!(outbox.put(Message::post("/write", "text/plain", body)).fault.is_none());
        std::fs::write(Path::new(&folder).join("stored").join(name), "").unwrap();
        outbox.send(&clock, clock.now() + Duration::from_millis(20), |message| http.deliver(message, Auth::None));
    }
}

#[test]
fn killed_processes_lose_nothing_and_send_at_most_one_message_twice_per_kill() {
    const KILLS: u64 = 25;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("stored")).unwrap();
    let requests = Arc::new(Mutex::new(0));
    let stub = Stub::new(move |_| {
        let mut requests = requests.lock().unwrap();
        *requests += 1;
        if *requests % 7 == 0 { Answer::status(503) } else { Answer::status(200) }
    });
    for kill in 0..KILLS {
        let starting = STARTS.write();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process_that_is_killed"])
            .env(FOLDER, folder.path())
            .env(SERVER, &stub.base)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        drop(starting);
        std::thread::sleep(Duration::from_millis(40 + kill * 7));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut outbox = Outbox::new(folder.path(), 64 * MIB);
    let (clock, http) = (ScriptedClock::default(), client(&stub.base));
    let sent = outbox.send(&clock, Duration::from_secs(1_000_000), |message| http.deliver(message, Auth::None));
    assert_eq!((sent.waiting, sent.damaged), (0, 0));
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for body in &*stub.bodies.lock().unwrap() {
        *taken.entry(body.trim_end_matches(';').to_owned()).or_default() += 1;
    }
    let stored = std::fs::read_dir(folder.path().join("stored")).unwrap();
    let stored: Vec<String> = stored.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(stored.len() > 20, "{} stored", stored.len());
    let lost: Vec<&String> = stored.iter().filter(|name| !taken.contains_key(*name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // A body arrives again after a 503, too.
    let refused = taken.values().sum::<u64>() / 7;
    let again: u64 = taken.values().map(|times| times - 1).sum();
    assert!(again <= refused + KILLS, "{again} again, {refused} after a refusal");
}
