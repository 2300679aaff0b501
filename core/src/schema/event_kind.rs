//! The catalogue of event kinds: each kind's text in reports, what happened, and what to do.
//!
//! An *event* is something that happened during a run, a merge or a pricing. [`EventRecord`](super::EventRecord) holds its
//! kind as text, so that reports of other versions can be read; [`EventKind`] lists the kinds that this version creates.
//! An *alert* is a kind of which listeners and webhooks are notified; its row is marked `alert`.
//!
//! The texts are for users: `scripts/options` writes `docs/events.md` from them. They use these words. A *source* is an
//! interface that eco2 reads, such as NVML or RAPL. A *segment* is a counter's time between two resets or gaps. A *span*
//! is a named part of the run. A *rank* is one process of a distributed training, an *attempt* one start of it, and a
//! *record* the report of one process.

use std::fmt;

/// Declares [`EventKind`] from groups of rows. A row has the variant, its text in reports, `alert` if listeners are
/// notified, what happened, and what a user can do.
macro_rules! catalogue {
    (@is_alert alert) => { true };
    (@is_alert) => { false };
    ($($heading:literal { $($variant:ident $name:literal $($alert:ident)? $meaning:literal $action:literal)+ })+) => {
        /// What happened. The text of a kind never changes.
        ///
        /// ```
        /// use eco2_core::schema::EventKind;
        ///
        /// assert_eq!(EventKind::GpuLost.name(), "gpu-lost");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[doc = $meaning] $variant,)+)+
        }

        impl EventKind {
            /// Every kind, by group.
            pub const ALL: &[Self] = &[$($(Self::$variant,)+)+];

            const fn row(self) -> Row {
                match self {
                    $($(Self::$variant => {
                        Row {
                            heading: $heading,
                            name: $name,
                            is_alert: catalogue!(@is_alert $($alert)?),
                            meaning: $meaning,
                            action: $action,
                        }
                    })+)+
                }
            }
        }
    };
}

/// One row of the catalogue; the fields are documented at the methods of [`EventKind`] that return them.
struct Row {
    heading: &'static str,
    name: &'static str,
    is_alert: bool,
    meaning: &'static str,
    action: &'static str,
}

