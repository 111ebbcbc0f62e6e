//! Fully qualified DNS names as the model uses them: lower case, without the trailing dot.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::Serialize;

/// A fully qualified DNS name: lower case, no trailing dot, 1–253 octets, labels of 1–63 octets.
///
/// Labels may hold letters, digits, `-`, `_` and, leftmost, `*` (RFC 1034 §3.5 and §4.3.3, as
/// widened by what Azure DNS accepts).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

/// Why a text is not a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a DNS name: {reason}")]
pub struct InvalidDnsName {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl DnsName {
    /// Parses a name; one trailing dot is dropped, letters become lower case.
    ///
    /// # Errors
    /// [`InvalidDnsName`] for empty or overlong names and labels, and for characters outside
    /// letters, digits, `-`, `_` and a leading `*` label.
    pub fn parse(text: &str) -> Result<Self, InvalidDnsName> {
        let invalid = |reason| InvalidDnsName { text: text.to_owned(), reason };
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() || name.len() > 253 {
            return Err(invalid("a name has 1 to 253 characters"));
        }
        for (index, label) in name.split('.').enumerate() {
            if label.is_empty() || label.len() > 63 {
                return Err(invalid("a label has 1 to 63 characters"));
            }
            let wildcard = index == 0 && label == "*";
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !wildcard && !label.bytes().all(plain) {
                return Err(invalid("only letters, digits, `-`, `_` and a first label `*` are allowed"));
            }
        }
        let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        Ok(Self(if is_lower { name.into() } else { name.to_ascii_lowercase().into() }))
    }

    /// The root of the DNS, written as the empty text.
    pub fn root() -> Self {
        Self("".into())
    }

    /// The name without its trailing dot, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name one label down: `<label>.<self>`.
    ///
    /// # Errors
    /// [`InvalidDnsName`] when the result would not be a name.
    pub fn prepend(&self, label: &str) -> Result<Self, InvalidDnsName> {
        Self::parse(&format!("{label}.{self}"))
    }

    /// This name and every name above it, longest first: `a.b.c`, `b.c`, `c`.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        suffixes(&self.0)
    }

    /// The part of this name before `zone`: `Some("")` for the zone itself, `None` outside it.
    pub fn relative_to(&self, zone: &Self) -> Option<&str> {
        let rest = self.0.strip_suffix(zone.as_str())?;
        if rest.is_empty() { Some("") } else { rest.strip_suffix('.') }
    }

    /// Whether a private DNS zone of this name is one of Private Link's, whose links alone have a
    /// `resolutionPolicy` (documentation "Fallback to internet for Azure Private DNS zones" and
    /// "Troubleshoot Azure Private DNS zone overrides": `privatelink.*` only). The zones that AKS makes, and those
    /// of its users, may have a label before that.
    pub fn is_private_link(&self) -> bool {
        self.0.split('.').rev().skip(1).any(|label| label == "privatelink")
    }

    /// Whether this name is `zone` or lies below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        self.relative_to(zone).is_some()
    }
}

/// A dotted name and every name above it, longest first.
pub fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('.').map(|(_, tail)| tail))
}

impl Borrow<str> for DnsName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = InvalidDnsName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for DnsName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_without_a_trailing_dot() {
        let name = DnsName::parse("AKS-1.privatelink.JapanEast.azmk8s.io.").unwrap();
        assert_eq!(name.as_str(), "aks-1.privatelink.japaneast.azmk8s.io");
    }

    #[test]
    fn a_name_knows_the_zones_it_lies_in() {
        let name = DnsName::parse("a.b.example").unwrap();
        let within = |zone: &str| name.relative_to(&zone.parse().unwrap()).map(str::to_owned);
        assert_eq!(within("b.example").as_deref(), Some("a"));
        assert_eq!(within("a.b.example").as_deref(), Some(""));
        assert_eq!(within("ample"), None);
        assert_eq!(name.suffixes().collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        for text in ["", ".", "a..b", "a b", "x.*.y", long.as_str(), &"a.".repeat(130)] {
            assert!(DnsName::parse(text).is_err(), "{text} parsed");
        }
        assert!(DnsName::parse("*.apps.example").is_ok());
    }
}
