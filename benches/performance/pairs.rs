//! Many runs of two commands, in turns: A B A B. What disturbs the machine disturbs both, so the ratio is taken pair by
//! pair and its median is told.

use anyhow::Result;

use crate::measure::{Figures, Run};

/// The runs of both sides; the first of one belongs to the first of the other.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Phoenix.
    pub ours: Vec<Figures>,
    /// What it is compared with.
    pub others: Vec<Figures>,
}

impl Pairs {
    /// Measures both in turns, after one run each that does not count.
    pub fn measure(ours: &Run, other: &Run, count: Count) -> Result<Self> {
        let mut pairs = Self {
            ours: Vec::new(),
            others: Vec::new(),
        };
        for _ in 0..count.warm_ups {
            ours.measure()?;
            other.measure()?;
        }
        for _ in 0..count.pairs {
            pairs.ours.push(ours.measure()?);
            pairs.others.push(other.measure()?);
        }
        Ok(pairs)
    }

    /// The ratio of one of the figures, ours to theirs, pair by pair.
    pub fn ratio(&self, figure: fn(&Figures) -> f64) -> Spread {
        let pairs = self.ours.iter().zip(&self.others);
        Spread::of(pairs.map(|(ours, other)| figure(ours) / figure(other)))
    }
}

/// How often to measure.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Runs before the first that counts.
    pub warm_ups: usize,
    /// Pairs that count.
    pub pairs: usize,
}

impl Count {
    /// So many pairs after a warm-up; or one, just to see it work.
    pub fn of(pairs: usize, smoke: bool) -> Self {
        if smoke {
            Self {
                warm_ups: 0,
                pairs: 1,
            }
        } else {
            Self { warm_ups: 1, pairs }
        }
    }
}

/// Many values of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self {
            median,
            least: values[0],
            most: values[values.len() - 1],
        }
    }

    /// The other way round: theirs to ours.
    pub fn inverse(self) -> Self {
        Self {
            median: self.median.recip(),
            least: self.most.recip(),
            most: self.least.recip(),
        }
    }
}
