//! Computes the cost of a run: its energy at one price (option `price_per_kwh`) or at prices over time (`tariff`), and
//! its emissions at a price per tonne (`carbon_price`).
//!
//! A tariff is a CSV file with one price per slot, of the same form as a series of intensities:
//!
//! ```text
//! # unit=EUR/MWh
//! time,price_per_kwh
//! 2026-01-01T00:00Z,84.2
//! 2026-01-01T01:00Z,-3.1
//! ```
//! Prices may be negative. An empty price is unknown. The flat price, if there is one, then applies; otherwise the
//! energy of that time has no price, and the report states how much energy that is.

use std::path::Path;

use eco2_core::Bounded;
use eco2_core::schema::{Carbon, CarbonPrice, Cost, Energy};

use super::facility_kwh;
use crate::pricing::{EnergyCurve, EnergySplit, RateStep, Steps};
use crate::series::rows::{TableRows, text};
use crate::series::{
    FileError, FileFault, FilePlace, Series, SeriesMeta, SeriesPoint, SlotRule, bytes, chosen, shown, unknown_slots,
};
use crate::{IntensityForecast, Pue, Sha256, credit_cost, outlook};

/// The column that is read if none is named.
const PLAIN: &str = "price_per_kwh";
/// The highest price per kilowatt-hour, positive or negative. A limit of a million catches energies and times that are
/// in the column of prices.
const MOST: f64 = 1e6;

/// Prices over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Tariff {
    prices: Series,
    /// ISO 4217 code from the line `# unit=`; `None` without that line.
    pub currency: Option<String>,
    file: Option<Sha256>,
}

/// What the comment lines before the header state.
struct TariffHeader {
    currency: Option<String>,
    /// The energy that one price is for, kilowatt-hours.
    kwh: f64,
    slots: SlotRule,
}

impl Tariff {
    /// Reads a file. `column` is the literal name of its column; the default is `price_per_kwh`, or the only one.
    ///
    /// # Errors
    /// The first fault, with its line and a remedy.
    pub fn read(path: &Path, column: Option<&str>) -> Result<Self, FileError> {
        let bytes = bytes(path)?;
        let tariff = Self::parse(&bytes, &path.display().to_string(), column);
        let tariff = tariff.map_err(|error| error.naming("--tariff-column"))?;
        Ok(Self { file: Some(Sha256::of(&bytes)), ..tariff })
    }

    /// Returns the SHA-256 of the file; `None` if the tariff was parsed from memory.
    #[must_use]
    pub(crate) fn file(&self) -> Option<Sha256> {
        self.file
    }

    /// Parses the contents of a file; `file` is its name in messages.
    ///
    /// ```
    /// use eco2_grid::carbon::Tariff;
    ///
    /// let text = "# unit=EUR/MWh\ntime,price_per_kwh\n1970-01-01T00:00Z,84.2\n1970-01-01T01:00Z,-3.1\n";
    /// let tariff = Tariff::parse(text.as_bytes(), "prices.csv", None)?;
    /// assert_eq!((tariff.currency.as_deref(), tariff.at(0)), (Some("EUR"), Some(0.0842)));
    /// # Ok::<(), eco2_grid::FileError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Tariff::read`].
    pub fn parse(bytes: &[u8], file: &str, column: Option<&str>) -> Result<Self, FileError> {
        let text = text(bytes, file)?;
        let stated = tariff_header(text, file)?;
        let mut rows = TableRows::new(text, file)?;
        let column = chosen(&rows, file, column, PLAIN)?;
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            let known = !row.text(column).is_empty();
            let value = known.then(|| row.number(column, "the price")).transpose()?;
            points.push(SeriesPoint { from_ns: row.instant(0)?, value, place: row.place() });
        }
        let price = |point: &SeriesPoint, _: &SeriesMeta| price(point, stated.kwh);
        let meta = SeriesMeta { slots: stated.slots, ..SeriesMeta::default() };
        let prices = Series::checked(meta, &points, price);
        let prices = prices.map_err(|(place, fault)| FileError::new(file, place, fault))?;
        Ok(Self { prices, currency: stated.currency, file: None })
    }

    /// Returns the price per kilowatt-hour at an instant, nanoseconds since 1970 UTC; `None` if it is unknown.
    #[must_use]
    pub fn at(&self, at_ns: i64) -> Option<f64> {
        self.prices.at(at_ns)
    }

    /// Returns the highest known price between two instants; `flat` replaces unknown prices.
    #[must_use]
    pub(crate) fn dearest(&self, flat: Option<f64>, from_ns: i64, to_ns: i64) -> Option<f64> {
        let mut dearest = self.at(from_ns).or(flat)?;
        let mut at_ns = self.prices.next_edge(from_ns);
        while at_ns < to_ns {
            dearest = self.at(at_ns).or(flat).map_or(dearest, |price| price.max(dearest));
            at_ns = self.prices.next_edge(at_ns);
        }
        Some(dearest)
    }

    /// Returns the expected mean price from `now_ns` to `to_ns`: the published prices, otherwise those of the same hour
    /// of earlier days. `flat` replaces unknown prices. The values of the result are prices per kilowatt-hour, not
    /// grams.
    #[must_use]
    pub(crate) fn outlook(&self, flat: Option<f64>, now_ns: i64, to_ns: i64) -> Option<IntensityForecast> {
        outlook(&|at_ns| self.at(at_ns).or(flat), self.prices.from_ns(), now_ns, to_ns)
    }
}

