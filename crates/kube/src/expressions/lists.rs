//! Lists and sets in expressions.
//!
//! Source: k8s.io/apiserver `pkg/cel/library/lists.go`, cel-go's `ext/sets.go`.

#![expect(clippy::needless_pass_by_value, reason = "the interpreter hands arguments over so")]

use std::cmp::Ordering;

use cel::{
    DeclarationError, Env, ExecutionError,
    common::{
        types::{CelBool, CelInt, DYN_TYPE, LIST_TYPE},
        value::{CowVal, Val},
    },
};

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn extension(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload("isSorted", "list.isSorted()", LIST_TYPE, vec![], is_sorted)?;
    env.add_member_overload("sum", "list.sum()", LIST_TYPE, vec![], sum)?;
    env.add_member_overload("min", "list.min()", LIST_TYPE, vec![], min)?;
    env.add_member_overload("max", "list.max()", LIST_TYPE, vec![], max)?;
    env.add_member_overload("indexOf", "list.indexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], index_of)?;
    env.add_member_overload("lastIndexOf", "list.lastIndexOf(dyn)", LIST_TYPE, vec![DYN_TYPE], last_index_of)?;
    env.add_overload("sets.contains", "sets.contains(list,list)", vec![LIST_TYPE, LIST_TYPE], contains)?;
    env.add_overload("sets.equivalent", "sets.equivalent(list,list)", vec![LIST_TYPE, LIST_TYPE], equivalent)?;
    env.add_overload("sets.intersects", "sets.intersects(list,list)", vec![LIST_TYPE, LIST_TYPE], intersects)
}

fn items<'b, 'v>(list: &'b (dyn Val + 'v)) -> Vec<&'b (dyn Val + 'v)> {
    let mut found = Vec::new();
    if let Some(list) = list.as_iterable() {
        let mut items = list.iter();
        while let Some(item) = items.next() {
            found.push(item);
        }
    }
    found
}

fn failed(function: &str, problem: &str) -> ExecutionError {
    ExecutionError::function_error(function, problem)
}

fn compare(a: &dyn Val, b: &dyn Val) -> Result<Ordering, ExecutionError> {
    a.as_comparer().ok_or_else(|| failed("compare", "the items of the list cannot be compared"))?.compare(b)
}

fn list<'a, 'b, 'v>(arguments: &'a Arguments<'b, 'v>, index: usize) -> Result<&'a (dyn Val + 'v), ExecutionError> {
    let list = arguments.get(index).map(|argument| &**argument);
    list.ok_or_else(|| ExecutionError::invalid_argument_count(index + 1, arguments.len()))
}

fn is_sorted<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let items = items(list(&arguments, 0)?);
    for pair in items.windows(2) {
        if compare(pair[0], pair[1])?.is_gt() {
            return Ok(CowVal::owned(CelBool::from(false)));
        }
    }
    Ok(CowVal::owned(CelBool::from(true)))
}

fn sum<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let items = items(list(&arguments, 0)?);
    let Some((first, others)) = items.split_first() else { return Ok(CowVal::owned(CelInt::from(0))) };
    let mut total = first.clone_as_boxed();
    for item in others {
        let next = total.as_adder().ok_or_else(|| failed("sum", "the items of the list cannot be added up"))?;
        total = next.add(*item)?.into_owned();
    }
    Ok(CowVal::Owned(total))
}

fn outermost<'b, 'v>(arguments: &Arguments<'b, 'v>, function: &str, wanted: Ordering) -> Outcome<'b, 'v> {
    let items = items(list(arguments, 0)?);
    let problem = || failed(function, &format!("{function} called on empty list"));
    let (first, others) = items.split_first().ok_or_else(problem)?;
    let mut found = *first;
    for item in others {
        if compare(*item, found)? == wanted {
            found = *item;
        }
    }
    Ok(CowVal::Owned(found.clone_as_boxed()))
}

fn min<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    outermost(&arguments, "min", Ordering::Less)
}

fn max<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    outermost(&arguments, "max", Ordering::Greater)
}

fn place(index: Option<usize>) -> CelInt {
    index.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX)).into()
}

fn index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let wanted = list(&arguments, 1)?;
    let found = items(list(&arguments, 0)?).into_iter().position(|item| item.equals(wanted));
    Ok(CowVal::owned(place(found)))
}

fn last_index_of<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let wanted = list(&arguments, 1)?;
    let found = items(list(&arguments, 0)?).into_iter().rposition(|item| item.equals(wanted));
    Ok(CowVal::owned(place(found)))
}

fn has_all(of: &dyn Val, wanted: &dyn Val) -> bool {
    let held = items(of);
    items(wanted).into_iter().all(|wanted| held.iter().any(|item| item.equals(wanted)))
}

fn contains<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (of, wanted) = (list(&arguments, 0)?, list(&arguments, 1)?);
    Ok(CowVal::owned(CelBool::from(has_all(of, wanted))))
}

fn equivalent<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let (a, b) = (list(&arguments, 0)?, list(&arguments, 1)?);
    Ok(CowVal::owned(CelBool::from(has_all(a, b) && has_all(b, a))))
}

fn intersects<'b, 'v>(arguments: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let others = items(list(&arguments, 1)?);
    let any = items(list(&arguments, 0)?).into_iter().any(|item| others.iter().any(|other| item.equals(*other)));
    Ok(CowVal::owned(CelBool::from(any)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::all_hold;

    #[test]
    fn lists_are_summed_up_and_searched() {
        all_hold(&[
            "[1, 2, 2].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
            "[1, 2, 3].sum() == 6 && [0.5, 1.0].sum() == 1.5 && [].sum() == 0",
            "[3, 1, 2].min() == 1 && ['a', 'c', 'b'].max() == 'c'",
            "[1, 2, 2].indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && [1].indexOf(3) == -1",
            "sets.contains([1, 2, 3], [3, 1]) && sets.equivalent([1, 1, 2], [2, 1]) && !sets.intersects([1], [2])",
        ]);
    }
}
