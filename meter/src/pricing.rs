//! What energy weighs and costs: resolved once, when the run opens, so that a wrong zone is told before any training.

use eco2_core::report::{Carbon, Energy};
use eco2_core::units::kwh;
use eco2_core::{Budget, Limit, Spent, Usage};
use eco2_grid::{Consumption, Intensity, Pue};

use crate::options::Options;
use crate::{Error, options};

/// Intensity, PUE, price and limits of a run.
#[derive(Debug, Clone)]
pub(crate) struct Pricing {
    intensity: Intensity,
    pue: Pue,
    price_per_kwh: Option<f64>,
    budgets: Vec<Budget>,
}

impl Pricing {
    pub(crate) fn resolve(options: &Options) -> Result<Self, Error> {
        let intensity = match (options.intensity, &options.zone) {
            (Some(g_per_kwh), _) => eco2_grid::constant(g_per_kwh)?,
            (None, Some(zone)) if options.origin("zone").is_file() => eco2_grid::lookup(zone)?.from_config(),
            (None, Some(zone)) => eco2_grid::lookup(zone)?,
            (None, None) => eco2_grid::world(),
        };
        let pue = Pue::new(options.pue)?;
        let price_per_kwh = options.budget.price_per_kwh;
        Ok(Self { intensity, pue, price_per_kwh, budgets: budgets(&options.budget) })
    }

    /// Fills in the facility's energy and returns the grams.
    pub(crate) fn price(&self, energy: &mut Energy, from: &str, to: &str) -> Carbon {
        energy.pue = self.pue.get();
        energy.facility_uj = self.pue.facility_uj(energy.total_uj);
        let Energy { total_uj: energy_uj, low_uj, high_uj, .. } = *energy;
        let consumption = Consumption { energy_uj, low_uj, high_uj, from, to };
        let cost = self.price_per_kwh.map(|price| kwh(energy.facility_uj) * price);
        Carbon { cost, ..eco2_grid::price(&consumption, self.pue, &self.intensity) }
    }

    /// Compares what was used with every limit.
    pub(crate) fn check(&self, energy: &Energy, carbon: &Carbon) -> Vec<Spent> {
        let usage = Usage { energy_uj: energy.facility_uj, grams: Some(carbon.grams), money: carbon.cost };
        self.budgets.iter().filter_map(|budget| budget.check(&usage)).collect()
    }
}

fn budgets(limits: &options::Budget) -> Vec<Budget> {
    let energy = limits.max_energy_kwh.map(|kwh| Limit::EnergyUj((kwh * eco2_core::units::UJ_PER_KWH) as u64));
    let grams = limits.max_co2_kg.map(|kg| Limit::Grams(kg * 1_000.0));
    let money = limits.max_cost.map(Limit::Money);
    [energy, grams, money].into_iter().flatten().filter_map(Budget::new).collect()
}