/// Reads the lines `# unit=EUR/kWh` or `# unit=EUR/MWh` (default: per kilowatt-hour) and `# slots=` before the header.
fn tariff_header(text: &str, file: &str) -> Result<TariffHeader, FileError> {
    let mut stated = TariffHeader { currency: None, kwh: 1.0, slots: SlotRule::default() };
    let comments = text.lines().zip(1..).map_while(|(line, number)| Some((line.strip_prefix('#')?, number)));
    for (comment, number) in comments {
        let fault = |fault| FileError::new(file, FilePlace::Line(number), fault);
        match comment.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("unit", value)) => {
                let (currency, kwh) = unit(value).ok_or_else(|| fault(unknown_unit(value)))?;
                (stated.currency, stated.kwh) = (Some(currency), kwh);
            }
            Some(("slots", value)) => {
                stated.slots = SlotRule::named(value).ok_or_else(|| fault(unknown_slots(value)))?
            }
            _ => {}
        }
    }
    Ok(stated)
}

/// Returns the fault of a unit that is not known, with what is allowed.
fn unknown_unit(value: &str) -> FileFault {
    let allowed = "a currency's ISO 4217 code with /kWh or /MWh, such as EUR/MWh".to_owned();
    FileFault::Word { what: "the unit", text: shown(value), allowed }
}

/// Returns the currency, and the energy in kilowatt-hours that a price is for.
fn unit(text: &str) -> Option<(String, f64)> {
    let (code, energy) = text.split_once('/')?;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let kwh = match energy.to_ascii_lowercase().as_str() {
        "kwh" => 1.0,
        "mwh" => 1e3,
        _ => return None,
    };
    is_code.then(|| (code.to_owned(), kwh))
}

/// Returns the price per kilowatt-hour of a row whose value is for `kwh` kilowatt-hours; NaN if the row has none.
fn price(point: &SeriesPoint, kwh: f64) -> Result<f64, (FilePlace, FileFault)> {
    let Some(value) = point.value else { return Ok(f64::NAN) };
    let each = value / kwh;
    if each.abs() <= MOST {
        return Ok(each);
    }
    let allowed = "up to 1000000 a kilowatt-hour, or nothing where it is not known";
    Err((point.place, FileFault::Figure { what: "the price", text: value.to_string(), allowed }))
}

/// Returns the cost of a run's energy, each part at the price of its own time. The run lasts from `from_ns` to `to_ns`,
/// nanoseconds since 1970 UTC; `energy` is the energy of its computers since its start. `flat` replaces unknown prices.
#[must_use]
pub fn series_cost(
    tariff: &Tariff,
    flat: Option<f64>,
    (from_ns, to_ns): (i64, i64),
    pue: Pue,
    energy: &(impl EnergyCurve + ?Sized),
) -> Cost {
    let known = tariff.steps(from_ns, to_ns);
    let filled = Steps::new(known.iter().map(|step| RateStep { per_kwh: step.per_kwh.or(flat), ..*step }));
    let split = EnergySplit::new(energy, &filled, pue);
    let Bounded { value: amount, low, high, .. } = split.amount();
    let is_filled = |(step, uj): (&RateStep, u64)| step.per_kwh.is_none() && uj > 0;
    let by_flat = flat.is_some() && known.iter().zip(split.parts_uj()).any(is_filled);
    Cost {
        amount,
        low: Some(low).filter(|low| low.is_finite()),
        high,
        currency: tariff.currency.clone(),
        method: if by_flat { "series and flat" } else { "series" }.to_owned(),
        unpriced_uj: split.without_value_uj(),
    }
}

impl Tariff {
    /// Returns the times between two instants at which the price changes, nanoseconds since the first.
    pub(crate) fn borders(&self, from_ns: i64, to_ns: i64) -> Vec<u64> {
        self.steps(from_ns, to_ns).iter().map(|step| step.to_ns).collect()
    }

    /// Returns the prices between two instants.
    fn steps(&self, from_ns: i64, to_ns: i64) -> Vec<RateStep> {
        let (mut steps, mut at_ns) = (Vec::new(), from_ns);
        while at_ns < to_ns || steps.is_empty() {
            let end_ns = self.prices.next_edge(at_ns).min(to_ns.max(at_ns));
            let since_ns = u64::try_from(end_ns.saturating_sub(from_ns)).unwrap_or(0);
            steps.push(RateStep { to_ns: since_ns, per_kwh: self.at(at_ns) });
            at_ns = end_ns;
        }
        steps
    }
}

/// Returns the cost of the facility's energy at one price per kilowatt-hour, 0 or more.
#[must_use]
pub fn flat_cost(energy: &Energy, price_per_kwh: f64, currency: Option<&str>) -> Cost {
    let Bounded { value: amount, low, high, .. } = facility_kwh(energy).times(price_per_kwh);
    let currency = currency.map(str::to_owned);
    Cost { amount, low: Some(low), high, currency, method: "flat".to_owned(), unpriced_uj: 0 }
}

/// Returns the cost of the location-based emissions at a price per tonne CO2e, 0 or more. It is only a price: no
/// emission right is bought.
#[must_use]
pub fn carbon_price(carbon: &Carbon, per_tonne: f64, currency: Option<&str>) -> CarbonPrice {
    let price = |grams| credit_cost(grams, per_tonne);
    CarbonPrice {
        amount: carbon.grams.map(price),
        low: price(carbon.low),
        high: carbon.high.map(price),
        per_tonne,
        currency: currency.map(str::to_owned),
    }
}
