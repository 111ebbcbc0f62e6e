//! Quantities and semantic versions in expressions.
//!
//! Source: k8s.io/apiserver `pkg/cel/library/quantity.go`, `semverlib.go`.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "the interpreter hands arguments over so")]

use std::cmp::Ordering;

use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::types::{CelBool, CelDouble, CelInt, CelString},
};

use super::own_type;
use crate::quantity::Quantity as Amount;

#[derive(Debug, Clone, PartialEq)]
struct Quantity(Amount);

own_type!(Quantity, QUANTITY, "kubernetes.Quantity");

/// A version as semver.org has it, whose build is of no account.
#[derive(Debug, Clone, PartialEq)]
struct Semver {
    numbers: [u64; 3],
    before: Vec<String>,
}

own_type!(Semver, SEMVER, "kubernetes.Semver");

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn quantity: (CelString) -> Result<Quantity>)?;
    add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    add_member_overload!(env, fn sign: (Quantity) -> CelInt)?;
    add_member_overload!(env, fn is_integer: (Quantity) -> CelBool)?;
    add_member_overload!(env, fn as_integer: (Quantity) -> Result<CelInt>)?;
    add_member_overload!(env, fn as_approximate_float: (Quantity) -> CelDouble)?;
    add_member_overload!(env, fn add: (Quantity, Quantity) -> Quantity)?;
    add_member_overload!(env, fn add_whole: (Quantity, CelInt) -> Quantity, name = "add")?;
    add_member_overload!(env, fn sub: (Quantity, Quantity) -> Quantity)?;
    add_member_overload!(env, fn sub_whole: (Quantity, CelInt) -> Quantity, name = "sub")?;
    add_member_overload!(env, fn is_less_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn is_greater_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn compare_to: (Quantity, Quantity) -> CelInt)?;
    add_overload!(env, fn semver: (CelString) -> Result<Semver>)?;
    add_overload!(env, fn is_semver: (CelString) -> CelBool)?;
    add_member_overload!(env, fn major: (Semver) -> CelInt)?;
    add_member_overload!(env, fn minor: (Semver) -> CelInt)?;
    add_member_overload!(env, fn patch: (Semver) -> CelInt)?;
    add_member_overload!(env, fn version_is_less_than: (Semver, Semver) -> CelBool, name = "isLessThan")?;
    add_member_overload!(env, fn version_is_greater_than: (Semver, Semver) -> CelBool, name = "isGreaterThan")?;
    add_member_overload!(env, fn version_compare_to: (Semver, Semver) -> CelInt, name = "compareTo")
}

fn quantity(text: &CelString<'_>) -> Result<Quantity, ExecutionError> {
    let problem = || {
        ExecutionError::function_error(
            "quantity",
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        )
    };
    Amount::parse(text.inner()).map(Quantity).ok_or_else(problem)
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    Amount::parse(text.inner()).is_some().into()
}

fn sign(amount: &Quantity) -> CelInt {
    amount.0.sign().into()
}

fn is_integer(amount: &Quantity) -> CelBool {
    amount.0.whole().is_some().into()
}

fn as_integer(amount: &Quantity) -> Result<CelInt, ExecutionError> {
    let problem = || ExecutionError::function_error("asInteger", "cannot convert value to integer");
    amount.0.whole().map(CelInt::from).ok_or_else(problem)
}

fn as_approximate_float(amount: &Quantity) -> CelDouble {
    amount.0.approximate().into()
}

fn add(a: &Quantity, b: &Quantity) -> Quantity {
    Quantity(a.0 + b.0)
}

fn add_whole(a: &Quantity, b: &CelInt) -> Quantity {
    Quantity(a.0 + Amount::integer(*b.inner()))
}

fn sub(a: &Quantity, b: &Quantity) -> Quantity {
    Quantity(a.0 - b.0)
}

fn sub_whole(a: &Quantity, b: &CelInt) -> Quantity {
    Quantity(a.0 - Amount::integer(*b.inner()))
}

fn is_less_than(a: &Quantity, b: &Quantity) -> CelBool {
    (a.0 < b.0).into()
}

