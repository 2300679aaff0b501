//! The reader on an open device, with a function in place of the system call `ioctl`: it takes requests and hands out replies
//! in the kernel's own structures.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eco2_core::Fault;
use eco2_core::schema::Status;

use super::dcmi::tests::REPLY;
use super::device::{RECEIVE, Reply, Request, SEND};
use super::reader::IpmiReader;
use crate::clock::Clock;
use crate::slow::{SlowAnswer, SlowReader as _};

/// What the kernel does with a request.
#[derive(Debug, Clone)]
enum Kernel {
    /// Answers with these bytes.
    Answers(Vec<u8>),
    /// Hands out the reply of an earlier request first.
    AnswersLate(Vec<u8>),
    /// Refuses the request with this error.
    Fails(c_int),
}

#[derive(Default)]
struct Script {
    steps: VecDeque<Kernel>,
    /// Replies to hand out: number of the request, and bytes.
    replies: VecDeque<(c_long, Vec<u8>)>,
    /// Requests: network function, command, data, kind and channel of the address.
    requests: Vec<(u8, u8, Vec<u8>, c_int, i16)>,
}

thread_local! {
    static SCRIPT: RefCell<Script> = RefCell::default();
}

/// Plays the kernel: sends what the script has.
///
/// # Safety
/// As for `ioctl`: `argument` points to the structure of `number`.
unsafe fn scripted(_: c_int, number: c_ulong, argument: *mut c_void) -> c_int {
    let failed = |code: c_int| {
        // SAFETY: the location of this thread's `errno` is valid.
        unsafe { *libc::__errno_location() = code };
        -1
    };
    SCRIPT.with_borrow_mut(|script| match number {
        SEND => {
            // SAFETY: the caller's promise; address and data lie within what it points to.
            let (request, address, data) = unsafe {
                let request = &*argument.cast::<Request>();
                let bytes = usize::from(request.message.bytes);
                (request, &*request.address, std::slice::from_raw_parts(request.message.data, bytes).to_vec())
            };
            script.requests.push((
                request.message.net_fn,
                request.message.command,
                data,
                address.kind,
                address.channel,
            ));
            match script.steps.pop_front() {
                Some(Kernel::Answers(bytes)) => script.replies.push_back((request.id, bytes)),
                Some(Kernel::AnswersLate(bytes)) => {
                    script.replies.push_back((request.id - 1, vec![0xc3]));
                    script.replies.push_back((request.id, bytes));
                }
                Some(Kernel::Fails(code)) => return failed(code),
                None => return failed(libc::EIO),
            }
            0
        }
        RECEIVE => {
            let Some((id, bytes)) = script.replies.pop_front() else { return failed(libc::EAGAIN) };
            // SAFETY: the caller's promise; its buffer is as long as it states.
            unsafe {
                let reply = &mut *argument.cast::<Reply>();
                let room = usize::from(reply.message.bytes);
                let kept = bytes.len().min(room);
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), reply.message.data, kept);
                (reply.id, reply.message.bytes) = (id, kept as u16);
                if bytes.len() > room { failed(libc::EMSGSIZE) } else { 0 }
            }
        }
        _ => failed(libc::ENOTTY),
    })
}

/// A reader on a device that is always ready, with what the kernel will do.
fn reader(steps: impl IntoIterator<Item = Kernel>) -> IpmiReader {
    SCRIPT.set(Script { steps: steps.into_iter().collect(), ..Script::default() });
    IpmiReader::new("/dev/null".into(), scripted)
}

fn answers(bytes: &[u8]) -> Kernel {
    Kernel::Answers(bytes.to_vec())
}

/// The reply with this power and time stamp.
fn reply(watts: u16, stamp_s: u32) -> Kernel {
    let mut reply = REPLY;
    reply[2..4].copy_from_slice(&watts.to_le_bytes());
    reply[10..14].copy_from_slice(&stamp_s.to_le_bytes());
    answers(&reply)
}

fn values(answer: &SlowAnswer) -> (Vec<Result<u64, Fault>>, Status) {
    (answer.readings.iter().map(|(_, reading)| reading.value).collect(), answer.status.status)
}

#[test]
fn k08_the_power_of_a_bmc_is_requested_by_dcmi_and_read_as_the_machines_total() {
    let mut reader = reader([reply(294, 7), Kernel::AnswersLate(REPLY.to_vec())]);
    let first = reader.read(&Clock::Monotonic);
    assert_eq!(values(&first), (vec![Ok(294)], Status::Ok), "{:?}", first.status);
    let domain = &first.domains.as_ref().unwrap()[0];
    assert!(domain.is_host_total());
    assert_eq!((domain.source.as_str(), domain.scale.micro(294)), ("ipmi", 294_000_000));
    let second = reader.read(&Clock::Monotonic);
    assert_eq!(
        (values(&second).0, second.domains.is_none()),
        (vec![Ok(294)], true),
        "the late reply is not this one's"
    );
    let requests = SCRIPT.with_borrow(|script| script.requests.clone());
    assert_eq!(requests, vec![(0x2c, 0x02, vec![0xdc, 0x01, 0x00, 0x00], 0x0c, 0x0f); 2]);
}

#[test]
fn k08_a_busy_bmc_is_a_gap_with_longer_and_longer_waits_until_it_answers() {
    let busy = answers(&[0xc0]);
    let mut reader = reader([reply(294, 7), busy.clone(), busy.clone(), busy, reply(300, 9)]);
    reader.read(&Clock::Monotonic);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let answer = reader.read(&Clock::Monotonic);
        assert_eq!(values(&answer), (vec![Err(Fault::NotAvailable)], Status::Lost));
        assert!(answer.status.reason.contains("busy"), "{:?}", answer.status);
        waits.push(answer.wait.as_secs());
    }
    assert_eq!(waits, [2, 4, 8]);
    assert_eq!(values(&reader.read(&Clock::Monotonic)), (vec![Ok(300)], Status::Ok));
}

