//! Knows what a kilowatt-hour emits and costs at each time ([`Prices`]): one intensity for all time, or what the sources of intensities
//! over time answered last.

use eco2_core::Bounded;
use eco2_core::units::UJ_PER_KWH;
use eco2_grid::provider::{Coverage, IntensityPart};
use eco2_grid::{IntensityKind, Pue};

use crate::emissions::{Emissions, Grams, Rate, RateChange};

/// Time without any answer after which the yearly average is used: nanoseconds. Its kind may be another than that of the answers, and
/// kinds are never added up, so that later answers of another kind could not be used.
const FIRST_ANSWER_NS: i64 = 3_600_000_000_000;

/// What a kilowatt-hour emits and costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    /// Carbon intensity, grams CO2e per kilowatt-hour of the facility.
    pub g_per_kwh: f64,
    /// The grid zone.
    pub zone: String,
    /// How the zone was chosen, in the words of reports; `default-world` where none was named.
    pub zone_source: String,
    /// `average` or `marginal`.
    pub signal: String,
    /// What the intensity counts; `None`: not known.
    pub kind: Option<IntensityKind>,
    /// Who publishes the intensity.
    pub provider: String,
    /// Energy of the facility divided by that of its computers, at least 1.
    pub pue: f64,
    /// Price of a kilowatt-hour; `None`: not known.
    pub price_per_kwh: Option<f64>,
    /// ISO 4217 code of the price; `None`: not stated.
    pub currency: Option<String>,
}

/// The intensities of the node.
#[derive(Debug)]
pub(crate) struct Prices {
    rates: Rates,
    /// The intensity of the last interval's end.
    rate: Option<Rate>,
    /// What the sources over time answered; `None`: there are none.
    answers: Option<Answers>,
    is_begun: bool,
}

/// Values that are not used, because they count something else than those before: kinds are never added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("values of the kind {} are not used: those before are {}, and the last one stays", .refused.as_str(), .used.as_str())]
pub struct OtherKind {
    /// The kind of all values that were used.
    pub used: IntensityKind,
    /// The kind of the new ones.
    pub refused: IntensityKind,
}

/// What is new about the faults of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AnswerFaults {
    /// Whether a source fails that did not before.
    pub(crate) fails: bool,
    /// Values that are refused from now on.
    pub(crate) other_kind: Option<OtherKind>,
}

impl AnswerFaults {
    /// Whether there is one.
    pub(crate) fn is_new(&self) -> bool {
        self.fails || self.other_kind.is_some()
    }
}

#[derive(Debug, Default)]
struct Answers {
    /// Sorted by time.
    parts: Vec<IntensityPart>,
    /// The kind of all values that were used.
    kind: Option<IntensityKind>,
    /// When the sources were asked first, nanoseconds since 1970.
    asked_ns: Option<i64>,
    is_failing: bool,
    /// Values of the last answer that are not used.
    other_kind: Option<OtherKind>,
}

impl Prices {
    /// Returns one intensity for all time.
    pub(crate) fn fixed(rates: Rates) -> Self {
        Self { rates, rate: None, answers: None, is_begun: false }
    }

    /// Returns these prices with intensities that sources answer; none is known before the first answer.
    pub(crate) fn over_time(self) -> Self {
        Self { answers: Some(Answers::default()), ..self }
    }

    /// Goes on from the intensity of an earlier agent.
    pub(crate) fn go_on(&mut self, rate: Option<Rate>) {
        if let (Some(answers), Some(rate)) = (&mut self.answers, &rate) {
            answers.kind = rate.kind;
        }
        self.rate = rate;
    }

    /// Returns the overhead of the facility.
    pub(crate) fn pue(&self) -> Pue {
        Pue::new(self.rates.pue).unwrap_or(Pue::ONE)
    }

    /// Returns the present intensity.
    pub(crate) fn rate(&self) -> Option<&Rate> {
        self.rate.as_ref()
    }

