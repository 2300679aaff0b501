//! No NaN and no infinity leaves this crate: JSON has none, and a reader would take `null` for a number that is missing.

use std::borrow::Cow;

use eco2_core::schema::{Carbon, Device, EventKind, EventRecord, Report, Supplements, Work};

/// The report itself, or a copy without the figures that are not finite and with an event that says so.
pub(crate) fn finite(report: &Report) -> Cow<'_, Report> {
    let mut dropped = Vec::new();
    // Spans, most of a large report, hold integers only: they are not copied to look.
    let mut pue = report.energy.pue;
    let (mut work, mut carbon, mut devices) = (report.work.clone(), report.carbon.clone(), report.devices.clone());
    if !keep(pue, || "energy.pue".into(), &mut dropped) {
        pue = 1.0;
    }
    clean_work(&mut work, &mut dropped);
    clean_carbon(&mut carbon, &mut dropped);
    devices.iter_mut().for_each(|device| clean_device(device, &mut dropped));
    if dropped.is_empty() {
        return Cow::Borrowed(report);
    }
    let text = format!("left out because it was not a finite number: {}", dropped.join(", "));
    let mut copy = Report { work, carbon, devices, ..report.clone() };
    copy.energy.pue = pue;
    copy.events.push(EventRecord::new(copy.run.duration_ns, EventKind::NotFinite, "", text));
    Cow::Owned(copy)
}

fn clean_work(work: &mut Work, dropped: &mut Vec<String>) {
    option(&mut work.loss, "work.loss", dropped);
    work.extra.retain(|name, value| keep(*value, || format!("work.extra.{name}"), dropped));
}

fn clean_carbon(priced: &mut Option<Carbon>, dropped: &mut Vec<String>) {
    let Some(carbon) = priced else { return };
    option(&mut carbon.high, "carbon.high", dropped);
    option(&mut carbon.embodied, "carbon.embodied", dropped);
    option(&mut carbon.sci, "carbon.sci", dropped);
    option(&mut carbon.cost, "carbon.cost", dropped);
    if carbon.beside.as_deref().is_some_and(|beside| !all_finite(beside)) {
        dropped.push("carbon.beside".into());
        carbon.beside = None;
    }
    if !needed(carbon).all(f64::is_finite) {
        dropped.push("carbon".into());
        *priced = None;
    }
}

fn all_finite(beside: &Supplements) -> bool {
    let Supplements { market, embodied, sci, water, cost, carbon_price, offsets, equivalents } = beside;
    let market = market.iter().flat_map(|m| [m.grams, Some(m.low), m.high, Some(m.g_per_kwh)]);
    let made = embodied.iter().flat_map(|e| [Some(e.grams), Some(e.low), e.high, Some(e.total_kg), e.total_high_kg]);
    let sci = sci.iter().flat_map(|s| [s.grams, Some(s.low), s.high, s.operational_g, s.embodied_g]);
    let water = water.iter().flat_map(|w| [w.litres, Some(w.low), w.high, w.wue, w.ewif]);
    let cost = cost.iter().flat_map(|c| [c.amount, c.low, c.high]);
    let price = carbon_price.iter().flat_map(|p| [p.amount, Some(p.low), p.high, Some(p.per_tonne)]);
    let others = offsets.iter().map(|o| Some(o.kg)).chain(equivalents.iter().map(|e| e.amount));
    let all = market.chain(made).chain(sci).chain(water).chain(cost).chain(price).chain(others);
    all.flatten().all(f64::is_finite)
}

fn needed(carbon: &Carbon) -> impl Iterator<Item = f64> + '_ {
    carbon.grams.into_iter().chain([carbon.low]).chain(carbon.segments.iter().map(|segment| segment.g_per_kwh))
}

fn clean_device(device: &mut Device, dropped: &mut Vec<String>) {
    let id = &device.id;
    option(&mut device.gain_percent, id, dropped);
    option(&mut device.mean_w, id, dropped);
    option(&mut device.peak_w, id, dropped);
    if device.power_w.is_some_and(|power| ![power.p50, power.p90, power.p99].iter().all(|w| w.is_finite())) {
        dropped.push(format!("{id}.power_w"));
        device.power_w = None;
    }
    if device.cross_check.as_ref().is_some_and(|check| !check.difference_percent.is_finite()) {
        dropped.push(format!("{id}.cross_check"));
        device.cross_check = None;
    }
    if !keep(device.coverage, || format!("{id}.coverage"), dropped) {
        device.coverage = 0.0;
    }
    device.gauges.retain(|gauge| {
        let all = [gauge.mean, gauge.max, gauge.last].iter().all(|value| value.is_finite());
        all || keep(f64::NAN, || format!("{id}.{}", gauge.name), dropped)
    });
}

fn keep(value: f64, name: impl Fn() -> String, dropped: &mut Vec<String>) -> bool {
    if !value.is_finite() {
        dropped.push(name());
    }
    value.is_finite()
}

fn option(value: &mut Option<f64>, name: &str, dropped: &mut Vec<String>) {
    if value.is_some_and(|value| !value.is_finite()) {
        dropped.push(name.to_owned());
        *value = None;
    }
}
