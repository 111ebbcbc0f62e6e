//! The part of `OData`'s `$filter` that ARM's listings take: comparisons of a field with a text,
//! `substringof`, `startswith`, `and`, `or`, `not` and parentheses.
//!
//! Pure: it knows no resource; whoever filters says what a field's values are.

use azure::ArmError;

/// A parsed `$filter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `field eq 'value'` and its kin.
    Test {
        /// The field in lower case, `/` as written.
        field: String,
        /// How it is compared.
        operator: Operator,
        /// With what.
        value: String,
    },
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// Either holds.
    Or(Box<Filter>, Box<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
}

/// How a field is compared; without case, as ARM does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`.
    Equals,
    /// `ne`.
    Differs,
    /// `substringof('value', field)`.
    Contains,
    /// `startswith(field, 'value')`.
    StartsWith,
}

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 16;

impl Filter {
    /// Parses a `$filter`.
    ///
    /// # Errors
    /// 400 `InvalidFilterInQueryString` for what ARM would not understand either.
    pub fn parse(text: &str) -> Result<Self, ArmError> {
        let refused = || {
            ArmError::bad_request(
                "InvalidFilterInQueryString",
                format!("Invalid $filter '{text}' specified in the query string."),
            )
        };
        let mut parser = Parser { tokens: tokens(text).ok_or_else(refused)?, at: 0 };
        let filter = parser.any(0).ok_or_else(refused)?;
        if parser.at == parser.tokens.len() { Ok(filter) } else { Err(refused()) }
    }

    /// Whether the filter holds, where `test` says whether one comparison does.
    pub fn holds(&self, test: &dyn Fn(&str, Operator, &str) -> bool) -> bool {
        match self {
            Self::Test { field, operator, value } => test(field, *operator, value),
            Self::And(left, right) => left.holds(test) && right.holds(test),
            Self::Or(left, right) => left.holds(test) || right.holds(test),
            Self::Not(inner) => !inner.holds(test),
        }
    }

    /// The value some comparison with `field` asks for: `tagValue` is read together with `tagName`.
    pub fn value_of(&self, wanted: &str) -> Option<&str> {
        match self {
            Self::Test { field, value, .. } => (field == wanted).then_some(value),
            Self::And(left, right) | Self::Or(left, right) => left.value_of(wanted).or_else(|| right.value_of(wanted)),
            Self::Not(inner) => inner.value_of(wanted),
        }
    }
}

impl Operator {
    /// Whether `actual` compares with `value` like this.
    pub fn compares(self, actual: &str, value: &str) -> bool {
        match self {
            Self::Equals => actual.eq_ignore_ascii_case(value),
            Self::Differs => !actual.eq_ignore_ascii_case(value),
            Self::Contains => actual.to_lowercase().contains(&value.to_lowercase()),
            Self::StartsWith => actual.to_lowercase().starts_with(&value.to_lowercase()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let token = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = token {
            tokens.push(token);
            rest = &rest[1..];
        } else if first == '\'' {
            let (value, behind) = quoted(&rest[1..])?;
            tokens.push(Token::Text(value));
            rest = behind;
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "(),'".contains(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Some(tokens)
}

/// A text up to its closing quote; two quotes stand for one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(behind) => {
                value.push('\'');
                rest = behind;
            }
            None => return Some((value, rest)),
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn any(&mut self, depth: usize) -> Option<Filter> {
        let mut left = self.all(depth)?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Some(left)
    }

    fn all(&mut self, depth: usize) -> Option<Filter> {
        let mut left = self.one(depth)?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Some(left)
    }

    fn one(&mut self, depth: usize) -> Option<Filter> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.word("not") {
            return Some(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.is(&Token::Open) {
            let inner = self.any(depth + 1)?;
            return self.is(&Token::Close).then_some(inner);
        }
        let word = self.next_word()?;
        if self.is(&Token::Open) {
            return self.function(&word);
        }
        let operator = match self.next_word()?.to_ascii_lowercase().as_str() {
            "eq" => Operator::Equals,
            "ne" => Operator::Differs,
            _ => return None,
        };
        let value = self.next_text()?;
        Some(Filter::Test { field: word.to_ascii_lowercase(), operator, value })
    }

    fn function(&mut self, name: &str) -> Option<Filter> {
        let (field, operator, value) = if name.eq_ignore_ascii_case("substringof") {
            let value = self.next_text()?;
            let field = self.is(&Token::Comma).then(|| self.next_word())??;
            (field, Operator::Contains, value)
        } else if name.eq_ignore_ascii_case("startswith") {
            let field = self.next_word()?;
            let value = self.is(&Token::Comma).then(|| self.next_text())??;
            (field, Operator::StartsWith, value)
        } else {
            return None;
        };
        self.is(&Token::Close).then(|| Filter::Test { field: field.to_ascii_lowercase(), operator, value })
    }

    fn is(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    fn next_word(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(word.clone())
    }

    fn next_text(&mut self) -> Option<String> {
        let Some(Token::Text(text)) = self.tokens.get(self.at) else { return None };
        self.at += 1;
        Some(text.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(filter: &str, name: &str) -> bool {
        Filter::parse(filter)
            .unwrap()
            .holds(&|field, operator, value| field == "name" && operator.compares(name, value))
    }

    #[test]
    fn comparisons_combine() {
        assert!(holds("Name EQ 'A' or name eq 'b'", "a"));
        assert!(!holds("name ne 'a' and (name eq 'a' or name eq 'b')", "a"));
        assert!(holds("substringof('nor', name) and startswith(name, 'n')", "noren"));
        assert!(holds("not (name eq 'it''s')", "its"));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["", "name", "name eq", "name eq a", "name eq 'a", "name eq 'a' and", "(name eq 'a'", "f(name)"] {
            assert_eq!(Filter::parse(text).unwrap_err().code, "InvalidFilterInQueryString", "{text}");
        }
        assert!(Filter::parse(&"(".repeat(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z]{0,3}|['() ,]|eq|and|or|not|.){0,20}") {
            let _ = Filter::parse(&text);
        }
    }
}
