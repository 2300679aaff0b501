//! The cost of a run's energy with its currency, for exports whose field names state one.

use eco2_core::schema::Report;

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Money<'a> {
    pub(super) amount: f64,
    /// ISO 4217 code; `None`: not known.
    pub(super) currency: Option<&'a str>,
}

impl Money<'_> {
    /// The amount, where it is in dollars.
    pub(super) fn usd(&self) -> Option<f64> {
        Some(self.amount).filter(|_| self.currency == Some("USD"))
    }
}

/// The cost of the run's energy; `None`: not known.
pub(super) fn energy_cost(report: &Report) -> Option<Money<'_>> {
    let carbon = report.carbon.as_ref()?;
    let priced = carbon.beside.as_deref().and_then(|beside| beside.cost.as_ref());
    let terms = || carbon.terms.as_deref().and_then(|terms| terms.currency.as_deref());
    Some(Money { amount: carbon.cost?, currency: priced.and_then(|cost| cost.currency.as_deref()).or_else(terms) })
}

/// Why a field in dollars is empty although there is a price; `None` where it is not empty, or nothing was priced.
pub(super) fn why_not_usd(money: Option<Money<'_>>) -> Option<String> {
    match money?.currency {
        Some("USD") => None,
        Some(currency) => Some(format!("the price is in {currency}: no exchange rate is applied")),
        None => Some("the price has no currency: state it with --currency".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k14_only_dollars_are_dollars() {
        let of = |currency| Some(Money { amount: 2.5, currency });
        assert_eq!(of(Some("USD")).and_then(|money| money.usd()), Some(2.5));
        assert_eq!((of(Some("EUR")).unwrap().usd(), of(None).unwrap().usd()), (None, None));
        assert_eq!((why_not_usd(of(Some("USD"))), why_not_usd(None)), (None, None));
        assert!(why_not_usd(of(Some("EUR"))).unwrap().contains("EUR"));
        assert!(why_not_usd(of(None)).unwrap().contains("--currency"));
    }
}