    /// Takes what the sources answered at `asked_ns`, nanoseconds since 1970, without values of another kind than those that were used.
    pub(crate) fn take(&mut self, coverage: Coverage, asked_ns: i64) -> AnswerFaults {
        let Some(answers) = &mut self.answers else { return AnswerFaults::default() };
        let first_ns = *answers.asked_ns.get_or_insert(asked_ns);
        let kind = coverage.parts.iter().find_map(|part| part.about.kind);
        let is_too_early = answers.parts.is_empty() && asked_ns.saturating_sub(first_ns) < FIRST_ANSWER_NS;
        let is_used = !is_too_early || has_answer(&coverage);
        let known = answers.kind.or(kind.filter(|_| is_used));
        let other = |part: &IntensityPart| {
            let (used, refused) = known.zip(part.about.kind)?;
            (used != refused).then_some(OtherKind { used, refused })
        };
        let fails = !coverage.faults.is_empty();
        let was_failing = std::mem::replace(&mut answers.is_failing, fails);
        let other_kind = coverage.parts.iter().find_map(other);
        let other_before = std::mem::replace(&mut answers.other_kind, other_kind);
        // Where none can be used, the last value stays, and is an estimate once its time is over.
        let parts: Vec<IntensityPart> = coverage.parts.into_iter().filter(|part| other(part).is_none()).collect();
        if is_used && (!parts.is_empty() || other_kind.is_none()) {
            (answers.kind, answers.parts) = (known, parts);
        }
        AnswerFaults { fails: fails && !was_failing, other_kind: other_kind.filter(|_| other_kind != other_before) }
    }

    /// Returns the changes of the intensity from one time to another, nanoseconds since 1970.
    pub(crate) fn changes(&mut self, from_ns: i64, to_ns: i64) -> Vec<RateChange> {
        let Self { rates, rate, answers, is_begun } = self;
        let from_ns = from_ns.min(to_ns);
        let mut changes = Vec::new();
        let mut change = |part: f64, to: Rate| {
            if rate.as_ref() != Some(&to) {
                changes.push(RateChange { part, from: rate.replace(to.clone()), to });
            }
        };
        let Some(answers) = answers else {
            if !std::mem::replace(is_begun, true) {
                change(0.0, rates.fixed());
            }
            return changes;
        };
        let parts = answers.parts.iter().filter(|part| part.to_ns > from_ns && part.from_ns <= to_ns);
        for part in parts {
            let passed = part.from_ns.saturating_sub(from_ns).max(0) as f64;
            change(passed / to_ns.saturating_sub(from_ns).max(1) as f64, rates.of(part));
        }
        if let Some(rate) = rate.as_mut().filter(|_| answers.parts.last().is_none_or(|last| last.to_ns <= to_ns)) {
            rate.is_estimated = true;
        }
        changes
    }

    /// Returns the emissions and the cost of an energy.
    pub(crate) fn emissions(&self, energy: &Bounded<u64>, grams: Grams) -> Emissions {
        let Self { rates, rate, .. } = self;
        let emitted = grams.bounded(energy, rate.as_ref());
        let price_per_uj = rates.price_per_kwh.map(|price| price * rates.pue / UJ_PER_KWH);
        let about = rate.as_ref();
        Emissions {
            grams: emitted.value,
            low: emitted.low,
            high: emitted.high,
            g_per_kwh: about.map(|rate| rate.g_per_kwh),
            zone: rates.zone.clone(),
            zone_source: rates.zone_source.clone(),
            signal: about.map_or(&rates.signal, |rate| &rate.signal).clone(),
            provider: about.map_or(&rates.provider, |rate| &rate.provider).clone(),
            cost: price_per_uj.zip(energy.value).map(|(price, uj)| uj as f64 * price),
            currency: rates.currency.clone(),
            is_estimated: about.is_some_and(|rate| rate.is_estimated),
        }
    }
}

impl Rates {
    /// Returns the intensity that applies where no other is known for a time.
    fn fixed(&self) -> Rate {
        let (signal, provider) = (self.signal.clone(), self.provider.clone());
        Rate { g_per_kwh: self.g_per_kwh, pue: self.pue, signal, provider, is_estimated: false, kind: self.kind }
    }

    fn of(&self, part: &IntensityPart) -> Rate {
        let is_marginal = part.about.kind.is_some_and(|kind| kind.as_str().contains("marginal"));
        Rate {
            g_per_kwh: part.g_per_kwh,
            pue: self.pue,
            signal: if is_marginal { "marginal" } else { "average" }.to_owned(),
            provider: part.provider.clone(),
            is_estimated: part.estimated,
            kind: part.about.kind,
        }
    }
}

/// Whether a source answered: not all of it is the yearly average.
pub(crate) fn has_answer(coverage: &Coverage) -> bool {
    coverage.parts.iter().any(|part| !part.fallback || part.about.table.is_none())
}

