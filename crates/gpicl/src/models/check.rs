//! Checks at the door of a model: what does not fit is named, with what was expected and what was found.

use std::fmt::Debug;

/// Panics unless `found` is `expected`; `what` names the method and the argument.
#[track_caller]
pub fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) {
    assert!(found == expected, "{what}: expected {expected:?}, found {found:?}");
}

/// Panics if `found` is more than `most`.
#[track_caller]
pub fn at_most(what: &str, most: usize, found: usize) {
    assert!(found <= most, "{what}: expected at most {most}, found {found}");
}
