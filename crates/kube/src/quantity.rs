//! Amounts of resources: `500m`, `1.5Gi`, `2e3`.
//!
//! Pure. Source: k8s.io/apimachinery `pkg/api/resource/quantity.go`: what is written comes back in the canonical form, with
//! the suffixes of its family.

use std::{
    cmp::Ordering,
    fmt,
    iter::Sum,
    ops::{Add, Neg, Sub},
};

const NANO: i128 = 1_000_000_000;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// From 10⁻⁹ on, each a thousand times the last one.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// No amount is more than this, as in Kubernetes; larger ones are capped.
const NANOS_MAX: i128 = i64::MAX as i128 * NANO;

/// The family of suffixes that an amount was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Format {
    #[default]
    Decimal,
    Binary,
    Exponent,
}

/// An amount. Two are equal when they are as much, however they are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// So many of something.
    pub(crate) fn count(count: usize) -> Self {
        Self { nanos: i128::try_from(count).unwrap_or(i128::MAX / NANO) * NANO, format: Format::Decimal }
    }

    pub(crate) fn integer(number: i64) -> Self {
        Self { nanos: i128::from(number) * NANO, format: Format::Decimal }
    }

    /// Reads an amount; `None` for what is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let sign_end = usize::from(text.starts_with(['+', '-']));
        let number_end = text[sign_end..]
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .map_or(text.len(), |at| sign_end + at);
        let (number, suffix) = text.split_at(number_end);
        let (whole, fraction) = number[sign_end..].split_once('.').unwrap_or((&number[sign_end..], ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 30 {
            return None;
        }
        let (format, base, exponent) = scale(suffix)?;
        let mut nanos = if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()?.saturating_mul(NANO) };
        // What is smaller than a billionth is rounded up.
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        nanos = nanos.saturating_add(digits.parse().ok()?);
        let lost = fraction.get(9..).is_some_and(|rest| rest.bytes().any(|digit| digit != b'0'));
        if lost && base.saturating_pow(exponent.unsigned_abs()) == 1 {
            nanos = nanos.saturating_add(1);
        }
        let factor = base.checked_pow(exponent.unsigned_abs())?;
        let nanos =
            if exponent >= 0 { nanos.saturating_mul(factor) } else { nanos.saturating_add(factor - 1) / factor };
        let nanos = nanos.min(NANOS_MAX);
        Some(Self { nanos: if text.starts_with('-') { -nanos } else { nanos }, format })
    }

    /// Reads an amount out of an object: text, or a plain number.
    pub(crate) fn of(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::String(text) => Self::parse(text),
            serde_json::Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// -1, 0 or 1.
    pub(crate) fn sign(self) -> i64 {
        i64::try_from(self.nanos.signum()).unwrap_or(0)
    }

    /// The amount if it is whole.
    pub(crate) fn whole(self) -> Option<i64> {
        (self.nanos % NANO == 0).then(|| i64::try_from(self.nanos / NANO).ok()).flatten()
    }

    #[expect(clippy::cast_precision_loss, reason = "what is asked for is an approximation")]
    pub(crate) fn approximate(self) -> f64 {
        self.nanos as f64 / NANO as f64
    }
}

/// The family of a suffix and what it stands for, as a power.
fn scale(suffix: &str) -> Option<(Format, i128, i32)> {
    if let Some(exponent) = suffix.strip_prefix(['e', 'E']).filter(|exponent| !exponent.is_empty()) {
        return Some((Format::Exponent, 10, exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 24)?));
    }
    if let Some(power) = BINARY.iter().position(|held| *held == suffix).filter(|power| *power > 0) {
        return Some((Format::Binary, 1024, i32::try_from(power).ok()?));
    }
    let power = DECIMAL.iter().position(|held| *held == suffix)?;
    Some((Format::Decimal, 1000, i32::try_from(power).ok()? - 3))
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.format == Format::Binary && self.nanos.abs() >= 1024 * NANO {
            let (mut whole, mut power) = (self.nanos.div_euclid(NANO), 0);
            whole += i128::from(self.nanos.rem_euclid(NANO) != 0);
            while whole % 1024 == 0 && power + 1 < BINARY.len() {
                (whole, power) = (whole / 1024, power + 1);
            }
            return write!(f, "{whole}{}", BINARY[power]);
        }
        let (mut value, mut power) = (self.nanos, 0);
        while value != 0 && value % 1000 == 0 && power + 1 < DECIMAL.len() {
            (value, power) = (value / 1000, power + 1);
        }
        match (value, self.format, power) {
            (0, _, _) => f.write_str("0"),
            (_, Format::Exponent, 3) => write!(f, "{value}"),
            (_, Format::Exponent, _) => write!(f, "{value}e{}", (i32::try_from(power).unwrap_or(0) - 3) * 3),
            _ => write!(f, "{value}{}", DECIMAL[power]),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
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
        self.nanos.cmp(&other.nanos)
    }
}

impl Add for Quantity {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        // Nothing has no family of its own.
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }
}

impl Neg for Quantity {
    type Output = Self;

    fn neg(self) -> Self {
        Self { nanos: -self.nanos, ..self }
    }
}

impl Sub for Quantity {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).map_or_else(|| "none".to_owned(), |amount| amount.to_string())
    }

    #[test]
    fn amounts_come_back_in_their_canonical_form() {
        for (given, shown) in [
            ("0.5", "500m"),
            ("1500m", "1500m"),
            ("2000m", "2"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("100Ki", "100Ki"),
            ("0.5Ki", "512"),
            ("1000k", "1M"),
            ("2e3", "2e3"),
            ("12E", "9223372036854775807"),
            ("-1.5", "-1500m"),
            ("+3", "3"),
            (".5", "500m"),
            ("1n", "1n"),
            ("0Gi", "0"),
        ] {
            assert_eq!(canonical(given), shown, "{given}");
        }
        for none in ["", "-", "1x", "1 Gi", "1.2.3", "e3", "1e", "Ki", "1e99", "١"] {
            assert_eq!(canonical(none), "none", "{none}");
        }
    }

    #[test]
    fn amounts_add_up_across_families_in_that_of_the_first() {
        let of = |text| Quantity::parse(text).unwrap();
        assert_eq!((of("1Gi") + of("1M")).to_string(), "1074741824");
        assert_eq!((Quantity::default() + of("2Gi")).to_string(), "2Gi");
        assert_eq!((of("1") - of("300m")).to_string(), "700m");
        assert!(of("1Gi") > of("1G") && of("1000m") == of("1"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_canonical_form_is_as_much(text in "[+-]?[0-9]{0,20}\\.?[0-9]{0,12}(Ki|Mi|Ei|n|u|m|k|E|e[0-9]{1,2}|)") {
            if let Some(amount) = Quantity::parse(&text) {
                let again = Quantity::parse(&amount.to_string()).unwrap();
                // Amounts that are written in binary are rounded up to whole ones.
                prop_assert!(again == amount || (amount.format == Format::Binary && again > amount), "{text}");
            }
        }
    }
}