catalogue! {
    "Run" {
        Stalled "stalled" alert
            "No step ended for several times the usual length of a step."
            "Look at what the run waits for: data, a checkpoint, another rank."
        Suspend "suspend"
            "The machine slept during the run. The energy of that time is a gap."
            "Nothing; keep the machine awake (`systemd-inhibit`) for a run without this gap."
        ClockStep "clock-step"
            "The wall clock was set during the run. Durations and energy do not depend on it."
            "Nothing; the times of the run follow the clock as it was at the start."
        ClockFarOff "clock-far-off"
            "The wall clock shows a year that cannot be right, so the times in the report are wrong."
            "Set the clock of the machine (`timedatectl`)."
        LabelsContradict "labels-contradict"
            "Two launchers state different ranks or numbers of ranks in the environment."
            "Remove the variables of the launcher that does not start this run."
        OptionRefused "option-refused"
            "An option was ignored because a file of this trust level may not set it."
            "Set it with its flag, its variable or the user's own configuration file."
        SpansUnmatched "spans-unmatched"
            "Spans ended that had not begun on the same thread. They are in no value."
            "Begin and end each span on one thread."
        SpansSettledEarly "spans-settled-early"
            "Too many spans waited for the next update of a counter, so some have no upper bound."
            "Record fewer spans per second."
        EventsDropped "events-dropped"
            "More events happened than a report keeps. The text states how many are missing."
            "Look at the kinds that repeat."
    }
    "Log, trace and sampling" {
        LogFailed "log-failed"
            "The log of the run could not be opened or written. The run itself is measured."
            "Check space and permissions of the folder of runs; the text names the file."
        TraceFailed "trace-failed"
            "The trace could not be written in full."
            "Check space and permissions of the file."
        RunsFolderLarge "runs-folder-large"
            "The logs of earlier runs take much space."
            "Delete the runs that are not needed; eco2 deletes none."
        Pace "pace"
            "Sampling became slower or faster to keep its CPU time below the limit, or did not keep it."
            "Nothing; raise `max_overhead_percent` for shorter intervals."
        SamplerHung "sampler-hung"
            "A source did not return at the end, so the run ends with the readings before."
            "Look at the kernel log (`dmesg`) for the device that does not answer."
        SamplerPanicked "sampler-panicked"
            "A fault in eco2 ended sampling early. Nothing was read from then on."
            "Report the fault with the text of the event."
    }
    "Node agent" {
        EnergyHeld "energy-held"
            "The energy of a device was corrected to less than was published. What was published stays until the truth has passed it."
            "Nothing; the events before it name the cause."
        DomainsLeftOut "domains-left-out"
            "The machine has more sensors than the node agent accounts for. The total is at least what is shown."
            "Name the sources that are needed with `--source`."
    }
    "Budget and alerts" {
        BudgetWarn "budget-warn" alert
            "A limit is nearly reached, or may already be reached within the bounds."
            "See `eco2 check-budget`; the text names the limit."
        BudgetPause "budget-pause" alert
            "A limit is reached, and its policy is to pause."
            "Pause the work, or raise the limit."
        BudgetStop "budget-stop" alert
            "A limit is reached, and its policy is to stop."
            "Stop the work, or raise the limit."
        Co2Rate "co2-rate" alert
            "The emissions per hour since the start are above their limit."
            "Lower the load, or raise the limit."
        EnergyRate "energy-rate" alert
            "The energy per hour since the start is above its limit."
            "Lower the load, or raise the limit."
        CostRate "cost-rate" alert
            "The cost per hour since the start is above its limit."
            "Lower the load, or raise the limit."
        WebhookFailed "webhook-failed"
            "An alert was not delivered to the webhook."
            "Check the address and the network; the report holds every event."
        EmailFailed "email-failed"
            "An alert was not sent by e-mail."
            "Check the server, the address and the password; the report holds every event."
        PushFailed "push-failed"
            "Metrics did not reach a place that the option `push` names. The text states how many requests are affected."
            "Check the address, the token and the network; what waits is sent by the next push to the same place."
        AlertsDropped "alerts-dropped"
            "Alerts came faster than they could be delivered. The text states how many are missing."
            "Nothing; the report holds the events."
    }
    "Counters and sensors" {
        Reset "reset"
            "A counter was reset. The energy since its last update before that is not known."
            "Nothing; if it repeats, look for driver reloads in the kernel log."
        WrapAmbiguous "wrap-ambiguous"
            "Too much time passed between two readings of a counter: it may have wrapped twice. Its energy is a lower bound."
            "Shorten the sampling interval."
        Implausible "implausible"
            "A reading was beyond what the device can draw. It was not counted."
            "Nothing; if it repeats, compare the device with another tool."
        RangeExceeded "range-exceeded"
            "A counter showed more than its stated range, so the range is not used."
            "Nothing; a later fall of the counter is taken as a reset."
        CeilingExceeded "ceiling-exceeded"
            "A device drew more than its stated limit, so bounds do not use the limit."
            "Nothing."
        Frozen "frozen" alert
            "A counter stopped changing while updates were due."
            "Look at the kernel log for the device; if another sensor is present, it takes over."
        SensorReplaced "sensor-replaced"
            "A sensor stopped working. Another sensor or an estimate counts from its last update on."
            "Look at the kernel log for the device."
        SensorReturned "sensor-returned"
            "A sensor works again and counts from here on."
            "Nothing."
        CounterUnsupported "counter-unsupported"
            "A counter did not move for a second under load: the hardware does not fill it in."
            "Nothing; another sensor or an estimate is used."
        CounterDead "counter-dead"
            "A counter never moved during the run. An estimate or another sensor is used."
            "Run `eco2 doctor` for the sensors of this machine."
        CounterDisagrees "counter-disagrees"
            "The counter and the integrated power of a device differ by more than their errors explain."
            "Take the bounds, which include both where they contradict each other."
        SelfTestFailed "self-test-failed"
            "A counter failed the last self-test on this machine. Another sensor or an estimate is used if there is one."
            "Run `eco2 doctor --self-test` to test it again."
        SelfTestUnreadable "self-test-unreadable"
            "The stored result of the self-test could not be read. It is ignored."
            "Run `eco2 doctor`, which writes it again."
        SensorFileGone "zone-gone"
            "The file of a sensor is no longer there. It is tried again."
            "Check that the kernel module is still loaded."
        SensorFileBack "zone-back"
            "The file of a sensor can be read again. A new segment begins."
            "Nothing."
        RaplZoneSkipped "zone-skipped"
            "A RAPL zone has an unknown name or is not trusted on this CPU. It is not used."
            "Nothing."
        RaplZoneRefused "zone-refused"
            "A RAPL zone states no valid range, so it is not read."
            "Update the kernel."
        EventSkipped "event-skipped"
            "A RAPL event of the kernel's perf interface is not used."
            "Nothing."
        SensorSkipped "sensor-skipped"
            "Power sensors were found whose place in the machine is not known. They are not used."
            "Nothing."
        EnergyFiltering "energy-filtering"
            "The CPU adds noise to its energy counters (SGX is on), so short spans are less exact."
            "Disable SGX in the firmware if nothing uses it."
        UnitCorrected "unit-corrected"
            "The kernel states the memory energy of this CPU in a wrong unit. It was corrected."
            "Update to Linux 6.1 or later."
        UnitUncertain "unit-uncertain"
            "The kernel may state a quarter of the memory energy of this CPU."
            "Update to Linux 6.1 or later."
        CpuMoved "cpu-moved"
            "The CPU on which a counter was read went offline. It is read on another one; a new segment begins."
            "Nothing."
    }
    "GPUs" {
        Hot "hot" alert
            "A GPU reached its highest temperature or slowed down because of it."
            "Check the cooling, or lower the power limit."
        Xid "xid" alert
            "The NVIDIA driver reported an error (XID) of a GPU."
            "Look up the number in NVIDIA's list of XID errors."
        GpuLost "gpu-lost" alert
            "A GPU fell off the bus. Its energy ends here."
            "Reset the GPU or reboot; look at the kernel log."
        GpuGone "gpu-gone"
            "The driver does not list a GPU any more. Its energy ends here."
            "Check that no other program removed the GPU."
        GpuBack "gpu-back"
            "A GPU answers again. Its energy counts from here on."
            "Nothing."
        GpuNew "gpu-new"
            "A GPU was added during the run."
            "Nothing."
        GpuReadFailed "gpu-read-failed"
            "A reading of a GPU failed or was not plausible. It was left out, as are later ones."
            "Nothing; look at the coverage of the device."
        SamplesOverrun "samples-overrun"
            "The driver overwrote power samples before they were read."
            "Give the sampling thread CPU time, or shorten the sampling interval."
        PowerAveraged "power-averaged"
            "The power of this GPU is a mean of the last second. Readings are moved back by half of that."
            "Nothing."
        PowerDuty "power-duty"
            "The power sensor of this GPU measures during a quarter of the time."
            "Nothing; take the bounds of short spans."
        Mig "mig"
            "The GPU is divided into MIG devices. The energy is that of the whole board."
            "Nothing."
        NvmlGone "nvml-gone"
            "The NVIDIA driver stopped answering. It is tried again."
            "Check that the driver is loaded."
        NvmlBack "nvml-back"
            "The NVIDIA driver answers again."
            "Nothing."
    }
    "Sources" {
        SourceHung "source-hung" alert
            "A call into a source did not return in time. The other sources are read on."
            "Look at the kernel log for the device; reset it or reboot."
        SourceBack "source-back"
            "A call that had not returned in time returned. The source is read on."
            "Nothing."
        SourceLate "source-late"
            "A source answered after the run had begun. Its energy is known from then on."
            "Start the driver before the run (`nvidia-smi -pm 1`)."
        SourceStopped "source-stopped"
            "The thread of a source ended. The source is not read any more."
            "Report the fault with the text of the event."
        SourceNotStarted "source-not-started"
            "No thread could be started for a source."
            "Raise the limit of processes (`ulimit -u`)."
        SourcePanicked "source-panicked"
            "A source panicked. It is not read any more; the others are."
            "Report this fault to the author of the source."
        SourceNote "source-note"
            "A source that the program itself added reports something."
            "Read the text of the event."
    }
    "Carbon and prices" {
        Intensity "intensity"
            "The text states which providers gave the carbon intensity, and for how much of the energy."
            "Nothing."
        IntensityFallback "intensity-fallback"
            "Part of the energy has no value of the requested provider. The text states which source replaced it."
            "Check the provider, or run `eco2 report RUN` later to price it again."
        IntensityFault "intensity-fault"
            "A provider of carbon intensity failed."
            "The text states why; check key, zone and network."
        IntensityOld "intensity-old"
            "The carbon intensity of the zone is several years old."
            "Give a newer one with `--intensity`."
        GridZoneNotFound "zone-not-found"
            "The zone could not be found from the location of the machine."
            "Set it with `--zone`."
        GridZoneNote "zone-note"
            "The name of the zone has a second meaning, or its value has a restriction."
            "Read the text; write the zone's code, such as `US-GA`."
        KindsDiffer "kinds-differ"
            "Parts are priced with intensities of different kinds, which have no sum. The grams of the whole are not known."
            "Price all parts with one kind: `eco2 report RUN --zone ZONE`."
        CurrenciesDiffer "currencies-differ"
            "Parts have costs in different currencies. The cost of the whole is not known."
            "Price all parts in one currency."
        NotFinite "not-finite"
            "A value was not a finite number. It was left out of the output."
            "The text names the value; check the numbers that the program passed in."
    }
    "Merged reports" {
        RanksMissing "ranks-missing"
            "Some ranks have no record."
            "Merge their records too; the text lists the ranks."
        WorldSizeChanged "world-size-changed"
            "The number of ranks changed between two attempts."
            "Nothing, if the run was restarted with another number of machines."
        RunIdsDiffer "run-ids-differ"
            "Records of several runs were merged."
            "Check that they belong together."
        StartsUncounted "starts-uncounted"
            "One process started several runs under one id."
            "Set a run id for each if they are separate trainings."
        OneMachine "one-machine"
            "Several node names are one machine. Its counters count once."
            "Nothing."
        HostNameShared "host-name-shared"
            "Several machines have one host name. Their boot ids separate them."
            "Nothing; give the machines different names to read reports more easily."
        CounterContradicts "counter-contradicts"
            "Two records have values for one counter that cannot both be right."
            "If copies of a virtual machine share a boot id, merge their records separately."
        BootUnknown "boot-unknown"
            "Records do not state the boot of their machine, so shared energy may count twice."
            "Merge at most one such record per machine."
        IntensityDiffers "intensity-differs"
            "Records of one machine use different carbon intensities. That of the longest record was used."
            "Set one zone or one series for all ranks."
        Overhead "overhead"
            "Energy was used outside the attempts (start, pauses, end). It is in no total."
            "Nothing."
        Unpriced "unpriced"
            "The records of a machine have no carbon, so the merged report has none."
            "Price the merged report with `eco2 report`."
        RecordUnreadable "record-unreadable"
            "A record could not be read. It was left out."
            "Check the file that the text names."
        TermsDiffer "terms-differ"
            "Prices or factors differ between the parts, so what depends on them was left out."
            "Set the same options for all parts."
    }
}

