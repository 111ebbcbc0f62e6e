//! The Common Expression Language as Kubernetes speaks it: what rules of schemas and admission policies are written in.
//!
//! The interpreter is the crate `cel`; what Kubernetes adds to the language is in the modules below. Durations and times of
//! day are not there. Source: k8s.io/apiserver `pkg/cel`.

mod formats;
mod lists;
mod network;
mod numbers;
mod text;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use cel::{
    Context, DeclarationError, Env, ExecutionError, Program, Value as Cel,
    common::{
        types::{CelBool, CelMap, CelMapKey, CelNull, CelString},
        value::{CowVal, Val},
    },
    extensions,
};
use serde_json::{Map, Value};

/// What adds functions to the language.
type Addition = fn(&mut Env) -> Result<(), DeclarationError>;

static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(true);
    let additions: [Addition; 8] = [
        extensions::strings,
        extensions::lists,
        extensions::math,
        numbers::extension,
        network::extension,
        text::extension,
        lists::extension,
        formats::extension,
    ];
    for addition in additions {
        // They do not contradict each other (a test sees to it); without one its functions are unknown.
        let _ = env.add_extension(addition);
    }
    Arc::new(env)
});

/// Words that a field of an expression may not have as they are.
const RESERVED: [&str; 20] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
];

/// Why an expression has no value.
#[derive(Debug)]
pub(crate) enum Error {
    /// It uses a function or a variable that there is not.
    Unknown(String),
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unknown(text) | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

impl From<ExecutionError> for Error {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::UndeclaredReference(_) | ExecutionError::NoSuchOverload(_) => {
                Self::Unknown(error.to_string())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Expressions kept compiled, of all clusters together.
const COMPILED_MAX: usize = 10_000;
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Expression>>>> = LazyLock::new(Mutex::default);

/// An expression, ready to be asked.
pub(crate) struct Expression(Program);

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Expression")
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        LANGUAGE.compile(text).map(Self).map_err(|errors| errors.to_string())
    }

    /// The same, kept compiled for the next time.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub(crate) fn kept(text: &str) -> Result<Arc<Self>, String> {
        let lock = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = lock().get(text) {
            return Ok(Arc::clone(kept));
        }
        let made = Arc::new(Self::compile(text)?);
        let mut compiled = lock();
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(text.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    fn value<'e>(&'e self, scope: &'e Scope<'_>) -> Result<CowVal<'e, 'static>, Error> {
        Ok(Cel::resolve_val(self.0.expression(), &scope.0)?)
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// When it fails or is no truth.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> Result<bool, Error> {
        let value = self.value(scope)?;
        let truth = value.downcast_ref::<CelBool>().map(|truth| *truth.inner());
        truth.ok_or_else(|| Error::Failed(format!("expected bool, got {}", value.get_type().name())))
    }

    /// The text that it is.
    ///
    /// # Errors
    /// When it fails or is no text.
    pub(crate) fn text(&self, scope: &Scope<'_>) -> Result<String, Error> {
        let value = self.value(scope)?;
        let text = value.downcast_ref::<CelString<'_>>().map(|text| text.inner().to_owned());
        text.ok_or_else(|| Error::Failed(format!("expected string, got {}", value.get_type().name())))
    }
}

/// A value that expressions may speak of.
#[derive(Debug, Clone)]
pub(crate) struct Known(Box<dyn Val>);

impl Default for Known {
    fn default() -> Self {
        Self(Box::new(CelNull))
    }
}

impl Known {
    /// A value with the names of its fields as expressions write them.
    pub(crate) fn of(value: &Value) -> Self {
        let converted = cel::to_value(renamed(value)).ok().and_then(|value| value.try_into().ok());
        converted.map_or_else(Self::default, Self)
    }
}

/// What the names in an expression stand for.
pub(crate) struct Scope<'p>(Context<'p, 'static>);

impl Default for Scope<'_> {
    fn default() -> Self {
        Self(Context::with_env(Arc::clone(&LANGUAGE)))
    }
}

impl Scope<'_> {
    pub(crate) fn add(&mut self, name: &str, value: &Known) {
        self.0.add_variable_as_val(name, value.0.clone());
    }

    /// Gives expressions names below `variables`, each of which may speak of those before it. One that fails is not there,
    /// and so fails whoever asks for it.
    pub(crate) fn define(&mut self, variables: &[(String, Arc<Expression>)]) {
        let mut defined: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::new();
        self.0.add_variable_as_val("variables", Box::new(CelMap::from(HashMap::new())));
        for (name, expression) in variables {
            let value = expression.value(self).ok().map(CowVal::into_owned);
            if let Some(value) = value {
                defined.insert(name.clone().into(), value);
                self.0.add_variable_as_val("variables", Box::new(CelMap::from(defined.clone())));
            }
        }
    }
}

fn renamed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (escape(name), renamed(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(renamed).collect()),
        plain => plain.clone(),
    }
}

fn escape(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    // A name that is no identifier can only be a key of a map, and is written as it is.
    let identifier = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
    if !identifier || !name.contains("__") {
        return name.to_owned();
    }
    name.replace("__", "__underscores__")
}

/// A type of values that the language itself does not have.
macro_rules! own_type {
    ($type:ident, $constant:ident, $name:literal) => {
        static $constant: cel::common::types::Type = cel::common::types::Type::new_unspecified_type($name);

        impl cel::common::value::Val for $type {
            fn get_type(&self) -> &cel::common::types::Type {
                &$constant
            }

            fn cel_type() -> &'static cel::common::types::Type {
                &$constant
            }

            fn equals(&self, other: &dyn cel::common::value::Val) -> bool {
                other.downcast_ref::<$type>().is_some_and(|other| other == self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn cel::common::value::Val + 'v> {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn std::any::Any> {
                Some(self)
            }
        }

        impl cel::common::value::StaticVal for $type {}
    };
}
use own_type;

#[cfg(test)]
mod tests {
    use super::*;

    /// That each expression is true.
    pub(super) fn all_hold(expressions: &[&str]) {
        for text in expressions {
            let expression = Expression::compile(text).unwrap();
            let held = expression.holds(&Scope::default());
            assert!(matches!(held, Ok(true)), "{text}: {held:?}");
        }
    }

    #[test]
    fn what_is_added_to_the_language_contradicts_nothing() {
        let mut env = Env::stdlib().with_optional_support(true);
        let ours = [numbers::extension, network::extension, text::extension, lists::extension, formats::extension];
        for addition in [extensions::strings, extensions::lists, extensions::math].into_iter().chain(ours) {
            assert_eq!(env.add_extension(addition), Ok(()));
        }
    }

    #[test]
    fn variables_may_speak_of_those_before_them_and_be_of_any_type() {
        let compile = |text| Expression::kept(text).unwrap();
        let variables = [
            ("most".to_owned(), compile("quantity('1Gi')")),
            ("broken".to_owned(), compile("[1][5]")),
            ("fits".to_owned(), compile("quantity('2Mi').isLessThan(variables.most)")),
        ];
        let mut scope = Scope::default();
        scope.define(&variables);
        assert!(compile("variables.fits").holds(&scope).unwrap());
        assert!(matches!(compile("variables.broken == 1").holds(&scope), Err(Error::Failed(_))));
        assert!(matches!(compile("isFancy(1)").holds(&scope), Err(Error::Unknown(_))));
    }
}
