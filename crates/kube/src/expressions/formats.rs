//! Named formats in expressions: `!format.dns1123Label().validate(name).hasValue()`.
//!
//! Source: k8s.io/apiserver `pkg/cel/library/format.go`, k8s.io/apimachinery `pkg/util/validation`.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "the interpreter hands arguments over so")]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cel::{
    DeclarationError, Env, add_member_overload, add_overload,
    common::{
        types::{CelList, CelOptional, CelString},
        value::Val,
    },
};
use regex::Regex;

use super::own_type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Label,
    Subdomain,
    Label1035,
    QualifiedName,
    LabelPrefix,
    SubdomainPrefix,
    Label1035Prefix,
    LabelValue,
    Uri,
    Uuid,
    Byte,
    Date,
    DateTime,
}

own_type!(Format, FORMAT, "kubernetes.NamedFormat");

/// The formats by their names.
const FORMATS: [(&str, Format); 13] = [
    ("dns1123Label", Format::Label),
    ("dns1123Subdomain", Format::Subdomain),
    ("dns1035Label", Format::Label1035),
    ("qualifiedName", Format::QualifiedName),
    ("dns1123LabelPrefix", Format::LabelPrefix),
    ("dns1123SubdomainPrefix", Format::SubdomainPrefix),
    ("dns1035LabelPrefix", Format::Label1035Prefix),
    ("labelValue", Format::LabelValue),
    ("uri", Format::Uri),
    ("uuid", Format::Uuid),
    ("byte", Format::Byte),
    ("date", Format::Date),
    ("datetime", Format::DateTime),
];

static QUALIFIED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());

macro_rules! formats {
    ($env:ident, $($function:ident $name:literal $format:ident;)*) => {
        $(
            fn $function() -> Format {
                Format::$format
            }
            add_overload!($env, fn $function: () -> Format, name = $name)?;
        )*
    };
}

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    formats! { env,
        label "format.dns1123Label" Label;
        subdomain "format.dns1123Subdomain" Subdomain;
        label_1035 "format.dns1035Label" Label1035;
        qualified_name "format.qualifiedName" QualifiedName;
        label_prefix "format.dns1123LabelPrefix" LabelPrefix;
        subdomain_prefix "format.dns1123SubdomainPrefix" SubdomainPrefix;
        label_1035_prefix "format.dns1035LabelPrefix" Label1035Prefix;
        label_value "format.labelValue" LabelValue;
        uri "format.uri" Uri;
        uuid "format.uuid" Uuid;
        byte "format.byte" Byte;
        date "format.date" Date;
        datetime "format.datetime" DateTime;
    }
    add_overload!(env, fn named: (CelString) -> CelOptional, name = "format.named")?;
    add_member_overload!(env, fn validate: (Format, CelString) -> CelOptional)
}

fn named(name: &CelString<'_>) -> CelOptional<'static> {
    let found = FORMATS.iter().find(|(known, _)| *known == name.inner());
    found.map_or_else(CelOptional::none, |(_, format)| CelOptional::of(Box::new(*format)))
}

/// What is wrong, if anything is.
fn validate(format: &Format, text: &CelString<'_>) -> CelOptional<'static> {
    let problems: Vec<String> = format.problem(text.inner()).into_iter().collect();
    if problems.is_empty() {
        return CelOptional::none();
    }
    let boxed = problems.into_iter().map(|problem| -> Box<dyn Val> { Box::new(CelString::from(problem)) });
    CelOptional::of(Box::new(CelList::from(boxed.collect::<Vec<_>>())))
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

impl Format {
    fn problem(self, text: &str) -> Option<String> {
        // Of a prefix the end may be anything that can go on.
        let whole = if text.ends_with('-') { format!("{text}a") } else { text.to_owned() };
        let refused = |holds: bool, problem: &str| (!holds).then(|| problem.to_owned());
        let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                     and end with an alphanumeric character";
        let subdomain = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character";
        let label_1035 = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                          alphabetic character, and end with an alphanumeric character";
        let is_1035 = |text: &str| is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase());
        let is_subdomain = |text: &str| text.len() <= 253 && text.split('.').all(is_label);
        let is_name = |text: &str| text.len() <= 63 && QUALIFIED.as_ref().is_some_and(|pattern| pattern.is_match(text));
        match self {
            Self::Label => refused(is_label(text) && text.len() <= 63, label),
            Self::LabelPrefix => refused(is_label(&whole) && text.len() <= 63, label),
            Self::Subdomain => refused(is_subdomain(text), subdomain),
            Self::SubdomainPrefix => refused(is_subdomain(&whole), subdomain),
            Self::Label1035 => refused(is_1035(text) && text.len() <= 63, label_1035),
            Self::Label1035Prefix => refused(is_1035(&whole) && text.len() <= 63, label_1035),
            Self::QualifiedName => {
                let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
                refused(
                    is_name(name) && prefix.is_none_or(is_subdomain),
                    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                     alphanumeric character",
                )
            }
            Self::LabelValue => refused(
                text.is_empty() || is_name(text),
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                 start and end with an alphanumeric character",
            ),
            Self::Uri => {
                let uri = text.parse::<http::Uri>();
                refused(uri.is_ok_and(|uri| uri.scheme().is_some() || text.starts_with('/')), "invalid URI")
            }
            Self::Uuid => {
                refused(uuid::Uuid::try_parse(text).is_ok() && text.len() >= 32, "does not match the UUID format")
            }
            Self::Byte => refused(STANDARD.decode(text).is_ok(), "invalid base64"),
            Self::Date => refused(text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10, "invalid date"),
            Self::DateTime => refused(text.parse::<jiff::Timestamp>().is_ok(), "invalid datetime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_hold;

    #[test]
    fn formats_say_what_is_wrong() {
        all_hold(&[
            "!format.dns1123Label().validate('my-name').hasValue() && format.dns1123Label().validate('My').hasValue()",
            "!format.dns1123LabelPrefix().validate('my-').hasValue() && format.dns1035Label().validate('1a').hasValue()",
            "!format.dns1123Subdomain().validate('a.b').hasValue() && format.qualifiedName().validate('a/b/c').hasValue()",
            "format.named('uuid').value().validate('x').value()[0].contains('UUID') && !format.named('odd').hasValue()",
            "!format.date().validate('2024-02-29').hasValue() && format.date().validate('2023-02-29').hasValue()",
            "!format.byte().validate('aGk=').hasValue() && !format.labelValue().validate('').hasValue()",
            "!format.datetime().validate('2024-01-01T00:00:00Z').hasValue() && format.uri().validate('a b').hasValue()",
        ]);
    }
}
