//! A perceptron trained within the episode, from random weights: online in one pass, or until it has converged.

use super::full_batch::FullBatch;
use super::mlp::Mlp;
use super::optimizer::Optimizer;
use super::tune::{Chosen, Tuning};
use super::{Examples, Learner};
use crate::error::Result;
use crate::rng::{Rng, Stream};

/// What [`OnePass`] is chosen from: widths of the hidden layer, and learning rates.
const HIDDEN: [usize; 3] = [32, 128, 512];
const SGD: [f32; 5] = [0.001, 0.003, 0.01, 0.03, 0.1];
const ADAM: [f32; 5] = [0.0003, 0.001, 0.003, 0.01, 0.03];
/// What [`Converged`] is chosen from: the best of a grid of 14 on glyphs, where 32 units and other rates were behind.
const CONVERGED_HIDDEN: usize = 128;
const CONVERGED_OPTIMIZERS: [Optimizer; 4] =
    [Optimizer::Sgd(0.03), Optimizer::Sgd(0.1), Optimizer::Adam(0.003), Optimizer::Adam(0.01)];
/// Training is over at this mean cross-entropy (nats), or after so many steps.
const CONVERGED: f32 = 0.01;
const STEPS: usize = 300;

/// Predicts example `j`, then makes one update on it: the paper's SGD, batch size 1, one pass over the episode.
#[derive(Clone, Copy, Debug)]
pub struct OnePass {
    /// The update.
    pub optimizer: Optimizer,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Seed of the random weights.
    pub seed: u64,
}

/// Trained anew, from random weights, on all examples so far by updates on the whole of them, until the mean
/// cross-entropy is at most 0.01 nats or 300 updates are made.
#[derive(Clone, Debug)]
pub struct Converged {
    /// The update.
    pub optimizer: Optimizer,
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Seed of the random weights.
    pub seed: u64,
    /// After how many examples it is trained; after all but one of the episode in any case. Between two trainings the
    /// predictions are those of the last.
    pub refit: Vec<usize>,
}

/// Chooses optimiser, learning rate and width of [`OnePass`].
pub(super) fn fit_one_pass(tuning: &Tuning<'_>) -> Result<Chosen> {
    let seed = tuning.seed;
    let optimizers = SGD.map(Optimizer::Sgd).into_iter().chain(ADAM.map(Optimizer::Adam));
    let candidates = optimizers.flat_map(|optimizer| {
        HIDDEN.map(|hidden| (settings(optimizer, hidden), OnePass { optimizer, hidden, seed }))
    });
    Ok(tuning.choose(candidates)?.into())
}

/// Chooses optimiser and learning rate of [`Converged`], with a training before the last ten positions and one before
/// the last.
pub(super) fn fit_converged(tuning: &Tuning<'_>) -> Result<Chosen> {
    let (seed, hidden) = (tuning.seed, CONVERGED_HIDDEN);
    let refit = vec![tuning.set.dims().episode_length.saturating_sub(10)];
    let candidates = CONVERGED_OPTIMIZERS.map(|optimizer| {
        (settings(optimizer, hidden), Converged { optimizer, hidden, seed, refit: refit.clone() })
    });
    let (settings, learner) = tuning.choose(candidates)?;
    Ok((settings, Converged { refit: tuning.config.refit.clone(), ..learner }).into())
}

fn settings(optimizer: Optimizer, hidden: usize) -> String {
    format!("{optimizer}, {hidden} hidden units")
}

/// The network of an episode and its random weights.
fn fresh(episode: Examples<'_>, hidden: usize, seed: u64) -> (Mlp, Vec<f32>) {
    let mlp = Mlp::new(episode.input_dim, hidden, 1, episode.classes);
    let params = mlp.init(&mut Rng::new(seed, Stream::Baseline, episode.index));
    (mlp, params)
}

impl OnePass {
    /// Goes once over the examples; `predicted` gets the logits of every one, before the update on it.
    fn train(&self, episode: Examples<'_>, mut predicted: impl FnMut(&[f32])) -> (Mlp, Vec<f32>) {
        let (mlp, mut params) = fresh(episode, self.hidden, self.seed);
        let mut pass = mlp.pass();
        let mut gradient = vec![0.0; params.len()];
        let mut state = self.optimizer.start(params.len());
        for (x, &label) in episode.inputs.chunks_exact(episode.input_dim).zip(episode.labels) {
            mlp.forward(&params, x, &mut pass);
            predicted(pass.logits());
            mlp.backward(&params, label as usize, &mut pass);
            if let Optimizer::Sgd(lr) = self.optimizer {
                mlp.add_gradient(0..mlp.layers(), &pass, |_| -lr, &mut params);
            } else {
                gradient.fill(0.0);
                mlp.add_gradient(0..mlp.layers(), &pass, |_| 1.0, &mut gradient);
                self.optimizer.update(&mut state, &mut params, &gradient);
            }
        }
        (mlp, params)
    }
}

