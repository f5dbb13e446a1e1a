//! MAML (Finn, Abbeel and Levine 2017) in its online form, with meta-trained learning rates (Li et al. 2017).
//!
//! The inner loop is that of `sgd-one-pass`: predict example `t`, then one step of gradient descent on it,
//! `theta_{t+1} = theta_t - alpha * g_t(theta_t)`, with a learning rate `alpha` for each weight and bias tensor.
//! Meta-trained are `theta_0` and `log alpha`, to lower the mean of the losses `l_t(theta_t)` of all N predictions,
//! the objective of every other learner. The meta-gradient is exact, second derivatives included:
//!
//! ```text
//! Lambda_N = 0
//! Lambda_t = g_t / N + Lambda_{t+1} - H_t (alpha * Lambda_{t+1})        d J / d theta_0 = Lambda_0
//! d J / d alpha = - sum_t <Lambda_{t+1}, g_t>    over each tensor
//! ```
//!
//! `H_t v` is Pearlmutter's (1994) derivative of the backward pass along `v`. (ReLU has no second derivative where it
//! has a first one; the gradient is exact there.)
//!
//! Gradients of one example are outer products, so the first layer's weights, which are most of the network, are never
//! moved: `W_t = W_0 - alpha sum_{s<t} x_s delta_s^T`, thus `W_t^T x_t = W_0^T x_t - alpha sum_{s<t} (x_s . x_t) delta_s`.
//! On the way back it is the same with `Lambda`. Of each step only its units and the weights above are kept.

use num_traits::Float;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::mlp::{Mlp, Pass, mask};
use super::optimizer::Optimizer;
use super::tune::{Chosen, Tuning};
use super::vector::{Rows, add_outer, add_scaled, dot};
use super::{Examples, Learner, examples};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

/// Inner learning rates to start from; the one that is best for the random weights is chosen.
const RATES: [f32; 5] = [0.001, 0.003, 0.01, 0.03, 0.1];
/// Meta-learning rate of `log alpha` relative to that of the weights: a rate should be able to move tenfold.
const RATES_SPEED: f32 = 5.0;
/// Norm that the meta-gradient is clipped to.
const CLIP: f32 = 1.0;

/// Meta-training of `maml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MamlConfig {
    /// Meta-training steps, of 32 episodes each.
    pub steps: usize,
    /// Meta-learning rate (Adam), falling to zero on a line.
    pub lr: f32,
    /// Units of a hidden layer.
    pub hidden: usize,
    /// Hidden layers.
    pub layers: usize,
}

impl Default for MamlConfig {
    fn default() -> Self {
        Self { steps: 500, lr: 5e-3, hidden: 256, layers: 1 }
    }
}

impl MamlConfig {
    pub(super) fn validate(&self) -> Result<()> {
        for (field, value) in [("steps", self.steps), ("hidden", self.hidden), ("layers", self.layers)] {
            if value == 0 {
                return Err(Error::config(format!("baselines.maml.{field}"), "is 0", "give at least 1"));
            }
        }
        if !(self.lr.is_finite() && self.lr > 0.0) {
            let problem = format!("is {}", self.lr);
            return Err(Error::config("baselines.maml.lr", problem, "give a positive number"));
        }
        Ok(())
    }
}

/// A meta-trained initialisation with its inner learning rates.
#[derive(Clone, Debug)]
pub struct Maml {
    mlp: Mlp,
    params: Vec<f32>,
    /// Of each tensor: weight and bias of every layer.
    rates: Vec<f32>,
}

impl Learner for Maml {
    fn logits(&self, episode: Examples<'_>, logits: &mut [f32]) {
        let inner = Inner::run(&self.mlp, &self.params, &self.rates, episode.inputs, episode.labels);
        for (out, step) in logits.chunks_exact_mut(episode.classes).zip(&inner.steps) {
            out.copy_from_slice(step.pass.logits());
        }
    }

    fn answer(&self, context: Examples<'_>, queries: &[f32], logits: &mut [f32]) {
        let Self { mlp, rates, .. } = self;
        let mut params = self.params.clone();
        let mut pass = mlp.pass();
        for (x, &label) in context.inputs.chunks_exact(context.input_dim).zip(context.labels) {
            mlp.forward(&params, x, &mut pass);
            mlp.backward(&params, label as usize, &mut pass);
            mlp.add_gradient(0..mlp.layers(), &pass, |tensor| -rates[tensor], &mut params);
        }
        mlp.predict(&params, queries, logits);
    }
}

