//! The page's two languages, and which one a reader gets. What the page itself says stands beside its
//! translation where it is used; what other crates say in English has its Japanese in [`crate::japanese`].

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Japanese.
    Japanese,
}

impl Language {
    /// The one that `Accept-Language` (RFC 9110 §12.5.4) prefers; English if it names neither.
    pub fn negotiate(accepted: Option<&str>) -> Self {
        let mut best = (0.0, Self::English);
        for choice in accepted.unwrap_or_default().split(',') {
            let (range, parameters) = choice.split_once(';').unwrap_or((choice, ""));
            let quality = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
            let language = match range.trim().split('-').next() {
                Some(tag) if tag.eq_ignore_ascii_case("ja") => Self::Japanese,
                Some(tag) if tag.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, language);
            }
        }
        best.1
    }

    /// The tag, as HTML's `lang` has it.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// Whichever of the two the reader reads.
    pub const fn say<'a>(self, english: &'a str, japanese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Japanese => japanese,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_gets_the_language_that_the_browser_prefers() {
        assert_eq!(Language::negotiate(Some("ja,en-US;q=0.8,en;q=0.5")), Language::Japanese);
        assert_eq!(Language::negotiate(Some("de, en;q=0.7, ja-JP;q=0.3")), Language::English);
        assert_eq!(Language::negotiate(Some("en;q=0.2, JA;q=0.9")), Language::Japanese);
        for neither in [None, Some(""), Some("fr"), Some("ja;q=zero")] {
            assert_eq!(Language::negotiate(neither), Language::English);
        }
    }
}
