//! Columns beside a table's own: what regressions of the labels on the features say of a row that they were not fitted to
//! (stacked generalization, Wolpert 1992).
//!
//! Two ridge regressions of one-hot labels, a linear one and one with a Gaussian kernel. Queries are told what fits to the whole
//! context say, rows of the context what fits without their fold say. A row that is left out alone would be told of its own label:
//! without it the others' mean is farther from it. So the folds have all the same classes, and equal rows are told the same.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::eval::baselines::Examples;
use crate::eval::baselines::gram::{Gram, Kernel};
use crate::eval::baselines::ridge::{coefficients, target};
use crate::eval::baselines::vector::Rows;

/// Regularisations to choose from; the kernel of a row with itself is about 2.
const LAMBDAS: [f64; 9] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Inverse widths of the Gaussian kernel to choose from.
const GAMMAS: [f64; 3] = [0.25, 1.0, 4.0];
/// Parts of a context that are held out in turn.
const FOLDS: usize = 5;
/// Rows that are enough to choose by.
const ENOUGH: usize = 256;
/// Deviations from the mean at which numbers end here: few rows far out must not decide a regression.
const CLIP: f32 = 5.0;

/// The kernel and the regularisation of the linear regression and of the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe([(Kernel, f64); 2]);

/// Both regressions, fitted to a context.
pub(super) struct Stack {
    recipe: Recipe,
    /// The context, `[n, input_dim]` and `[n]`.
    rows: Vec<f32>,
    labels: Vec<u32>,
    input_dim: usize,
    classes: usize,
    /// Their kernels, and `[n, classes]`.
    regressions: Vec<(Kernel, Vec<f64>)>,
    /// What the rows of the context are told, `[n, width]`.
    told: Vec<f32>,
}

impl Stack {
    /// Most classes: each is two columns.
    pub(super) const MOST_CLASSES: usize = 20;

    /// Of standardised `rows` `[n, input_dim]`, NaN where a number is missing, in random order, and their labels. Without a recipe
    /// they say which.
    pub(super) fn fit(
        rows: &[f32],
        input_dim: usize,
        labels: &[u32],
        classes: usize,
        recipe: Option<Recipe>,
    ) -> Self {
        let rows = within(rows);
        let context = Examples { inputs: &rows, labels, input_dim, classes, index: 0 };
        let recipe = recipe.unwrap_or_else(|| Recipe::chosen(context));
        let fits = recipe.0.into_par_iter().map(|(kernel, lambda)| {
            let gram = kernel.gram(context);
            let told = alike(held_out(&gram, lambda, context), context);
            ((kernel, coefficients(&gram, lambda, labels, classes, |_| ())), told)
        });
        let (regressions, told): (Vec<_>, Vec<_>) = fits.unzip();
        let outputs = outputs(classes);
        let of_row = |row: usize| told.iter().flat_map(move |told| &told[row * classes..][..outputs]);
        let told = (0..labels.len()).flat_map(of_row).map(|&told| told as f32).collect();
        Self { recipe, labels: labels.to_vec(), input_dim, classes, regressions, told, rows }
    }

    /// By which it was fitted.
    pub(super) fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// Columns that one adds to a table of so many classes.
    pub(super) fn width_for(classes: usize) -> usize {
        2 * outputs(classes)
    }

    /// Columns that it adds.
    pub(super) fn width(&self) -> usize {
        Self::width_for(self.classes)
    }

    /// What row `row` of the context is told, `[width]`.
    pub(super) fn told(&self, row: usize) -> &[f32] {
        &self.told[row * self.width()..][..self.width()]
    }

    /// What `queries` `[q, input_dim]` are told, `[q, width]`.
    pub(super) fn answer(&self, queries: &[f32]) -> Vec<f32> {
        let &Self { input_dim, classes, .. } = self;
        let context = Examples { inputs: &self.rows, labels: &self.labels, input_dim, classes, index: 0 };
        let queries = within(queries);
        let crosses: Vec<_> =
            self.regressions.iter().map(|(kernel, _)| kernel.cross(context, &queries)).collect();
        let mut scores = vec![0.0; classes];
        let mut answers = Vec::with_capacity(queries.len() / input_dim * self.width());
        for query in 0..queries.len() / input_dim {
            for ((_, coefficients), cross) in self.regressions.iter().zip(&crosses) {
                scores.fill(0.0);
                Rows::new(coefficients, classes).add_combination(cross.row(query), &mut scores);
                answers.extend(scores[..outputs(classes)].iter().map(|&score| score as f32));
            }
        }
        answers
    }
}

impl Recipe {
    /// That under which held-out rows are told best.
    fn chosen(context: Examples<'_>) -> Self {
        let some = context.upto(context.labels.len().min(ENOUGH));
        let gaussian = GAMMAS.map(|gamma| Kernel::Gaussian { gamma });
        Self([&[Kernel::Features][..], &gaussian].map(|kernels| choose(kernels, some)))
    }
}

/// Numbers that one regression says of a row: of two classes the first says it all.
fn outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