/// Meta-trains on the tuning episodes.
pub(super) fn fit(tuning: &Tuning<'_>) -> Result<Chosen> {
    let config = &tuning.config.maml;
    let dims = tuning.set.dims();
    let mlp = Mlp::new(dims.input_dim, config.hidden, config.layers, dims.classes);
    let params = mlp.init(&mut Rng::new(tuning.seed, Stream::Baseline, u64::MAX));
    let tensors = 2 * mlp.layers();
    let start = |rate| Maml { mlp: mlp.clone(), params: params.clone(), rates: vec![rate; tensors] };
    let (_, mut learner) = tuning.choose(RATES.map(|rate| (String::new(), start(rate))))?;
    learner.meta_train(tuning)?;
    let rates: Vec<String> = learner.rates.iter().map(|rate| format!("{rate:.2e}")).collect();
    let settings = format!(
        "second order, {} hidden units, {} meta-training steps, inner learning rates {}",
        config.hidden,
        config.steps,
        rates.join(" "),
    );
    Ok((settings, learner).into())
}

impl Maml {
    fn meta_train(&mut self, tuning: &Tuning<'_>) -> Result<()> {
        let config = &tuning.config.maml;
        let mut log_rates: Vec<f32> = self.rates.iter().map(|rate| rate.ln()).collect();
        // Adam's memory does not depend on the learning rate, which is set anew at every step.
        let mut memory = Optimizer::Adam(0.0).start(self.params.len());
        let mut rates_memory = Optimizer::Adam(0.0).start(log_rates.len());
        for (step, batch) in tuning.set.endless().take(config.steps).enumerate() {
            let gradients: Vec<MetaGradient<f32>> = (0..batch.len())
                .into_par_iter()
                .map(|i| {
                    let episode = examples(&batch, i, tuning.set.dims(), 0);
                    Inner::run(&self.mlp, &self.params, &self.rates, episode.inputs, episode.labels).back()
                })
                .collect();
            let share = 1.0 / batch.len() as f32;
            let mut sum = MetaGradient::zeros(self.params.len(), self.rates.len());
            for gradient in &gradients {
                sum.loss += share * gradient.loss;
                add_scaled(&mut sum.params, share, &gradient.params);
                add_scaled(&mut sum.rates, share, &gradient.rates);
            }
            // d / d log alpha = alpha d / d alpha.
            sum.rates.iter_mut().zip(&self.rates).for_each(|(slope, rate)| *slope *= rate);
            let norm = (dot(&sum.params, &sum.params) + dot(&sum.rates, &sum.rates)).sqrt();
            if !norm.is_finite() {
                return Err(Error::Diverged {
                    step: step as u64 + 1,
                    problem: format!("MAML's meta-gradient is {norm}"),
                    fix: "lower baselines.maml.lr".into(),
                });
            }
            if step % 50 == 0 {
                tracing::debug!(step, loss = sum.loss, norm, rates = ?self.rates, "maml");
            }
            let clip = (CLIP / norm).min(1.0);
            sum.params.iter_mut().chain(&mut sum.rates).for_each(|value| *value *= clip);
            let lr = config.lr * (1.0 - step as f32 / config.steps as f32);
            Optimizer::Adam(lr).update(&mut memory, &mut self.params, &sum.params);
            Optimizer::Adam(RATES_SPEED * lr).update(&mut rates_memory, &mut log_rates, &sum.rates);
            self.rates.iter_mut().zip(&log_rates).for_each(|(rate, log)| *rate = log.exp());
        }
        Ok(())
    }
}

/// The mean loss of an episode and its gradients.
struct MetaGradient<T> {
    loss: T,
    params: Vec<T>,
    rates: Vec<T>,
}

impl<T: Float> MetaGradient<T> {
    fn zeros(params: usize, rates: usize) -> Self {
        Self { loss: T::zero(), params: vec![T::zero(); params], rates: vec![T::zero(); rates] }
    }
}

