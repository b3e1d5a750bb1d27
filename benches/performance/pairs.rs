//! Alternating runs of two commands: A B A B. A disturbance of the machine affects both, so ratios are computed pair by
//! pair, and their median is reported.

use anyhow::Result;

use crate::measure::{Figures, Run};

/// The runs of both sides, in pairs: element `i` of both lists ran one after the other.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Phoenix.
    pub ours: Vec<Figures>,
    /// The tool it is compared with.
    pub others: Vec<Figures>,
}

impl Pairs {
    /// Measures both alternately, after the warm-up runs.
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

    /// The ratio of one figure, ours divided by theirs, pair by pair.
    pub fn ratio(&self, figure: fn(&Figures) -> f64) -> Spread {
        let pairs = self.ours.iter().zip(&self.others);
        Spread::of(pairs.map(|(ours, other)| figure(ours) / figure(other)))
    }
}

/// The number of runs.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Runs that are not counted.
    pub warm_ups: usize,
    /// Pairs that are counted.
    pub pairs: usize,
}

impl Count {
    /// This number of pairs after a warm-up; for a smoke test, one pair without a warm-up.
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

/// The distribution of a figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The minimum.
    pub min: f64,
    /// The maximum.
    pub max: f64,
}

impl Spread {
    /// Of at least one value; panics if there is none.
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
            min: values[0],
            max: values[values.len() - 1],
        }
    }

    /// The reciprocal: theirs divided by ours.
    pub fn inverse(self) -> Self {
        Self {
            median: self.median.recip(),
            min: self.max.recip(),
            max: self.min.recip(),
        }
    }
}
