//! Shape checks at the door of the public functions.

/// Panics unless `found` is `expected`; `what` names the operation and the argument.
#[track_caller]
pub fn shape(what: &str, expected: &[usize], found: &[usize]) {
    assert!(expected == found, "{what}: expected shape {expected:?}, found {found:?}");
}

/// Panics if a batch `[sequences, tokens, ..]` is empty.
#[track_caller]
pub fn filled(what: &str, found: &[usize]) {
    that(!found.contains(&0), what, "at least one sequence, token and number", found);
}

/// Panics unless a condition on a size holds.
#[track_caller]
pub fn that(holds: bool, what: &str, expected: &str, found: &[usize]) {
    assert!(holds, "{what}: expected {expected}, found {found:?}");
}
