//! Seals of run logs: every change of a sealed log is found, and other programs can check the signature.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eco2_core::schema::{EventRecord, Report, Run};
use eco2_report::{
    LogEncoder, LogFinding, LogMeta, SealKey, SealPublicKey, check_log, check_seal, seal_path, write_seal,
};

use super::check::{chained, split, with_checksum};
use super::small_log;

/// A folder with a key, and a sealed log.
struct Sealed {
    dir: tempfile::TempDir,
    key: SealKey,
    log: PathBuf,
    bytes: Vec<u8>,
}

impl Sealed {
    fn of(bytes: Vec<u8>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SealKey::generate(&dir.path().join("lab.key")).unwrap();
        let log = dir.path().join("run.eco2log");
        fs::write(&log, &bytes).unwrap();
        write_seal(&log, &check_log(&log).unwrap(), &key).unwrap();
        Self { dir, key, log, bytes }
    }

    /// What is found in another log with this seal; `None` if it is no log at all.
    fn findings_in(&self, bytes: &[u8]) -> Option<Vec<LogFinding>> {
        fs::write(&self.log, bytes).unwrap();
        let check = check_log(&self.log).ok()?;
        let seal = check_seal(&self.log, &check, Some(&self.key.public())).unwrap().unwrap();
        assert!(seal.is_checked);
        Some([check.findings, seal.findings].concat())
    }
}

fn other_run() -> Vec<u8> {
    let run = Run { id: "other".to_owned(), ..Run::default() };
    let mut encoder = LogEncoder::new(&LogMeta::new(run.clone(), 1_000)).unwrap();
    for at in 0..200 {
        let event = EventRecord { at, kind: "xid".into(), device: "GPU-0".into(), text: "79".into() };
        encoder.event(&event).unwrap();
    }
    encoder.finish(&Report { run, ..crate::fixture::bare() }).unwrap();
    encoder.take(Vec::new())
}

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

/// Links the frames of a log again, as a program without the key can.
fn linked_again(frames: Vec<Vec<u8>>) -> Vec<u8> {
    let cleared = frames.into_iter().map(|mut frame| {
        if frame[5] == 2 {
            frame[16..48].fill(0);
        }
        with_checksum(frame)
    });
    chained(cleared.collect::<Vec<_>>().concat())
}

/// Returns a changed log.
fn mutated(clean: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = clean.to_vec();
    let (frames, others) = (split(clean), split(other));
    let (at, frame, second) = (random.below(clean.len()), random.below(frames.len()), random.below(frames.len()));
    let mut changed = frames.clone();
    match random.below(10) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at),
        3 => bytes.extend(&clean[at..]),
        4 => {
            changed.remove(frame);
            bytes = changed.concat();
        }
        5 => {
            changed.insert(second, frames[frame].clone());
            bytes = changed.concat();
        }
        6 => {
            changed.swap(frame, second);
            bytes = changed.concat();
        }
        7 => bytes = [&frames[..frame], &others[random.below(others.len())..]].concat().concat(),
        8 => {
            // With the right checksum.
            let byte = random.below(frames[frame].len() - 16) + 16;
            changed[frame][byte] ^= 1 << random.below(8);
            changed[frame] = with_checksum(changed[frame].clone());
            bytes = changed.concat();
        }
        _ => {
            // With the right checksum and a new chain.
            if frame > 0 && random.below(2) == 0 {
                changed.remove(frame);
            } else if let Some(byte) = changed[frame].get_mut(50) {
                *byte ^= 1 << random.below(8);
            }
            bytes = linked_again(changed);
        }
    }
    bytes
}

#[test]
fn d34_every_mutation_of_a_sealed_log_is_found() {
    let count = std::env::var("ECO2_MUTATIONS").map_or(1_000, |text| text.parse().unwrap());
    let (clean, other) = (chained(small_log()), chained(other_run()));
    let sealed = [Sealed::of(clean.clone()), Sealed::of(other.clone())];
    for one in &sealed {
        assert_eq!(one.findings_in(&one.bytes), Some(Vec::new()), "the log itself is sound");
    }
    let (mut random, mut made, mut unreadable) = (Random(34), 0, 0);
    while made < count {
        let (one, of, with) = match made % 2 {
            0 => (&sealed[0], &clean, &other),
            _ => (&sealed[1], &other, &clean),
        };
        let bytes = mutated(of, with, &mut random);
        if bytes == *of {
            continue;
        }
        made += 1;
        match one.findings_in(&bytes) {
            Some(findings) => assert!(!findings.is_empty(), "mutation {made} is not found"),
            None => unreadable += 1,
        }
    }
    println!("{made} mutations of sealed logs, all found; {unreadable} of them left no whole frame");
}