#[cfg(any(test, fuzzing))]
pub(crate) fn rates(g_per_kwh: f64) -> Rates {
    Rates {
        g_per_kwh,
        zone: "DE".to_owned(),
        zone_source: "given".to_owned(),
        signal: "average".to_owned(),
        kind: None,
        provider: "Ember".to_owned(),
        pue: 1.5,
        price_per_kwh: Some(0.3),
        currency: Some("EUR".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eco2_grid::Sha256;
    use eco2_grid::provider::{IntensityOrigin, ProviderFault};

    use super::*;

    const HOUR: i64 = 3_600_000_000_000;
    const KINDS: [IntensityKind; 2] = [IntensityKind::LifecycleAverageProduction, IntensityKind::MarginalOperating];

    /// Returns the answer of a service, or the yearly average in its place.
    fn answer(kind: IntensityKind, is_table: bool, hours: &[(i64, f64)]) -> Coverage {
        let table = is_table.then(|| Sha256::of(b"table"));
        let about = Arc::new(IntensityOrigin { kind: Some(kind), table, ..IntensityOrigin::default() });
        let part = |&(hour, g_per_kwh): &(i64, f64)| IntensityPart {
            from_ns: hour * HOUR,
            to_ns: (hour + 1) * HOUR,
            g_per_kwh,
            estimated: is_table,
            provider: if is_table { "table" } else { "service" }.to_owned(),
            answer: None,
            fallback: is_table,
            about: Arc::clone(&about),
        };
        let faults = is_table.then(|| ("service".to_owned(), ProviderFault::NoFigure));
        Coverage {
            parts: hours.iter().map(part).collect(),
            faults: faults.into_iter().collect(),
            ..Coverage::default()
        }
    }

    fn shown(changes: Vec<RateChange>) -> Vec<(f64, Option<f64>, f64, bool)> {
        let change = |change: RateChange| {
            (change.part, change.from.map(|rate| rate.g_per_kwh), change.to.g_per_kwh, change.to.is_estimated)
        };
        changes.into_iter().map(change).collect()
    }

    #[test]
    fn fixed_intensity_changes_once_from_that_of_an_earlier_agent() {
        let mut prices = Prices::fixed(rates(400.0));
        assert_eq!(shown(prices.changes(0, HOUR)), [(0.0, None, 400.0, false)]);
        assert_eq!(prices.changes(HOUR, 2 * HOUR), []);
        let mut next = Prices::fixed(rates(200.0));
        next.go_on(prices.rate().cloned());
        assert_eq!(shown(next.changes(0, HOUR)), [(0.0, Some(400.0), 200.0, false)]);
    }

    #[test]
    fn intensity_changes_at_its_time_and_the_last_one_stays_as_an_estimate() {
        let mut prices = Prices::fixed(rates(400.0)).over_time();
        assert_eq!(prices.changes(0, HOUR), [], "before the first answer none is known");
        prices.take(answer(KINDS[0], false, &[(0, 100.0), (1, 100.0), (2, 300.0)]), 0);
        assert_eq!(shown(prices.changes(0, HOUR / 2)), [(0.0, None, 100.0, false)]);
        assert_eq!(shown(prices.changes(HOUR / 2, 5 * HOUR / 2)), [(0.75, Some(100.0), 300.0, false)]);
        assert!(!prices.rate().unwrap().is_estimated);
        assert_eq!(prices.changes(5 * HOUR / 2, 3 * HOUR), []);
        assert!(prices.rate().unwrap().is_estimated && prices.rate().unwrap().g_per_kwh == 300.0);
    }

    #[test]
    fn yearly_average_of_another_kind_never_takes_the_place_of_an_answer() {
        let mut prices = Prices::fixed(rates(400.0)).over_time();
        assert!(prices.take(answer(KINDS[1], true, &[(0, 400.0)]), 0).is_new(), "an event");
        assert!(!prices.take(answer(KINDS[1], true, &[(0, 400.0)]), 1).is_new(), "once");
        assert_eq!(prices.changes(0, HOUR), [], "an answer may come");
        prices.take(answer(KINDS[0], false, &[(0, 100.0)]), 2);
        assert_eq!(shown(prices.changes(0, HOUR / 2)), [(0.0, None, 100.0, false)]);
        prices.take(answer(KINDS[1], true, &[(1, 400.0)]), HOUR);
        assert_eq!(prices.changes(HOUR / 2, 2 * HOUR), [], "kinds are not added up");
        assert!(prices.rate().unwrap().is_estimated);
    }

    #[test]
    fn kind_of_the_intensities_before_a_restart_is_known_and_another_is_an_event() {
        let mut prices = Prices::fixed(rates(400.0)).over_time();
        prices.take(answer(KINDS[0], false, &[(0, 100.0)]), 0);
        prices.changes(0, HOUR / 2);
        // As the journal keeps it.
        let kept = serde_json::to_string(&prices.rate()).unwrap();
        let mut next = Prices::fixed(rates(400.0)).over_time();
        next.go_on(serde_json::from_str(&kept).unwrap());
        assert!(next.take(answer(KINDS[1], false, &[(0, 900.0)]), 0).is_new(), "an event");
        assert_eq!(next.changes(0, HOUR / 2), [], "kinds are not added up");
        next.take(answer(KINDS[0], false, &[(0, 200.0)]), 1);
        assert_eq!(shown(next.changes(0, HOUR / 2)), [(0.0, Some(100.0), 200.0, false)]);
        // An older version did not keep it.
        let old = kept.replace(",\"kind\":\"lifecycle-average-production\"", "");
        assert!(old != kept);
        let mut next = Prices::fixed(rates(400.0)).over_time();
        next.go_on(serde_json::from_str(&old).unwrap());
        assert!(!next.take(answer(KINDS[1], false, &[(0, 900.0)]), 0).is_new());
    }

    #[test]
    fn each_change_to_another_kind_is_an_event_also_of_a_source_that_fails_and_of_a_part_of_an_answer() {
        let mut prices = Prices::fixed(rates(400.0)).over_time();
        assert_eq!(prices.take(answer(KINDS[0], false, &[(0, 100.0)]), 0), AnswerFaults::default());
        prices.changes(0, HOUR / 2);
        let mut failing = answer(KINDS[0], false, &[(0, 100.0)]);
        failing.faults.push(("service".to_owned(), ProviderFault::NoFigure));
        let mut other = answer(KINDS[1], false, &[(0, 900.0)]);
        other.faults.clone_from(&failing.faults);
        let refused = OtherKind { used: KINDS[0], refused: KINDS[1] };
        let faults = |prices: &mut Prices, answer: &Coverage| prices.take(answer.clone(), 0);
        assert_eq!(faults(&mut prices, &failing), AnswerFaults { fails: true, other_kind: None });
        assert_eq!(faults(&mut prices, &other), AnswerFaults { fails: false, other_kind: Some(refused) });
        assert_eq!(faults(&mut prices, &other), AnswerFaults::default(), "once");
        faults(&mut prices, &failing);
        assert_eq!(faults(&mut prices, &other).other_kind, Some(refused), "once per change");
        assert!(refused.to_string().contains("marginal") && refused.to_string().contains("average"), "{refused}");
        // Of an answer with both kinds, the values of the used one.
        let mut mixed = answer(KINDS[0], false, &[(0, 200.0)]);
        mixed.parts.extend(answer(KINDS[1], false, &[(1, 900.0)]).parts);
        assert_eq!(faults(&mut prices, &mixed), AnswerFaults::default(), "the same is refused as before");
        assert_eq!(shown(prices.changes(HOUR / 2, 2 * HOUR)), [(0.0, Some(100.0), 200.0, false)]);
    }

    #[test]
    fn yearly_average_is_used_after_an_hour_without_an_answer() {
        let mut prices = Prices::fixed(rates(400.0)).over_time();
        prices.take(answer(KINDS[0], true, &[(0, 400.0)]), 0);
        prices.take(answer(KINDS[0], true, &[(0, 400.0), (1, 400.0)]), HOUR);
        assert_eq!(shown(prices.changes(0, HOUR)), [(0.0, None, 400.0, true)]);
    }

    #[test]
    fn cost_has_the_overhead_of_the_facility_and_is_unknown_without_a_price() {
        let energy = Bounded::exact(7_200_000_000_000);
        let cost = |rates: Rates| Prices::fixed(rates).emissions(&energy, Grams::default()).cost;
        assert_eq!(cost(rates(1.0)).map(|cost| (cost * 1e6).round()), Some(900_000.0));
        assert_eq!(cost(Rates { price_per_kwh: None, ..rates(1.0) }), None);
    }
}