/// One step of the inner loop, as far as the way back needs it.
struct Step<T> {
    pass: Pass<T>,
    label: usize,
    loss: T,
    /// The parameters after those of the first layer, before the update.
    upper: Vec<T>,
}

/// The inner loop over an episode.
struct Inner<'a, T> {
    mlp: &'a Mlp,
    rates: &'a [T],
    /// `[N, input_dim]`.
    inputs: Rows<'a, T>,
    /// Products of the inputs with each other, `[N, N]`.
    products: Vec<T>,
    steps: Vec<Step<T>>,
}

impl<'a, T: Float> Inner<'a, T> {
    fn run(mlp: &'a Mlp, params: &[T], rates: &'a [T], inputs: &'a [T], labels: &[u32]) -> Self {
        let (weight, bias) = mlp.layer(0);
        let (length, width, first) = (labels.len(), bias.len(), bias.end);
        let rows = Rows::new(inputs, inputs.len() / length);
        let products = rows.gram();
        // Gradients by the first layer's sums, `[steps, hidden]`.
        let mut deltas = Vec::with_capacity(length * width);
        let mut theta = params.to_vec();
        let mut steps = Vec::with_capacity(length);
        let examples = inputs.chunks_exact(inputs.len() / length).zip(labels);
        for ((x, &label), products) in examples.zip(products.chunks_exact(length)) {
            let (mut pass, label) = (mlp.pass(), label as usize);
            let sums = &mut pass.units[1];
            sums.copy_from_slice(&params[bias.clone()]);
            Rows::new(&params[weight.clone()], width).add_combination(x, sums);
            let moves = products[..steps.len()].iter().map(|&product| -(rates[0] * product + rates[1]));
            Rows::new(&deltas, width).add_combination(&moves.collect::<Vec<T>>(), sums);
            mlp.forward_above(&theta, &mut pass);
            let loss = mlp.backward(&theta, label, &mut pass);
            deltas.extend_from_slice(&pass.deltas[0]);
            let upper = theta[first..].to_vec();
            mlp.add_gradient(1..mlp.layers(), &pass, |tensor| -rates[tensor], &mut theta);
            steps.push(Step { pass, label, loss, upper });
        }
        Self { mlp, rates, inputs: rows, products, steps }
    }

    /// Way back, from the last step to the first.
    fn back(&self) -> MetaGradient<T> {
        let Self { mlp, rates, .. } = *self;
        let length = self.steps.len();
        let share = T::one() / T::from(length).expect("a float holds a length");
        let (weight, bias) = mlp.layer(0);
        let width = bias.len();
        let mut out = MetaGradient::zeros(bias.end + self.steps[0].upper.len(), rates.len());
        let mut along = mlp.pass();
        // Lambda of the first layer's weights is the sum over later steps of outer products of x and these.
        let mut changes = vec![T::zero(); length * width];
        for (t, step) in self.steps.iter().enumerate().rev() {
            out.loss = out.loss + share * step.loss;
            let (later, products) = (t + 1, &self.products[t * length..(t + 1) * length]);
            let sums = &mut along.units[1];
            sums.fill(T::zero());
            Rows::new(&changes[later * width..], width).add_combination(&products[later..], sums);
            step.back(mlp, rates, share, &mut along, &mut out);
            changes[t * width..later * width].copy_from_slice(&along.deltas[0]);
        }
        Rows::new(&changes, width).add_transposed_product(self.inputs, &mut out.params[weight]);
        out
    }
}