#[test]
fn d34_replay_and_a_new_chain_are_found_with_their_place() {
    let sealed = Sealed::of(chained(other_run()));
    let replay = sealed.findings_in(&chained(small_log())).unwrap();
    assert!(replay.iter().any(|found| found.text.contains("sealed as `run other`")), "{replay:?}");
    let mut frames = split(&sealed.bytes);
    *frames[99].iter_mut().rfind(|byte| **byte == b'7').unwrap() = b'8';
    let findings = sealed.findings_in(&linked_again(frames)).unwrap();
    // The log has 204 frames, and a mark at every fourth.
    assert!(findings.iter().all(|found| (97..=100).contains(&found.frame) && found.offset > 0), "{findings:?}");
    let cut = split(&sealed.bytes)[..50].concat();
    let findings = sealed.findings_in(&cut).unwrap();
    assert_eq!((findings[0].frame, findings[0].offset > 0), (49, true), "{findings:?}");
}

#[test]
fn d34_seal_of_another_key_and_a_changed_seal_are_found() {
    let sealed = Sealed::of(chained(small_log()));
    let check = check_log(&sealed.log).unwrap();
    let other = SealKey::generate(&sealed.dir.path().join("other.key")).unwrap().public();
    let found = check_seal(&sealed.log, &check, Some(&other)).unwrap().unwrap();
    assert!(found.findings[0].text.contains("not signed by other+"), "{found:?}");
    let clean = fs::read(seal_path(&sealed.log)).unwrap();
    for at in 0..clean.len() {
        let mut bytes = clean.clone();
        bytes[at] ^= 1;
        fs::write(seal_path(&sealed.log), &bytes).unwrap();
        let found = check_seal(&sealed.log, &check, Some(&sealed.key.public())).unwrap().unwrap();
        assert!(!found.findings.is_empty(), "change at {at}");
    }
    fs::remove_file(seal_path(&sealed.log)).unwrap();
    assert_eq!(check_seal(&sealed.log, &check, None).unwrap(), None);
}

#[test]
fn key_is_private_new_and_read_back() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lab.key");
    let public = SealKey::generate(&path).unwrap().public();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(SealKey::generate(&path).is_err_and(|error| error.to_string().contains("exists")));
    assert_eq!(SealKey::read(&path).unwrap().public(), public);
    assert_eq!(SealPublicKey::parse(&public.text()).unwrap(), public);
    assert_eq!(public.name(), "lab");
    for mode in [0o640, 0o644, 0o660, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = SealKey::read(&path).map(drop).unwrap_err().to_string();
        assert!(error.contains("others can read") && error.contains("lab.key"), "{error}");
    }
    for wrong in ["", "lab", "lab+00000000+AAAA", "lab+xyz+AAAA", &public.text().replace("lab", "bar")] {
        assert!(SealPublicKey::parse(wrong).is_err(), "{wrong}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "no key").unwrap();
    assert!(SealKey::read(&path).map(drop).unwrap_err().to_string().contains("PRIVATE+KEY+"));
}

#[test]
fn public_key_of_the_specification_is_parsed() {
    // The example of c2sp.org/signed-note and golang.org/x/mod/sumdb/note.
    let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(SealPublicKey::parse(text).unwrap().text(), text);
}

#[test]
fn log_that_is_broken_or_may_grow_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let key = SealKey::generate(&dir.path().join("lab.key")).unwrap();
    let log = dir.path().join("run.eco2log");
    let mut frames = split(&chained(small_log()));
    frames.pop();
    frames.pop();
    fs::write(&log, frames.concat()).unwrap();
    let error = write_seal(&log, &check_log(&log).unwrap(), &key).unwrap_err().to_string();
    assert!(error.contains("may still be going on"), "{error}");
    frames.remove(2);
    fs::write(&log, frames.concat()).unwrap();
    let error = write_seal(&log, &check_log(&log).unwrap(), &key).unwrap_err().to_string();
    assert!(error.contains("broken"), "{error}");
}

#[test]
fn openssl_checks_the_signature() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: openssl is not on PATH");
        return;
    }
    let sealed = Sealed::of(chained(small_log()));
    let note = fs::read_to_string(seal_path(&sealed.log)).unwrap();
    let (text, signature) = note.rsplit_once("\n\n").unwrap();
    let signature = STANDARD.decode(signature.trim().rsplit_once(' ').unwrap().1).unwrap();
    let public = STANDARD.decode(sealed.key.public().text().splitn(3, '+').nth(2).unwrap()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = sealed.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    // SubjectPublicKeyInfo of Ed25519, RFC 8410.
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &public[1..]].concat();
    let (key, signature) = (put("key.der", &der), put("signature", &signature[4..]));
    let verified = |text: &Path| {
        let mut command = Command::new("openssl");
        command.args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]);
        command.arg("-inkey").arg(&key).arg("-sigfile").arg(&signature).arg("-in").arg(text);
        command.output().unwrap().status.success()
    };
    assert!(verified(&put("text", format!("{text}\n").as_bytes())));
    assert!(!verified(&put("changed", text.as_bytes())));
}