/// Rows within [`CLIP`] of the mean, which missing numbers become.
fn within(rows: &[f32]) -> Vec<f32> {
    // -0.0 becomes 0.0.
    let number = |&value: &f32| if value.is_nan() { 0.0 } else { value.clamp(-CLIP, CLIP) + 0.0 };
    rows.iter().map(number).collect()
}

/// The kernel and the regularisation whose squared error on held-out rows is the least.
fn choose(kernels: &[Kernel], context: Examples<'_>) -> (Kernel, f64) {
    let error = |told: &[f64]| -> f64 {
        let rows = told.chunks_exact(context.classes).zip(context.labels);
        rows.flat_map(|(told, &label)| {
            told.iter()
                .enumerate()
                .map(move |(class, told)| (told - target(label, class, context.classes)).powi(2))
        })
        .sum()
    };
    let tried = kernels.par_iter().flat_map_iter(|&kernel| {
        let gram = kernel.gram(context);
        LAMBDAS.map(|lambda| (error(&held_out(&gram, lambda, context)), kernel, lambda))
    });
    let tried: Vec<_> = tried.collect();
    // Of equal ones the first.
    let best = tried.into_iter().min_by(|(a, ..), (b, ..)| a.total_cmp(b));
    let (_, kernel, lambda) = best.expect("there are some to choose from");
    (kernel, lambda)
}

/// What every row is told by a fit to the other folds, `[n, classes]`. Folds have as many rows of each class, but for one.
fn held_out(gram: &Gram, lambda: f64, context: Examples<'_>) -> Vec<f64> {
    let Examples { labels, classes, .. } = context;
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&row| labels[row]);
    let of_fold = |fold: usize| {
        let (held, rest): (Vec<_>, Vec<_>) =
            order.iter().enumerate().partition(|(place, _)| place % FOLDS == fold);
        let rest: Vec<usize> = rest.into_iter().map(|(_, &row)| row).collect();
        let of_rest: Vec<u32> = rest.iter().map(|&row| labels[row]).collect();
        let coefficients = coefficients(&gram.among(&rest), lambda, &of_rest, classes, |_| ());
        let tell = |row: usize| {
            let with = gram.row(row, labels.len());
            let with: Vec<f64> = rest.iter().map(|&other| with[other]).collect();
            let mut told = vec![0.0; classes];
            Rows::new(&coefficients, classes).add_combination(&with, &mut told);
            (row, told)
        };
        held.into_iter().map(|(_, &row)| tell(row)).collect::<Vec<_>>()
    };
    let folds: Vec<_> = (0..FOLDS).into_par_iter().map(of_fold).collect();
    let mut told = vec![0.0; labels.len() * classes];
    for (row, of_row) in folds.into_iter().flatten() {
        told[row * classes..][..classes].copy_from_slice(&of_row);
    }
    told
}

