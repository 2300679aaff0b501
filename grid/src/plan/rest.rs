//! What work still costs at least, from each slot on: the linear programme's optimum over the slots that remain.

use super::Scaling;
use super::curve::PlanPiece;

/// For every first slot the cumulative work and grams of its offers, cheapest first.
pub(super) struct RemainingCost(Vec<Vec<(f64, f64)>>);

impl RemainingCost {
    /// Works it out from the last slot to the first.
    pub(super) fn new(pieces: &[PlanPiece], scaling: &Scaling) -> Self {
        let mut offers: Vec<(f64, f64)> = Vec::new();
        let mut all = vec![Vec::new()];
        for piece in pieces.iter().rev() {
            if !piece.is_known {
                all.push(cumulative(&offers));
                continue;
            }
            // Grams a unit of work, and how much work there is of it.
            let offer = |price: f64, throughput: f64| (piece.g_per_kwh() * price / 1000.0, throughput * piece.hours());
            offers.extend(scaling.hull().iter().map(|step| offer(step.slope(), step.throughput)));
            offers.sort_by(|a, b| a.0.total_cmp(&b.0));
            all.push(cumulative(&offers));
        }
        all.reverse();
        Self(all)
    }

    /// Least grams of so much work from a slot on; infinite where there is not enough time.
    pub(super) fn grams(&self, first: usize, work: f64) -> f64 {
        let offers = self.0.get(first).map_or(&[][..], Vec::as_slice);
        let at = offers.partition_point(|(done, _)| *done < work);
        let before = at.checked_sub(1).map_or((0.0, 0.0), |before| offers[before]);
        match offers.get(at) {
            Some((done, grams)) => before.1 + (grams - before.1) * (work - before.0) / (done - before.0),
            // Rounding alone may leave a job that just fits without its last part.
            None if work <= before.0 * (1.0 + 1e-9) => before.1,
            None => f64::INFINITY,
        }
    }
}

fn cumulative(offers: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let sum = |sum: &mut (f64, f64), (price, work): &(f64, f64)| {
        *sum = (sum.0 + work, sum.1 + price * work);
        Some(*sum)
    };
    offers.iter().scan((0.0, 0.0), sum).collect()
}
