//! Supplements of a report: known answers computed by hand.

#[cfg(test)]
mod supplements;
#[cfg(test)]
mod tariffs;