/// `told` `[n, classes]` where rows that are equal have the mean of theirs.
fn alike(mut told: Vec<f64>, context: Examples<'_>) -> Vec<f64> {
    let bits = |row: &[f32]| row.iter().map(|number| number.to_bits()).collect::<Vec<u32>>();
    let mut groups: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (number, row) in context.inputs.chunks_exact(context.input_dim).enumerate() {
        groups.entry(bits(row)).or_default().push(number);
    }
    for group in groups.into_values() {
        for class in 0..context.classes {
            let at = |row: &usize| row * context.classes + class;
            let mean = group.iter().map(|row| told[at(row)]).sum::<f64>() / group.len() as f64;
            group.iter().for_each(|row| told[at(row)] = mean);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, Stream};

    /// Rows of two numbers that share a large one, and whether the first has more of its own.
    fn twins(seed: u64, rows: usize) -> (Vec<f32>, Vec<u32>) {
        let mut rng = Rng::new(seed, Stream::Data, 0);
        let row = |rng: &mut Rng| {
            let (both, one, other) = (rng.normal(), 0.1 * rng.normal(), 0.1 * rng.normal());
            ([both + one, both + other], u32::from(one > other))
        };
        let (rows, labels): (Vec<_>, Vec<_>) = (0..rows).map(|_| row(&mut rng)).unzip();
        (rows.concat(), labels)
    }

    /// The share of pairs of rows of two classes that a number puts in order; half of those where it is the same.
    fn order(numbers: &[f32], labels: &[u32]) -> f64 {
        let of = |class: u32| {
            numbers.iter().zip(labels).filter(move |(_, label)| **label == class).map(|(n, _)| *n)
        };
        let pairs: Vec<f64> = of(0)
            .flat_map(|a| of(1).map(move |b| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b))))
            .collect();
        pairs.iter().sum::<f64>() / pairs.len() as f64
    }

    #[test]
    fn a_row_is_told_what_the_other_folds_say() {
        let (rows, labels) = twins(1, 30);
        let rows = within(&rows);
        let context = Examples { inputs: &rows, labels: &labels, input_dim: 2, classes: 2, index: 0 };
        for kernel in [Kernel::Features, Kernel::Gaussian { gamma: 4.0 }] {
            let told = held_out(&kernel.gram(context), 0.1, context);
            let mut sorted: Vec<usize> = (0..30).collect();
            sorted.sort_by_key(|&row| labels[row]);
            for fold in 0..5 {
                let rest: Vec<usize> =
                    (0..30).filter(|place| place % 5 != fold).map(|place| sorted[place]).collect();
                let inputs: Vec<f32> = rest.iter().flat_map(|&row| rows[2 * row..][..2].to_vec()).collect();
                let of_rest: Vec<u32> = rest.iter().map(|&row| labels[row]).collect();
                let rest = Examples { inputs: &inputs, labels: &of_rest, ..context };
                let fit = coefficients(&kernel.gram(rest), 0.1, &of_rest, 2, |_| ());
                for place in (fold..30).step_by(5) {
                    let row = sorted[place];
                    let cross = kernel.cross(rest, &rows[2 * row..][..2]);
                    let expected: f64 =
                        cross.row(0).iter().zip(fit.iter().step_by(2)).map(|(k, a)| k * a).sum();
                    assert!((told[2 * row] - expected).abs() < 1e-9, "{kernel:?} {row}");
                }
            }
        }
    }

    #[test]
    fn what_a_large_cause_hides_is_seen() {
        let (rows, labels) = twins(1, 300);
        let stack = Stack::fit(&rows, 2, &labels, 2, None);
        assert_eq!(stack.width(), 2, "a column of each regression");
        let (queries, truth) = twins(2, 100);
        let told = stack.answer(&queries);
        for column in 0..2 {
            let of_queries: Vec<f32> = told.iter().skip(column).step_by(2).copied().collect();
            let of_context: Vec<f32> = (0..300).map(|row| stack.told(row)[column]).collect();
            let orders = (order(&of_queries, &truth), order(&of_context, &labels));
            assert!(orders.0 > 0.95 && orders.1 > 0.95, "{column}: {orders:?}");
        }
        let far = stack.answer(&[1e9, -5.0, 5.0, f32::NEG_INFINITY]);
        assert_eq!(far[..2], far[2..], "numbers end at some deviations");
        assert_eq!(stack.answer(&[f32::NAN, -0.0]), stack.answer(&[0.0, 0.0]));
        let three: Vec<u32> = (0..300).map(|row| row % 3).collect();
        assert_eq!(Stack::fit(&rows, 2, &three, 3, None).width(), 6);
    }

    #[test]
    fn a_recipe_is_kept_whatever_the_labels_say() {
        let (rows, labels) = twins(1, 100);
        let by = |labels: &[u32], recipe| Stack::fit(&rows, 2, labels, 2, recipe);
        let chosen = by(&labels, None);
        let noise: Vec<u32> = (0..100).map(|row| row % 2).collect();
        assert_ne!(by(&noise, None).recipe(), chosen.recipe());
        let kept = by(&noise, Some(chosen.recipe()));
        assert_eq!(kept.recipe(), chosen.recipe());
        assert_ne!(kept.answer(&rows), by(&noise, None).answer(&rows));
        assert_eq!(by(&labels, Some(chosen.recipe())).answer(&rows), chosen.answer(&rows));
    }

    /// Were each row left out alone, the columns would put most pairs of rows into the wrong order.
    #[test]
    fn rows_are_not_told_of_their_own_labels() {
        let (mut noise, mut values) = (vec![0.0; 2], vec![0.0; 2]);
        for seed in 0..40 {
            let mut rng = Rng::new(seed, Stream::Data, 0);
            let labels: Vec<u32> = (0..30).map(|_| rng.below(2) as u32).collect();
            let rows: Vec<f32> = (0..120).map(|_| rng.normal()).collect();
            let few: Vec<f32> = (0..60).map(|_| rng.below(2) as f32).collect();
            for (input_dim, rows, found) in [(4, &rows, &mut noise), (2, &few, &mut values)] {
                let stack = Stack::fit(rows, input_dim, &labels, 2, None);
                for (column, found) in found.iter_mut().enumerate() {
                    let told: Vec<f32> = (0..30).map(|row| stack.told(row)[column]).collect();
                    *found += order(&told, &labels) / 40.0;
                }
                for (a, b) in [(0, 1), (3, 17)] {
                    let row = |number: usize| &rows[number * input_dim..][..input_dim];
                    assert!(row(a) != row(b) || stack.told(a) == stack.told(b));
                }
            }
        }
        assert!(noise.iter().chain(&values).all(|order| *order > 0.42), "{noise:?} {values:?}");
    }

    #[test]
    fn a_row_or_a_class_alone_is_no_matter() {
        let stack = Stack::fit(&[1.0, 2.0], 2, &[0], 2, None);
        assert_eq!(stack.told(0), [0.0, 0.0], "nobody says anything of it");
        let stack = Stack::fit(&[1.0, 1.0, 1.0, 1.0], 1, &[2, 2, 2, 2], 3, None);
        assert!(stack.answer(&[1.0]).iter().all(|told| told.is_finite()));
    }
}
