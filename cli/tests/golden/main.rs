//! Golden reports: what the command prints for fixed inputs, compared with files that are committed.
//!
//! A move of code must leave every file unchanged. A change of a result on purpose changes the file in the same commit,
//! with the reason in its message. `ECO2_GOLDEN=write cargo test -p eco2-cli --test golden` rewrites the files; that is
//! refused where `CI` is set. A field that a report gains is accepted without a rewrite only if [`check::ADDED`] lists it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set its stage has failed")]

mod check;
mod export;
mod live;
mod merge;
mod replay;
#[allow(dead_code, reason = "shared with the other tests of the command")]
#[path = "../cli/rig.rs"]
mod rig;
mod tape;
