//! The template language's grammar: text between `[` and `]` → an expression.
//!
//! Source: "Syntax and expressions in ARM templates". Function calls, literals in single quotes
//! (`''` is a quote), whole numbers, `.property`, `[index]`, and their safe forms `.?property` and
//! `[?index]`.

use serde_json::{Value, json};

use super::Problem;

/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 64;
/// Longest expression in characters; Azure's limit.
const LENGTH_MAX: usize = 24_576;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A text or a whole number.
    Literal(Value),
    /// `name(arguments)`.
    Call { name: String, arguments: Vec<Expression> },
    /// `of[by]` or `of.by`; with `safe`, what is not there is `null`.
    Index { of: Box<Expression>, by: Box<Expression>, safe: bool },
}

/// What a text in a template is.
#[derive(Debug, PartialEq)]
pub(super) enum Text {
    /// Itself; `[[` at the start stood for one bracket.
    Literal(String),
    /// What the expression gives.
    Expression(Expression),
}

/// Reads a text of a template.
pub(super) fn read(text: &str) -> Result<Text, Problem> {
    if let Some(rest) = text.strip_prefix("[[") {
        return Ok(Text::Literal(format!("[{rest}")));
    }
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Text::Literal(text.to_owned()));
    };
    if inner.len() > LENGTH_MAX {
        return Err(Problem::new(format!("The template expression is longer than {LENGTH_MAX} characters.")));
    }
    let mut reader = Reader { text: inner, at: 0, depth: 0 };
    let expression = reader.expression()?;
    reader.skip_spaces();
    if reader.at < inner.len() {
        return Err(reader.unexpected());
    }
    Ok(Text::Expression(expression))
}

struct Reader<'a> {
    text: &'a str,
    /// Position in bytes.
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn expression(&mut self) -> Result<Expression, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Problem::new(format!("The template expression is nested deeper than {DEPTH_MAX} levels.")));
        }
        let mut expression = self.primary()?;
        loop {
            self.skip_spaces();
            if self.take('.') {
                let safe = self.take('?');
                let name = self.name()?;
                let by = Box::new(Expression::Literal(json!(name)));
                expression = Expression::Index { of: Box::new(expression), by, safe };
            } else if self.take('[') {
                let safe = self.take('?');
                let by = Box::new(self.expression()?);
                self.expect(']')?;
                expression = Expression::Index { of: Box::new(expression), by, safe };
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, Problem> {
        self.skip_spaces();
        match self.peek() {
            Some('\'') => self.quoted(),
            Some(letter) if letter == '-' || letter.is_ascii_digit() => self.number(),
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => self.call(),
            _ => Err(self.unexpected()),
        }
    }

    fn quoted(&mut self) -> Result<Expression, Problem> {
        self.at += 1;
        let mut value = String::new();
        loop {
            match self.next() {
                Some('\'') if self.take('\'') => value.push('\''),
                Some('\'') => return Ok(Expression::Literal(json!(value))),
                Some(letter) => value.push(letter),
                None => return Err(self.unexpected()),
            }
        }
    }

    fn number(&mut self) -> Result<Expression, Problem> {
        let start = self.at;
        self.take('-');
        while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        let number: i64 = self.text[start..self.at].parse().map_err(|_| self.unexpected())?;
        Ok(Expression::Literal(json!(number)))
    }

    fn call(&mut self) -> Result<Expression, Problem> {
        let mut name = self.name()?;
        // A user's own function: `namespace.name(…)`.
        if self.peek() == Some('.') {
            self.at += 1;
            name = format!("{name}.{}", self.name()?);
        }
        self.skip_spaces();
        if !self.take('(') {
            return Err(Problem::new(format!(
                "The language expression '{name}' is not a function call: a text must be in single quotes."
            )));
        }
        let mut arguments = Vec::new();
        self.skip_spaces();
        if !self.take(')') {
            loop {
                arguments.push(self.expression()?);
                self.skip_spaces();
                if self.take(')') {
                    break;
                }
                self.expect(',')?;
            }
        }
        Ok(Expression::Call { name, arguments })
    }

    fn name(&mut self) -> Result<String, Problem> {
        self.skip_spaces();
        let start = self.at;
        while self.peek().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.unexpected());
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn take(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn expect(&mut self, wanted: char) -> Result<(), Problem> {
        self.skip_spaces();
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn unexpected(&self) -> Problem {
        let token = self.peek().map_or_else(|| "EndOfData".to_owned(), String::from);
        let shown: String = self.text.chars().take(200).collect();
        Problem::new(format!(
            "The language expression '{shown}' is not valid: the string character '{token}' at position '{}' is not expected.",
            self.at + 1
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_in_brackets_is_an_expression_and_a_doubled_bracket_is_none() {
        assert_eq!(read("plain").unwrap(), Text::Literal("plain".into()));
        assert_eq!(read("[[x]").unwrap(), Text::Literal("[x]".into()));
        assert_eq!(read("[a").unwrap(), Text::Literal("[a".into()));
        let Text::Expression(expression) = read("[ f('it''s', -3).a.?b[?0] ]").unwrap() else {
            panic!("no expression")
        };
        let literal = |value: Value| Expression::Literal(value);
        let index = |of, by, safe| Expression::Index { of: Box::new(of), by: Box::new(by), safe };
        let call = Expression::Call { name: "f".into(), arguments: vec![literal(json!("it's")), literal(json!(-3))] };
        let expected =
            index(index(index(call, literal(json!("a")), false), literal(json!("b")), true), literal(json!(0)), true);
        assert_eq!(expression, expected);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in
            ["[]", "[f(]", "[f(]]", "[f() g()]", "[x]", "['open]", "[f('a' 'b')]", "[-]", "[99999999999999999999]"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&format!("[{}{}]", "f(".repeat(999), ")".repeat(999))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\[\\PC{0,40}\\]") {
            let _ = read(&text);
        }
    }
}