fn is_greater_than(a: &Quantity, b: &Quantity) -> CelBool {
    (a.0 > b.0).into()
}

fn number(order: Ordering) -> CelInt {
    (order as i64).into()
}

fn compare_to(a: &Quantity, b: &Quantity) -> CelInt {
    number(a.0.cmp(&b.0))
}

impl Semver {
    fn parse(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').unwrap_or((text, "b"));
        let (core, before) = match text.split_once('-') {
            Some((core, before)) => (core, Some(before)),
            None => (text, None),
        };
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let unpadded = |part: &str| part == "0" || !part.starts_with('0');
        let parts: Vec<&str> = core.split('.').collect();
        let [major, minor, patch] = parts[..] else { return None };
        let number = |part: &str| (digits(part) && unpadded(part)).then(|| part.parse().ok()).flatten();
        let before: Vec<String> = before.into_iter().flat_map(|before| before.split('.')).map(str::to_owned).collect();
        let well = before.iter().all(|part| plain(part) && (!digits(part) || unpadded(part)));
        if !well || !build.split('.').all(plain) {
            return None;
        }
        Some(Self { numbers: [number(major)?, number(minor)?, number(patch)?], before })
    }

    fn order(&self, other: &Self) -> Ordering {
        let by_parts = || match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let pairs = self.before.iter().zip(&other.before);
                let orders = pairs.map(|(a, b)| match (a.parse::<u64>(), b.parse::<u64>()) {
                    (Ok(a), Ok(b)) => a.cmp(&b),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => a.cmp(b),
                });
                let mut orders = orders.filter(|order| order.is_ne());
                orders.next().unwrap_or_else(|| self.before.len().cmp(&other.before.len()))
            }
        };
        self.numbers.cmp(&other.numbers).then_with(by_parts)
    }

    fn number(&self, index: usize) -> CelInt {
        i64::try_from(self.numbers[index]).unwrap_or(i64::MAX).into()
    }
}

fn semver(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    let problem = || ExecutionError::function_error("semver", format!("{:?} is no semantic version", text.inner()));
    Semver::parse(text.inner()).ok_or_else(problem)
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    Semver::parse(text.inner()).is_some().into()
}

fn major(version: &Semver) -> CelInt {
    version.number(0)
}

fn minor(version: &Semver) -> CelInt {
    version.number(1)
}

fn patch(version: &Semver) -> CelInt {
    version.number(2)
}

fn version_is_less_than(a: &Semver, b: &Semver) -> CelBool {
    a.order(b).is_lt().into()
}

fn version_is_greater_than(a: &Semver, b: &Semver) -> CelBool {
    a.order(b).is_gt().into()
}

fn version_compare_to(a: &Semver, b: &Semver) -> CelInt {
    number(a.order(b))
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_hold;

    #[test]
    fn quantities_are_read_compared_and_added_up() {
        all_hold(&[
            "quantity('500m').isLessThan(quantity('1'))",
            "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('50Mi').isGreaterThan(quantity('50M'))",
            "isQuantity('1.3Gi') && !isQuantity('200K')",
            "quantity('50k').add(20) == quantity('50020') && quantity('50k').sub(quantity('20k')) == quantity('30k')",
            "quantity('1M').isInteger() && quantity('1M').asInteger() == 1000000 && quantity('-1').sign() == -1",
            "quantity('500m').asApproximateFloat() == 0.5 && !quantity('1m').isInteger()",
        ]);
    }

    #[test]
    fn versions_are_read_and_compared() {
        all_hold(&[
            "semver('1.2.3').major() == 1 && semver('1.2.3').minor() == 2 && semver('1.2.3').patch() == 3",
            "semver('1.0.0-rc.1').isLessThan(semver('1.0.0')) && semver('1.10.0').isGreaterThan(semver('1.9.9'))",
            "semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10')) == -1 && semver('1.0.0+a') == semver('1.0.0+b')",
            "!isSemver('v1.0.0') && !isSemver('1.0') && !isSemver('01.0.0') && isSemver('0.1.0-a.b+c')",
        ]);
    }
}
