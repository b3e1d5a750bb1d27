//! Quantities of CPU, memory and storage, in the notation of Kubernetes.

use std::cmp::Ordering;
use std::fmt;

/// A quantity such as `200m`, `2`, `512Mi` or `50Gi`; always greater than zero.
#[derive(Clone, Debug)]
pub struct Quantity {
    text: String,
    thousandths: u128,
}

/// Decimal suffixes in ascending order, each 1,000 times the previous one, starting at one thousandth.
const DECIMAL: [&str; 7] = ["m", "", "k", "M", "G", "T", "P"];
/// Binary suffixes in ascending order, each 1,024 times the previous one.
const BINARY: [&str; 5] = ["Ki", "Mi", "Gi", "Ti", "Pi"];

impl Quantity {
    /// Parses a quantity. The error is the rest of a sentence that begins with its key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is not a quantity such as 200m, 2, 512Mi or 50Gi";
        let suffix = text.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = &text[..text.len() - suffix.len()];
        if digits.is_empty() || digits.len() > 15 {
            return Err(WRONG);
        }
        let number: u128 = digits.parse().map_err(|_| WRONG)?;
        if number == 0 {
            return Err("must be greater than zero");
        }
        if let Some(power) = BINARY.iter().position(|other| *other == suffix) {
            let bytes = number << (10 * (power + 1));
            Ok(Self {
                text: shortest(number, power, 1_024, &BINARY),
                thousandths: bytes * 1_000,
            })
        } else if let Some(power) = DECIMAL.iter().position(|other| *other == suffix) {
            let worth = (0..power).fold(number, |worth, _| worth * 1_000);
            Ok(Self {
                text: shortest(number, power, 1_000, &DECIMAL),
                thousandths: worth,
            })
        } else {
            Err(WRONG)
        }
    }

    /// Whether it can be an amount of memory or storage: `512m` is half a byte.
    pub fn is_plausible_size(&self) -> bool {
        self.thousandths >= 1_000 << 20
    }

    /// Whether it can be an amount of CPU: `512Mi` is half a billion cores.
    pub fn is_plausible_cpu(&self) -> bool {
        self.thousandths <= 10_000 * 1_000
    }

    /// The amount in thousandths of its unit, a core or a byte.
    pub fn thousandths(&self) -> u128 {
        self.thousandths
    }

    /// The sum of two quantities.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let thousandths = self.thousandths + other.thousandths;
        let text = if thousandths.is_multiple_of(1_024_000) {
            shortest(thousandths / 1_024_000, 0, 1_024, &BINARY)
        } else {
            shortest(thousandths, 0, 1_000, &DECIMAL)
        };
        Self { text, thousandths }
    }

    /// The quantity as a Kubernetes object contains it.
    pub fn to_kubernetes(&self) -> k8s_openapi::apimachinery::pkg::api::resource::Quantity {
        k8s_openapi::apimachinery::pkg::api::resource::Quantity(self.text.clone())
    }
}

/// The canonical form of the API server: `1`, not `1000m`. Any other form would appear as a difference at every
/// refresh.
fn shortest(mut number: u128, mut power: usize, step: u128, suffixes: &[&str]) -> String {
    while number.is_multiple_of(step) && power + 1 < suffixes.len() {
        number /= step;
        power += 1;
    }
    format!("{number}{}", suffixes[power])
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.thousandths == other.thousandths
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.thousandths.cmp(&other.thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_compare_by_what_they_are_worth() {
        let quantity = |text| Quantity::parse(text).unwrap();
        assert!(quantity("200m") < quantity("1"));
        assert!(quantity("1Gi") > quantity("1G"));
        assert_eq!(quantity("1000m"), quantity("1"));
        assert_eq!(quantity("1024Mi"), quantity("1Gi"));
    }

    #[test]
    fn an_amount_is_written_as_the_server_gives_it_back() {
        for (written, given_back) in [
            ("1000m", "1"),
            ("2500m", "2500m"),
            ("1024Mi", "1Gi"),
            ("2000", "2k"),
            ("512Mi", "512Mi"),
            ("1536Mi", "1536Mi"),
        ] {
            assert_eq!(Quantity::parse(written).unwrap().to_string(), given_back);
        }
    }

    #[test]
    fn amounts_add_up() {
        for (one, other, sum) in [
            ("200m", "1800m", "2"),
            ("512Mi", "1Gi", "1536Mi"),
            ("1Gi", "1G", "2073741824"),
            ("50m", "1", "1050m"),
        ] {
            let quantity = |text| Quantity::parse(text).unwrap();
            let found = quantity(one).plus(&quantity(other));
            assert_eq!((found.to_string(), found), (sum.to_owned(), quantity(sum)));
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "0",
            "0Gi",
            "-1",
            "1.5Gi",
            "1 Gi",
            "Gi",
            "1gi",
            "1e3",
            "9999999999999999",
            "m",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_unit_of_another_resource_is_not_plausible() {
        let quantity = |text| Quantity::parse(text).unwrap();
        for (text, is_plausible) in [
            ("512m", false),
            ("512", false),
            ("512k", false),
            ("1023Ki", false),
            ("1Mi", true),
            ("512M", true),
            ("1048576", true),
        ] {
            assert_eq!(
                quantity(text).is_plausible_size(),
                is_plausible,
                "{text} of memory"
            );
        }
        for (text, is_plausible) in [("512Mi", false), ("20k", false), ("1m", true), ("500", true)] {
            assert_eq!(quantity(text).is_plausible_cpu(), is_plausible, "{text} of CPU");
        }
    }
}
