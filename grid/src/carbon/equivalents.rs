//! Grams as other things that weigh as much: only when asked for, and from one cited set.
//!
//! US EPA, *Greenhouse Gases Equivalencies Calculator: Calculations and References*, as published in 2022: 3.98e-4 t CO2e
//! a mile of the average passenger vehicle, 9.05e-4 t CO2 a pound of coal burned, 8.22e-6 t CO2 a smartphone charged, and
//! 0.060 t CO2 taken up by an urban tree seedling in its first ten years. They are figures of the United States.

use eco2_core::schema::Equivalent;

/// Who says what they weigh.
pub const EQUIVALENTS_SOURCE: &str =
    "US EPA, Greenhouse Gases Equivalencies Calculator: Calculations and References (2022)";

const KM_PER_MILE: f64 = 1.609344;
const KG_PER_POUND: f64 = 0.453_592_37;
/// What is counted, and the grams CO2e of one.
const SET: [(&str, f64); 4] = [
    ("km in an average US passenger vehicle", 398.0 / KM_PER_MILE),
    ("kg of coal burned", 905.0 / KG_PER_POUND),
    ("smartphones charged", 8.22),
    ("urban tree seedlings growing for ten years", 60_000.0),
];

/// What weighs as much as these grams.
#[must_use]
pub fn equivalents(grams: Option<f64>) -> Vec<Equivalent> {
    let one = |(what, g_each): (&str, f64)| Equivalent {
        what: what.to_owned(),
        amount: grams.map(|grams| grams / g_each),
        g_each,
        source: EQUIVALENTS_SOURCE.to_owned(),
    };
    SET.map(one).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d13_one_cited_set_of_equivalents_by_hand() {
        let [car, coal, phones, trees] = &equivalents(Some(18_700.0))[..] else { panic!() };
        // 18.7 kg ÷ (0.398 kg ÷ 1.609344 km), ÷ (0.905 kg ÷ 0.45359237 kg), ÷ 8.22 g, ÷ 60 kg.
        assert!((car.amount.unwrap() - 75.614_9).abs() < 1e-3, "{:?}", car.amount);
        assert!((coal.amount.unwrap() - 9.372_5).abs() < 1e-3, "{:?}", coal.amount);
        assert!((phones.amount.unwrap() - 2274.939).abs() < 1e-3, "{:?}", phones.amount);
        assert!((trees.amount.unwrap() - 0.311_667).abs() < 1e-6, "{:?}", trees.amount);
        let sources: std::collections::BTreeSet<_> = equivalents(None).into_iter().map(|one| one.source).collect();
        assert_eq!(sources.len(), 1);
    }
}