impl EventKind {
    /// Returns its text in reports, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the kind with this text; `None` for a kind of another version.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns what happened, in a sentence or two.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Returns what a user can do about it.
    #[must_use]
    pub const fn action(self) -> &'static str {
        self.row().action
    }

    /// Returns the heading of its group in the documentation.
    #[must_use]
    pub const fn group(self) -> &'static str {
        self.row().heading
    }

    /// Whether listeners and webhooks are notified when it happens; other kinds are only in the report.
    #[must_use]
    pub const fn is_alert(self) -> bool {
        self.row().is_alert
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::EventKind;
    use crate::schema::EventRecord;

    #[test]
    fn names_are_unique_words_with_hyphens() {
        let names: BTreeSet<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), EventKind::ALL.len());
        let is_word = |name: &&str| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        };
        assert!(names.iter().all(is_word), "{names:?}");
    }

    #[test]
    fn every_kind_is_described_in_sentences() {
        for kind in EventKind::ALL {
            for text in [kind.meaning(), kind.action()] {
                assert!(text.ends_with('.') && !text.contains(['|', '\n']), "{kind}: {text}");
            }
        }
    }

    #[test]
    fn event_of_another_version_keeps_its_kind() {
        let stored = r#"{"at":7,"kind":"kind-of-a-later-version","device":"","text":"t"}"#;
        let event: EventRecord = serde_json::from_str(stored).unwrap();
        assert_eq!(event.event_kind(), None);
        assert_eq!(serde_json::to_string(&event).unwrap(), stored);
        let known = EventRecord::new(7, EventKind::Xid, "GPU-1", "t");
        assert_eq!(known.event_kind(), Some(EventKind::Xid));
        assert!(serde_json::to_string(&known).unwrap().contains(r#""kind":"xid""#));
    }
}
