//! Errors as people read them: one line of what, one of why, one of what to do.

use std::fmt;

/// An expected failure with its cause and its remedy.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Option<String>,
    remedy: Option<String>,
}

impl Failure {
    /// What failed, a fragment in lower case without a full stop.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, remedy: None }
    }

    /// Why.
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// What to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl Failure {
    /// All of it in one line, for clients that show no more.
    pub(crate) fn in_a_line(&self) -> String {
        let part =
            |sign: &str, part: &Option<String>| part.as_ref().map(|part| format!("{sign}{part}")).unwrap_or_default();
        format!("{}{}{}", self.what, part(": ", &self.why), part("; ", &self.remedy))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  why:    {why}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n  remedy: {remedy}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
