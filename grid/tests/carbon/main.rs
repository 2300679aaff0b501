//! Carbon of a run beside the location-based grams: known answers by hand.

#[cfg(test)]
mod beside;
#[cfg(test)]
mod tariffs;
