//! The command as its users meet it: the real program, fake hardware, no GPU and no RAPL needed.

mod crash;
mod doctor;
mod errors;
mod help;
mod replay;
mod report;
mod rig;
mod run;
mod signals;
mod terminal;
