//! The paper's own numbers, to stand beside ours.

/// The data sets of the paper's table, by the names of `gpicl data list`.
pub(super) const SETS: [&str; 6] = ["mnist", "fashion-mnist", "kmnist", "random", "cifar10", "svhn"];

/// Examples in an episode, the last one a query.
pub(super) const EPISODE_LENGTH: usize = 100;

/// Accuracy in % after 99 examples of unseen tasks, meta-trained on MNIST at 32x32x3.
pub(super) const ROWS: [(&str, [f64; 6]); 5] = [
    ("GPICL Transformer", [73.7, 62.2, 53.4, 100.0, 19.4, 14.6]),
    ("SGD", [70.3, 50.8, 37.9, 100.0, 14.8, 10.2]),
    ("MAML", [53.7, 48.4, 36.3, 99.8, 17.4, 11.3]),
    ("VSML", [79.0, 68.5, 54.7, 100.0, 24.1, 17.5]),
    ("LSTM", [25.4, 28.1, 18.1, 58.7, 12.1, 11.1]),
];

/// The number of `row` for data set `set`, if the paper has it.
pub(super) fn accuracy(row: &[f64; 6], set: &str) -> Option<f64> {
    SETS.iter().position(|name| *name == set).map(|at| row[at])
}

/// What those numbers are.
pub(super) const NOTE: &str = "Rows marked (paper): Kirsch et al., the published data sets, meta-trained on MNIST at 32x32x3 with far more computation.";