impl<T: Float> Step<T> {
    /// `Lambda_{t+1}`, in `out.params`, to `Lambda_t`, but for the first layer's weights; adds to `out.rates`. `along` has
    /// room for the derivatives of units and deltas along `alpha * Lambda_{t+1}`; its first sums hold the first layer's
    /// `Lambda_{t+1}^T x`. In the end its first deltas hold `Lambda_t - Lambda_{t+1}` by the first layer's sums.
    fn back(&self, mlp: &Mlp, rates: &[T], share: T, along: &mut Pass<T>, out: &mut MetaGradient<T>) {
        let Self { pass: Pass { units, deltas }, label, upper, .. } = self;
        let first = mlp.layer(0).1.end;
        let last = mlp.layers() - 1;
        let upper = |layer: usize| {
            let (weight, _) = mlp.layer(layer);
            Rows::new(&upper[weight.start - first..weight.end - first], deltas[layer].len())
        };
        for layer in 0..=last {
            let (weight, bias) = mlp.layer(layer);
            let lambda_bias = &out.params[bias];
            let (below, above) = along.units.split_at_mut(layer + 1);
            let sums = &mut above[0];
            if layer > 0 {
                sums.fill(T::zero());
                Rows::new(&out.params[weight], sums.len()).add_combination(&units[layer], sums);
            }
            out.rates[2 * layer] = out.rates[2 * layer] - dot(sums, &deltas[layer]);
            out.rates[2 * layer + 1] = out.rates[2 * layer + 1] - dot(lambda_bias, &deltas[layer]);
            sums.iter_mut().for_each(|sum| *sum = *sum * rates[2 * layer]);
            add_scaled(sums, rates[2 * layer + 1], lambda_bias);
            // The input of the network has no derivative.
            if layer > 0 {
                upper(layer).add_combination(&below[layer], sums);
            }
            if layer < last {
                mask(sums, &units[layer + 1]);
            }
        }
        // The softmax: delta = p - onehot.
        let logits = &along.units[last + 1];
        let onehot = |class: usize| if class == *label { T::one() } else { T::zero() };
        let p = |class: usize| deltas[last][class] + onehot(class);
        let mean = (0..logits.len()).fold(T::zero(), |sum, class| sum + p(class) * logits[class]);
        for (class, delta) in along.deltas[last].iter_mut().enumerate() {
            *delta = p(class) * (logits[class] - mean);
        }
        for layer in (1..=last).rev() {
            let (weight, _) = mlp.layer(layer);
            let (below, above) = along.deltas.split_at_mut(layer);
            let below = &mut below[layer - 1];
            upper(layer).products(&above[0], below);
            let mut moved = vec![T::zero(); below.len()];
            Rows::new(&out.params[weight], deltas[layer].len()).products(&deltas[layer], &mut moved);
            add_scaled(below, rates[2 * layer], &moved);
            mask(below, &units[layer]);
        }
        for layer in 0..=last {
            let (weight, bias) = mlp.layer(layer);
            // g / N - the derivative of g's second factor.
            let change = &mut along.deltas[layer];
            change
                .iter_mut()
                .zip(&deltas[layer])
                .for_each(|(change, &delta)| *change = share * delta - *change);
            if layer > 0 {
                add_outer(&mut out.params[weight.clone()], -T::one(), &along.units[layer], &deltas[layer]);
                add_outer(&mut out.params[weight], T::one(), &units[layer], change);
            }
            add_scaled(&mut out.params[bias], T::one(), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::tests::toy_episode;

    #[test]
    fn the_meta_gradient_agrees_with_central_differences() {
        for layers in [1, 2] {
            let (inputs, labels) = toy_episode(7, 4, 3, 2);
            let inputs: Vec<f64> = inputs.into_iter().map(f64::from).collect();
            let mlp = Mlp::new(4, 5, layers, 3);
            let init = mlp.init(&mut Rng::new(5, Stream::Baseline, 0));
            // Moved off zero: with zero biases a unit above units that are all off is exactly on ReLU's kink.
            let mut values: Vec<f64> = init.into_iter().map(|value| f64::from(value) + 0.1).collect();
            let count = values.len();
            values.extend((0..2 * mlp.layers()).map(|tensor| 0.1 + 0.03 * tensor as f64));
            let at = |values: &[f64]| {
                Inner::run(&mlp, &values[..count], &values[count..], &inputs, &labels).back()
            };
            let exact = at(&values);
            let exact: Vec<f64> = exact.params.into_iter().chain(exact.rates).collect();
            for i in 0..values.len() {
                let (kept, step) = (values[i], 1e-5);
                values[i] = kept + step;
                let up = at(&values).loss;
                values[i] = kept - step;
                let down = at(&values).loss;
                values[i] = kept;
                let expected = (up - down) / (2.0 * step);
                let error = (exact[i] - expected).abs();
                assert!(error < 1e-7 * (1.0 + expected.abs()), "{layers} {i}: {} {expected}", exact[i]);
            }
        }
    }
}
