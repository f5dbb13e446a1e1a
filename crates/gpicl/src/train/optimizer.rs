//! What a gradient does to all parameters of a model: global clipping, then the update of each, by [`adamw`] or [`muon`].

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use gpicl_ops::Precision;

use super::config::{OptimizerKind, TrainConfig};
use super::weights::ParamPath;
use super::{adamw, muon};

/// What is remembered of the gradients of every parameter, by the parameter's path in the model.
#[derive(Clone, Debug, Default)]
pub struct Optimizer {
    /// Of its own matrix products.
    pub(super) precision: Precision,
    /// Updates done so far: `t` of the bias correction.
    pub(super) updates: u64,
    pub(super) moments: BTreeMap<String, Moments>,
}

/// What is remembered of the gradients of one parameter, flat.
#[allow(clippy::large_enum_variant, reason = "there are few, and their tensors are elsewhere")]
#[derive(Clone, Debug)]
pub(super) enum Moments {
    /// First and second moment.
    AdamW([Tensor<1>; 2]),
    /// Momentum.
    Muon(Tensor<1>),
}

impl Optimizer {
    /// One that remembers nothing yet; its own matrix products are in `precision`.
    pub fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// One update of `model` with learning rate `lr`; returns the model and the global norm of the gradient
    /// before clipping. The caller checks the norm: with a NaN or Inf in it the update is not applied.
    pub fn step<M: Module>(&mut self, model: M, grads: Gradients, config: &TrainConfig, lr: f64) -> (M, f64) {
        let mut norm = GradientNorm { grads: &grads, sum: Vec::new() };
        model.visit(&mut norm);
        let norm = norm.value();
        if !norm.is_finite() {
            return (model, norm);
        }
        self.updates += 1;
        let grad_scale =
            if config.clip > 0.0 && norm > config.clip { (config.clip / norm) as f32 } else { 1.0 };
        let path = ParamPath::default();
        let mut update = Update { grads, config, lr, grad_scale, state: self, path };
        (model.map(&mut update), norm)
    }
}

struct GradientNorm<'a> {
    grads: &'a Gradients,
    sum: Vec<Tensor<1>>,
}

impl GradientNorm<'_> {
    /// The root of the sum of all squares; all are read at once, as a GPU is waited for at every reading.
    fn value(self) -> f64 {
        if self.sum.is_empty() {
            return 0.0;
        }
        Tensor::cat(self.sum, 0).into_data().iter::<f32>().map(f64::from).sum::<f64>().sqrt()
    }
}

impl ModuleVisitor for GradientNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = param.val().grad(self.grads) {
            self.sum.push(gpicl_ops::sum_of_squares(grad));
        }
    }
}

struct Update<'a> {
    grads: Gradients,
    config: &'a TrainConfig,
    lr: f64,
    grad_scale: f32,
    state: &'a mut Optimizer,
    path: ParamPath,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = param.val().grad_remove(&mut self.grads) else { return param };
        let (id, value, mapper) = param.consume();
        let (path, shape) = (self.path.name(), value.dims());
        let count: usize = shape.iter().product();
        let flat = value.inner().reshape([count]);
        let grad = grad.reshape([count]);
        let found = self.state.moments.remove(&path);
        let (flat, moments) = if self.config.optimizer == OptimizerKind::Muon && muon::moves(&path, D) {
            let momentum = match found {
                Some(Moments::Muon(momentum)) => momentum,
                _ => flat.zeros_like(),
            };
            let matrix = [shape[0], count / shape[0]];
            let step = muon::step(self.config, self.lr, self.grad_scale, self.state.precision);
            let (value, momentum) =
                muon::update(&path, flat.reshape(matrix), grad.reshape(matrix), momentum, step);
            (value.reshape([count]), Moments::Muon(momentum))
        } else {
            let [first, second] = match found {
                Some(Moments::AdamW(moments)) => moments,
                _ => [flat.zeros_like(), flat.zeros_like()],
            };
            let step = adamw::step(self.config, self.lr, self.state.updates, self.grad_scale, D);
            let (flat, first, second) = gpicl_ops::adamw(flat, grad, first, second, step);
            (flat, Moments::AdamW([first, second]))
        };
        self.state.moments.insert(path, moments);
        let value = Tensor::from_inner(flat.reshape(shape)).require_grad();
        Param::from_mapped_value(id, value, mapper)
    }
}
