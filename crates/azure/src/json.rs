//! Reading Azure's JSON: property names match without case, absent and `null` are the same.

use std::{net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::ResourceId;

/// A lenient reader over one JSON value: every step into an absent place gives an absent place.
#[derive(Clone, Copy)]
pub struct Json<'a>(Option<&'a Value>);

impl<'a> Json<'a> {
    /// Reads `value`; `null` counts as absent.
    pub fn new(value: &'a Value) -> Self {
        Self(Some(value).filter(|value| !value.is_null()))
    }

    /// The property `name` of an object: exact spelling first, then any case
    /// (Azure's own clients differ: `aRecords` and `ARecords`).
    #[must_use]
    pub fn get(self, name: &str) -> Self {
        let Some(Value::Object(object)) = self.0 else { return Self(None) };
        let found = object
            .get(name)
            .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value));
        Self(found.filter(|value| !value.is_null()))
    }

    /// A nested property, `a.b.c`.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        path.split('.').fold(self, Self::get)
    }

    /// The value itself, if present.
    pub fn value(self) -> Option<&'a Value> {
        self.0
    }

    /// Whether there is a value.
    pub fn is_present(self) -> bool {
        self.0.is_some()
    }

    /// The text, if it is one; an empty text counts as absent, as Azure's "choose for me" does.
    pub fn text(self) -> Option<&'a str> {
        self.0.and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The truth value, if it is one.
    pub fn flag(self) -> Option<bool> {
        self.0.and_then(Value::as_bool)
    }

    /// The whole number, if it is one.
    pub fn number(self) -> Option<u32> {
        self.0.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    }

    /// The items of a list; none if it is absent or no list.
    pub fn items(self) -> impl Iterator<Item = Json<'a>> {
        self.0.and_then(Value::as_array).into_iter().flatten().map(Json::new)
    }

    /// The text parsed into `T`, if it parses.
    pub fn parsed<T: FromStr>(self) -> Option<T> {
        self.text().and_then(|text| text.trim().parse().ok())
    }

    /// A reference to another resource: `{"id": …}` or the id itself.
    pub fn id(self) -> Option<ResourceId> {
        self.parsed().or_else(|| self.get("id").parsed())
    }

    /// A list of texts, each parsed into `T`; what does not parse is left out.
    pub fn list<T: FromStr>(self) -> Vec<T> {
        self.items().filter_map(Json::parsed).collect()
    }

    /// A list of IPv4 prefixes; a bare address counts as a /32, host bits are cleared.
    pub fn prefixes(self) -> Vec<Ipv4Net> {
        self.items().filter_map(Json::text).filter_map(parse_prefix).collect()
    }
}

/// An IPv4 prefix `a.b.c.d/n` or a bare address (a /32); host bits are cleared.
pub fn parse_prefix(text: &str) -> Option<Ipv4Net> {
    text.parse::<Ipv4Net>().map(|net| net.trunc()).or_else(|_| text.parse::<Ipv4Addr>().map(Ipv4Net::from)).ok()
}
