//! Regular expressions and JSON pointers in expressions.
//!
//! Source: k8s.io/apiserver `pkg/cel/library/{regex,jsonpatch}.go`.

#![expect(clippy::trivially_copy_pass_by_ref, reason = "the interpreter hands arguments over so")]

use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::{
        types::{CelInt, CelList, CelString},
        value::Val,
    },
};
use regex::Regex;

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")?;
    add_overload!(env, fn escape_key: (CelString) -> CelString, name = "jsonpatch.escapeKey")
}

fn pattern(text: &CelString<'_>) -> Result<Regex, ExecutionError> {
    let problem = |error| ExecutionError::function_error("find", format!("Illegal regex: {error}"));
    Regex::new(text.inner()).map_err(problem)
}

fn find(text: &CelString<'_>, wanted: &CelString<'_>) -> Result<CelString<'static>, ExecutionError> {
    let pattern = pattern(wanted)?;
    Ok(pattern.find(text.inner()).map_or("", |found| found.as_str()).to_owned().into())
}

fn find_all(text: &CelString<'_>, wanted: &CelString<'_>) -> Result<CelList<'static>, ExecutionError> {
    find_some(text, wanted, &CelInt::from(-1))
}

fn find_some(text: &CelString<'_>, wanted: &CelString<'_>, most: &CelInt) -> Result<CelList<'static>, ExecutionError> {
    let pattern = pattern(wanted)?;
    let most = usize::try_from(*most.inner()).unwrap_or(usize::MAX);
    let found = pattern.find_iter(text.inner()).take(most);
    let boxed = found.map(|found| -> Box<dyn Val> { Box::new(CelString::from(found.as_str().to_owned())) });
    Ok(CelList::from(boxed.collect::<Vec<_>>()))
}

fn escape_key(key: &CelString<'_>) -> CelString<'static> {
    key.inner().replace('~', "~0").replace('/', "~1").into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_hold;

    #[test]
    fn what_matches_is_found() {
        all_hold(&[
            "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
            "'1 2 3'.findAll('[0-9]') == ['1', '2', '3'] && '1 2 3'.findAll('[0-9]', 1) == ['1']",
            "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c'",
        ]);
    }
}
