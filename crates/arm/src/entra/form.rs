//! `application/x-www-form-urlencoded`, as request bodies and queries carry it, with bounds.
//!
//! Holds secrets: there is no `Debug`, and nothing here is ever logged.

use thiserror::Error;

/// The longest form that is read, in bytes. A token request is a few kilobytes.
const BYTES_MAX: usize = 64 * 1024;
/// The most fields a form may have.
const FIELDS_MAX: usize = 64;

/// The fields of a form or of a query, in the order they came.
pub(super) struct Form(Vec<(String, String)>);

/// Why a form was not read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum InvalidForm {
    /// More than [`BYTES_MAX`] bytes.
    #[error("the form is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// More than [`FIELDS_MAX`] fields.
    #[error("the form has more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// A field given twice (RFC 6749, section 3.2, forbids it): which one would count?
    #[error("the field '{0}' is given more than once")]
    Repeated(String),
}

impl Form {
    /// Reads the body of a request. Fields without a value count as absent (RFC 6749, section 3.2).
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, InvalidForm> {
        if bytes.len() > BYTES_MAX {
            return Err(InvalidForm::TooLong);
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (seen, (name, value)) in form_urlencoded::parse(bytes).enumerate() {
            if seen == FIELDS_MAX {
                return Err(InvalidForm::TooManyFields);
            }
            if value.is_empty() {
                continue;
            }
            if fields.iter().any(|(earlier, _)| *earlier == name) {
                return Err(InvalidForm::Repeated(name.chars().take(64).collect()));
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// Reads the query of a request.
    pub(super) fn of_query(parts: &http::request::Parts) -> Result<Self, InvalidForm> {
        Self::parse(parts.uri.query().unwrap_or_default().as_bytes())
    }

    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_decodes_plus_and_percent_and_ignores_fields_without_a_value() {
        let form = Form::parse(b"scope=https%3A%2F%2Flocalhost%3A1%2F%2F.default+openid&empty=&flag").unwrap();
        assert_eq!(form.get("scope"), Some("https://localhost:1//.default openid"));
        assert_eq!(form.get("empty"), None);
        assert_eq!(form.get("flag"), None);
    }

    #[test]
    fn a_repeated_field_and_too_many_fields_are_refused() {
        assert_eq!(Form::parse(b"a=1&b=2&a=3").err(), Some(InvalidForm::Repeated("a".into())));
        let many = (0..=FIELDS_MAX).map(|field| format!("f{field}=x")).collect::<Vec<_>>().join("&");
        assert_eq!(Form::parse(many.as_bytes()).err(), Some(InvalidForm::TooManyFields));
        assert_eq!(Form::parse(&vec![b'a'; BYTES_MAX + 1]).err(), Some(InvalidForm::TooLong));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Form::parse(&bytes);
        }
    }
}
