//! Source that estimates NVIDIA GPUs whose driver has not answered yet. It counts until one of them is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eco2_core::{Component, Domain, Quality};

use super::load::Load;
use super::power::Power;
use super::{Model, ModelOptions, NAME, gpu, plausible};
use crate::{Batch, Roots, Source};

/// Returns a source that estimates the GPUs of the system until `answered` is true; `None` where there are none. Where
/// their wattage is unknown or estimates are refused, it shows one device of unknown energy.
#[must_use]
pub(crate) fn stand_in(roots: &Roots, options: &ModelOptions, answered: Arc<AtomicBool>) -> Option<Box<dyn Source>> {
    let bare: Vec<_> = gpu::find(roots).into_iter().filter(gpu::BareGpu::is_nvidia).collect();
    if bare.is_empty() {
        return None;
    }
    let watts = plausible(options.gpu_watts);
    let estimates: Option<Vec<_>> = bare.iter().map(|gpu| gpu::estimate(gpu, watts)).collect();
    let domain = Domain {
        quality: Quality::Missing,
        name: "NVIDIA GPUs whose driver has not answered".to_owned(),
        ..Domain::counter("gpu-stand-in", Component::Gpu, Domain::STAND_IN, NAME)
    };
    let mut model = Model::default();
    match estimates.filter(|_| options.enabled) {
        Some(estimates) => {
            let names: Vec<&str> = estimates.iter().map(|one| one.name.as_str()).collect();
            let methods: Vec<&str> = estimates.iter().map(|one| one.method.as_str()).collect();
            let (name, method) = (names.join("; "), Some(methods.join("; ")));
            let power = estimates.iter().map(|one| one.power).reduce(Power::plus)?;
            model.add(Domain { name, method, ..domain }, power, Load::Unknown);
        }
        None => model.domains.push(domain),
    }
    Some(Box::new(StandIn { model, answered }))
}

struct StandIn {
    model: Model,
    answered: Arc<AtomicBool>,
}

impl Source for StandIn {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn domains(&self) -> &[Domain] {
        self.model.domains()
    }

    fn read(&mut self, batch: &mut Batch) {
        // Relaxed: a reading too many is not counted.
        if !self.answered.load(Ordering::Relaxed) {
            self.model.read(batch);
        }
    }
}