impl Learner for OnePass {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let mut rows = logits.chunks_exact_mut(episode.classes);
        self.train(episode, |logits| rows.next().expect("a row an example").copy_from_slice(logits));
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let (mlp, params) = self.train(context, |_| ());
        mlp.predict(&params, queries, logits);
    }
}

impl Converged {
    /// Trains fresh weights on the first `count` examples; without any they stay as they are.
    fn train(&self, episode: Examples<'_>, count: usize) -> (Mlp, Vec<f32>) {
        let (mlp, mut params) = fresh(episode, self.hidden, self.seed);
        if count == 0 {
            return (mlp, params);
        }
        let mut state = self.optimizer.start(params.len());
        let inputs = &episode.inputs[..count * episode.input_dim];
        let mut batch = FullBatch::new(&mlp, inputs, &episode.labels[..count]);
        for _ in 0..STEPS {
            let (loss, gradient) = batch.gradient(&params);
            if loss <= CONVERGED {
                break;
            }
            self.optimizer.update(&mut state, &mut params, gradient);
        }
        (mlp, params)
    }
}

impl Learner for Converged {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let last = episode.labels.len() - 1;
        let (mut mlp, mut params) = fresh(episode, self.hidden, self.seed);
        let mut pass = mlp.pass();
        let rows = logits.chunks_exact_mut(episode.classes);
        for (j, (out, x)) in rows.zip(episode.inputs.chunks_exact(episode.input_dim)).enumerate() {
            if j > 0 && (j == last || self.refit.contains(&j)) {
                (mlp, params) = self.train(episode, j);
            }
            mlp.forward(&params, x, &mut pass);
            out.copy_from_slice(pass.logits());
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let (mlp, params) = self.train(context, context.labels.len());
        mlp.predict(&params, queries, logits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::{logits, toy_episode};

    #[test]
    fn one_pass_makes_the_step_that_a_hand_makes() {
        let (optimizer, hidden, seed) = (Optimizer::Sgd(0.5), 1, 3);
        let (inputs, labels) = ([0.75, -0.5, 1.25], [1, 0, 2]);
        let rows = logits(&OnePass { optimizer, hidden, seed }, &inputs, &labels);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 1, classes: 3, index: 0 };
        let (_, params) = fresh(episode, hidden, seed);
        let p: Vec<f64> = params.into_iter().map(f64::from).collect();
        // One unit: a = w x + b, h = max(a, 0), z_c = v_c h + u_c.
        let (mut w, mut b, mut v, mut u) = (p[0], p[1], p[2..5].to_vec(), p[5..8].to_vec());
        for ((row, &x), &y) in rows.chunks_exact(3).zip(&inputs).zip(&labels) {
            let (x, h) = (f64::from(x), (w * f64::from(x) + b).max(0.0));
            let z: Vec<f64> = (0..3).map(|c| v[c] * h + u[c]).collect();
            for c in 0..3 {
                assert!((f64::from(row[c]) - z[c]).abs() < 1e-5, "{row:?} {z:?}");
            }
            let total: f64 = z.iter().map(|z| z.exp()).sum();
            let dz: Vec<f64> =
                (0..3).map(|c| z[c].exp() / total - f64::from(u8::from(c == y as usize))).collect();
            let da = if h > 0.0 { (0..3).map(|c| v[c] * dz[c]).sum::<f64>() } else { 0.0 };
            for c in 0..3 {
                v[c] -= 0.5 * dz[c] * h;
                u[c] -= 0.5 * dz[c];
            }
            w -= 0.5 * da * x;
            b -= 0.5 * da;
        }
    }

    #[test]
    fn converged_fits_what_it_has_seen_and_trains_where_it_is_told_to() {
        let (inputs, labels) = toy_episode(12, 5, 3, 8);
        let episode = Examples { inputs: &inputs, labels: &labels, input_dim: 5, classes: 3, index: 0 };
        let learner = |refit: &[usize]| Converged {
            optimizer: Optimizer::Adam(0.03),
            hidden: 32,
            seed: 1,
            refit: refit.to_vec(),
        };
        let (mlp, params) = learner(&[]).train(episode, 12);
        let mut pass = mlp.pass();
        for (x, &label) in inputs.chunks_exact(5).zip(&labels) {
            mlp.forward(&params, x, &mut pass);
            assert!(mlp.backward(&params, label as usize, &mut pass) < 0.1);
        }
        let run = |refit: &[usize]| {
            let mut out = vec![0.0; 36];
            learner(refit).logits(episode, &mut out);
            out
        };
        let (none, some) = (run(&[]), run(&[6]));
        assert_eq!(none[..18], some[..18]);
        assert_ne!(none[18..33], some[18..33]);
        assert_eq!(none[33..], some[33..], "the last position is always trained for");
    }
}