#[test]
fn k08_each_trouble_of_a_device_is_named_with_what_to_do() {
    let check = |kernel: Kernel, state: Status, reason: &str| {
        let answer = reader([kernel]).read(&Clock::Monotonic);
        assert_eq!((values(&answer), answer.domains.is_none()), ((vec![], state), true), "no domain before a value");
        assert!(answer.status.reason.contains(reason) && !answer.status.remedy.is_empty(), "{:?}", answer.status);
    };
    check(answers(&[0xc1]), Status::Absent, "no DCMI");
    check(answers(&[0xd4]), Status::Denied, "0xd4");
    check(answers(&[0x00, 0x00]), Status::Lost, "group 0x00");
    check(answers(&REPLY[..9]), Status::Lost, "9 bytes");
    check(reply(0, 7), Status::Lost, "0 W");
    let mut inactive = REPLY;
    inactive[18] = 0;
    check(answers(&inactive), Status::Lost, "does not measure power");
    check(Kernel::Fails(libc::ENOTTY), Status::Lost, "request failed");
    let long = [REPLY.to_vec(), vec![0; 100]].concat();
    assert_eq!(values(&reader([answers(&long)]).read(&Clock::Monotonic)).0, [Ok(294)], "the kernel cuts a long reply");
}

#[test]
fn a_device_that_is_not_there_is_absent_and_found_again_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ipmi0");
    SCRIPT.set(Script { steps: [reply(294, 7)].into(), ..Script::default() });
    let mut reader = IpmiReader::new(path.clone(), scripted);
    let absent = reader.read(&Clock::Monotonic);
    assert_eq!(values(&absent), (vec![], Status::Absent));
    assert!(absent.status.remedy.contains("modprobe"), "{:?}", absent.status);
    // A file is always ready to be read, as a device with a reply is.
    std::fs::write(&path, "").unwrap();
    let found = reader.read(&Clock::Monotonic);
    assert_eq!((values(&found).0, found.domains.unwrap()[0].id.as_str()), (vec![Ok(294)], "ipmi0"));
}

/// Time stamps advanced once, and then stay for more than 10 s.
#[test]
fn k08_a_value_whose_time_stamp_does_not_advance_is_stale_and_no_reading() {
    const S: u64 = 1_000_000_000;
    let now = Arc::new(AtomicU64::new(0));
    let read_at = |reader: &mut IpmiReader, second: u64| {
        now.store(second * S, Ordering::Relaxed);
        values(&reader.read(&Clock::Scripted(Arc::clone(&now)))).0
    };
    let mut stuck = reader([reply(294, 7), reply(294, 8), reply(294, 8), reply(294, 8), reply(294, 20)]);
    let seen: Vec<_> = [0, 1, 11, 12, 13].into_iter().map(|second| read_at(&mut stuck, second)).collect();
    assert_eq!(seen, [vec![Ok(294)], vec![Ok(294)], vec![Ok(294)], vec![Err(Fault::NotAvailable)], vec![Ok(294)]]);
    // Firmware that never sets it: constant power is no fault.
    let mut unset = reader([reply(294, 0), reply(294, 0), reply(294, 0)]);
    let seen: Vec<_> = [0, 60, 120].into_iter().map(|second| read_at(&mut unset, second)).collect();
    assert_eq!(seen, vec![vec![Ok(294)]; 3]);
}

/// The device is gone after the failure: only a reader that opens it again notices, and reads again when it is back.
#[test]
fn k08_after_a_failed_request_the_device_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ipmi0");
    std::fs::write(&path, "").unwrap();
    let steps = [reply(294, 7), reply(295, 8), Kernel::Fails(libc::EIO), reply(300, 9)];
    SCRIPT.set(Script { steps: steps.into(), ..Script::default() });
    let mut reader = IpmiReader::new(path.clone(), scripted);
    assert_eq!(values(&reader.read(&Clock::Monotonic)).0, [Ok(294)]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(values(&reader.read(&Clock::Monotonic)).0, [Ok(295)], "it is still open");
    let failed = reader.read(&Clock::Monotonic);
    assert_eq!(values(&failed), (vec![Err(Fault::Failed)], Status::Lost));
    assert!(failed.status.reason.contains("request failed"), "{:?}", failed.status);
    assert_eq!(values(&reader.read(&Clock::Monotonic)), (vec![Err(Fault::Gone)], Status::Absent));
    std::fs::write(&path, "").unwrap();
    assert_eq!(values(&reader.read(&Clock::Monotonic)), (vec![Ok(300)], Status::Ok));
}

#[test]
fn k08_a_bmc_that_does_not_answer_in_time_is_a_fault_and_is_asked_again() {
    let mut late = reader([reply(294, 7), reply(300, 9)]).waiting(Duration::ZERO);
    let hung = late.read(&Clock::Monotonic);
    assert_eq!((values(&hung), hung.wait.as_secs()), ((vec![], Status::Hung), 2), "no domain before a value");
    assert!(hung.status.reason.contains("did not answer"), "{:?}", hung.status);
    // The kernel drops the replies of a file that was closed.
    SCRIPT.with_borrow_mut(|script| script.replies.clear());
    let mut late = late.waiting(Duration::from_secs(5));
    assert_eq!(values(&late.read(&Clock::Monotonic)), (vec![Ok(300)], Status::Ok));
}
