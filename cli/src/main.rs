//! Starts the command `eco2`, which measures the energy use and emissions of a command, and shows, compares and plans
//! runs.
//!
//! This crate parses flags, forwards signals and writes to the terminal. Measuring, computing and rendering is done by
//! the libraries. Each command returns the exit code of the process.

#![forbid(unsafe_code)]

#[cfg(feature = "serve")]
mod agent_client;
mod args;
mod check_budget;
mod clock_zone;
mod compare;
mod config;
mod demo;
mod doctor;
#[cfg(feature = "parquet")]
mod export;
mod failure;
mod grid;
#[cfg(feature = "serve")]
mod job;
mod live;
mod manual;
mod merge;
mod optimize;
mod out;
mod pdf;
mod plan;
mod replay;
mod report;
mod run;
mod runs;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod sink;
mod summary;
#[cfg(feature = "serve")]
mod top;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use args::Command;

/// Parses the command line, runs the command, and exits with its code.
fn main() -> ExitCode {
    out::obey_force_color();
    let words: Vec<OsString> = std::env::args_os().collect();
    let code = match args::parse(&words) {
        Ok(Command::Run(run)) => run::run(&run),
        Ok(other) => failure::code(perform(&other)),
        Err(refusal) => failure::print_clap(&refusal, &words),
    };
    ExitCode::from(code)
}

/// Runs a command and returns its exit code.
fn perform(command: &Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(run) => Ok(run::run(run)),
        Command::Demo(demo) => demo::demo(demo),
        Command::Doctor(doctor) => doctor::doctor(doctor),
        Command::Replay(replay) => replay::replay(replay),
        Command::Runs(list) => runs::runs(list),
        Command::Show(show) => runs::show(show),
        Command::Report(report) => report::report(report),
        Command::Compare(compare) => compare::compare(compare),
        Command::Merge(merge) => merge::merge(merge),
        #[cfg(feature = "parquet")]
        Command::Export(export) => export::export(export),
        Command::CheckBudget(budget) => check_budget::check_budget(budget),
        Command::Grid(grid) => grid::grid(grid),
        Command::Verify(verify) => verify::verify(verify),
        Command::Plan(plan) => plan::plan(plan),
        Command::Optimize(optimize) => optimize::optimize(optimize),
        Command::Config(config) => config::config(config),
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::man(man),
        #[cfg(feature = "serve")]
        Command::Job(job) => job::job(job),
        #[cfg(feature = "serve")]
        Command::Serve(serve) => serve::serve(serve),
        #[cfg(feature = "serve")]
        Command::Top(top) => top::top(top),
    }
}
