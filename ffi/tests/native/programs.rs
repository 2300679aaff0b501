//! The C programs in tests/c, each with both libraries.

use crate::installed::passes;

#[test]
fn every_call_from_open_to_report() {
    passes("c/calls.c");
}

#[test]
fn sizes_and_offsets_are_those_of_the_header() {
    passes("c/layout.c");
}

#[test]
fn m39_every_misuse_is_a_status_that_names_the_argument() {
    passes("c/misuse.c");
}

#[test]
fn m39_no_panic_crosses_the_c_interface() {
    passes("c/fault.c");
}

#[test]
fn m29_a_forked_child_uses_nothing_of_its_parent_in_c() {
    passes("c/fork.c");
}

#[test]
fn f33_a_thousand_forks_while_sampling_cost_the_parent_nothing() {
    passes("c/forks.c");
}

#[test]
fn f39_reports_of_one_counter_are_merged_into_one_energy_in_c() {
    passes("c/merge.c");
}

#[test]
fn d17_plans_need_a_series_and_zones_answer_as_the_command_does_in_c() {
    passes("c/grid.c");
}
