//! Carbon of a run beside the location-based grams: known answers by hand.

mod beside;
mod tariffs;
