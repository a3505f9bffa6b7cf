//! What tokens cost: the price table, carried in the binary and replaceable.
//!
//! Money is whole millionths of a dollar and is rounded up once for each call, so that sums are exact and never too low.

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use crate::model::Usd;

/// The table that the binary carries.
const SHIPPED: &str = include_str!("../../config/prices.toml");

/// The tokens of one call, by what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to the cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Tokens written to the cache for an hour.
    pub cache_write_1h: u64,
}

impl Usage {
    /// All that was sent to the model, cached or not: what a long prompt's price is decided by.
    pub fn prompt(&self) -> u64 {
        [self.cache_read, self.cache_write_5m, self.cache_write_1h].into_iter().fold(self.input, u64::saturating_add)
    }
}

/// A table of prices by model.
#[derive(Clone, Debug)]
pub struct Prices {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    /// As they are written.
    written: Vec<String>,
    names: GlobSet,
    rates: Rates,
    long: Option<(u64, Rates)>,
}

/// Millionths of a dollar for a million tokens.
#[derive(Clone, Copy, Debug)]
struct Rates {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
}

/// A price table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// Not the TOML that a price table is; line and column stand in the message.
    #[error("the price table cannot be read: {0}")]
    Toml(#[from] toml::de::Error),
    /// A pattern of a model's name is malformed.
    #[error("the price table has a bad `match`: {0}")]
    Pattern(#[from] globset::Error),
    /// A price is negative, not a number, or beyond reason.
    #[error("the price table says {0} for `{1}`: a price is a number of dollars for a million tokens, at least 0")]
    Price(f64, &'static str),
    /// A row without names, or no row at all.
    #[error("the price table has no rows, or a row without a `match`")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireTable {
    model: Vec<WireRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRow {
    #[serde(rename = "match")]
    names: Vec<String>,
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write_5m: f64,
    cache_write_1h: f64,
    long_prompt: Option<WireLong>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLong {
    over: u64,
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write_5m: f64,
    cache_write_1h: f64,
}

impl Prices {
    /// The table that the binary carries.
    ///
    /// # Panics
    /// Never: that the table parses is a test.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("the shipped price table is covered by a test")
    }

    /// Reads a table in the form of `config/prices.toml`.
    ///
    /// # Errors
    /// What is wrong with it, with its line where that is known.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        let table: WireTable = toml::from_str(text)?;
        let rows = table.model.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() { Err(PricesError::Empty) } else { Ok(Self { rows }) }
    }

    /// What these tokens cost with this model; none if no row knows it.
    pub fn cost(&self, model: &str, usage: Usage) -> Option<Usd> {
        self.rows.iter().find(|row| row.names.is_match(model)).map(|row| row.cost(usage))
    }

    /// Whether a row knows this model.
    pub fn knows(&self, model: &str) -> bool {
        self.rows.iter().any(|row| row.names.is_match(model))
    }

    /// The patterns of the names that it knows.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().flat_map(|row| &row.written).map(String::as_str)
    }

    /// The models that the table knows by their whole name, as far as it writes that out; a pattern for a family names none.
    pub fn models(&self) -> Vec<String> {
        let whole = |name: &&str| !name.is_empty() && !name.contains(['*', '?', '[', '{']) && !name.ends_with('-');
        let written = self.rows.iter().flat_map(|row| &row.written).map(|name| name.trim_matches('*'));
        written.filter(whole).map(str::to_owned).collect()
    }

    /// What these tokens cost with the dearest model of the table: what is charged for one that no row knows.
    pub fn dearest(&self, usage: Usage) -> Usd {
        self.rows.iter().map(|row| row.cost(usage)).max().unwrap_or_default()
    }
}

impl Row {
    fn read(wire: WireRow) -> Result<Self, PricesError> {
        if wire.names.is_empty() {
            return Err(PricesError::Empty);
        }
        let mut names = GlobSetBuilder::new();
        for name in &wire.names {
            names.add(Glob::new(name)?);
        }
        let rates = Rates::read([wire.input, wire.output, wire.cache_read, wire.cache_write_5m, wire.cache_write_1h])?;
        let long = match wire.long_prompt {
            Some(l) => Some((l.over, Rates::read([l.input, l.output, l.cache_read, l.cache_write_5m, l.cache_write_1h])?)),
            None => None,
        };
        Ok(Self { written: wire.names, names: names.build()?, rates, long })
    }

    fn cost(&self, usage: Usage) -> Usd {
        match self.long {
            Some((over, rates)) if usage.prompt() > over => rates.cost(usage),
            _ => self.rates.cost(usage),
        }
    }
}

impl Rates {
    /// In the order input, output, cache read, cache write for 5 minutes, cache write for an hour.
    fn read(dollars: [f64; 5]) -> Result<Self, PricesError> {
        let [input, output, cache_read, cache_write_5m, cache_write_1h] = dollars;
        Ok(Self {
            input: price(input, "input")?,
            output: price(output, "output")?,
            cache_read: price(cache_read, "cache_read")?,
            cache_write_5m: price(cache_write_5m, "cache_write_5m")?,
            cache_write_1h: price(cache_write_1h, "cache_write_1h")?,
        })
    }

    fn cost(&self, usage: Usage) -> Usd {
        let sum: u128 = [
            (usage.input, self.input),
            (usage.output, self.output),
            (usage.cache_read, self.cache_read),
            (usage.cache_write_5m, self.cache_write_5m),
            (usage.cache_write_1h, self.cache_write_1h),
        ]
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .sum();
        Usd(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

fn price(dollars: f64, key: &'static str) -> Result<u64, PricesError> {
    if (0.0..=1e6).contains(&dollars) { Ok(Usd::from_dollars(dollars).0) } else { Err(PricesError::Price(dollars, key)) }
}
