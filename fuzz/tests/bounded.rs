//! The same inputs as `cargo run -p fuzz` gives, a bounded number of them.

use fuzz::{TARGETS, run};

/// Inputs of each reader.
const INPUTS: u64 = 1000;

/// One test of all, as allocations are counted for the process.
#[test]
fn no_reader_panics_takes_too_much_or_calls_bad_input_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    for target in TARGETS {
        let report = run(target, 0, 0..INPUTS, folder.path()).unwrap_or_else(|failure| {
            panic!("{}: {failure}; cargo run -p fuzz -- {0} keeps it", target.name)
        });
        assert_eq!(report.accepted + report.refused, INPUTS);
        // Inputs that are all refused, or all read, are no test of a reader.
        assert!(report.accepted > 0 && report.refused > INPUTS / 20, "{}: {report:?}", target.name);
    }
}
