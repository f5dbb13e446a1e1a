//! AdamW (Loshchilov and Hutter 2019) over all parameters of a model, with global gradient clipping.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};
use gpicl_ops::AdamWStep;

use super::TrainConfig;

/// First and second moment of every parameter, by the parameter's path in the model.
#[derive(Clone, Debug, Default)]
pub struct Optimizer {
    /// Updates done so far: `t` of the bias correction.
    pub(super) updates: u64,
    pub(super) moments: BTreeMap<String, Moments>,
}

/// Both moments of one parameter, flat.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub first: Tensor<1>,
    pub second: Tensor<1>,
}

/// A parameter's place in the module tree, such as `blocks.0.qkv.weight`; the enum variant is left out.
#[derive(Debug, Default)]
pub struct ParamPath(Vec<String>);

impl ParamPath {
    /// Goes into a child, as the visitor reports it.
    pub fn enter(&mut self, name: &str, container: &str) {
        // The variant of the model enum is in the config already: weights are named by the architecture's fields.
        self.0.push(if container.starts_with("Enum:") { String::new() } else { name.to_string() });
    }

    /// Goes back to the parent.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// Where it is: the fields' names with dots between.
    pub fn name(&self) -> String {
        let parts: Vec<&str> = self.0.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        parts.join(".")
    }
}

impl Optimizer {
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
        let correction = |beta: f64| (1.0 - beta.powf(self.updates as f64)) as f32;
        let step = AdamWStep {
            lr: lr as f32,
            beta1: config.betas[0] as f32,
            beta2: config.betas[1] as f32,
            eps: config.eps as f32,
            weight_decay: 0.0,
            bias_correction1: correction(config.betas[0]),
            bias_correction2: correction(config.betas[1]),
            grad_scale: if config.clip > 0.0 && norm > config.clip {
                (config.clip / norm) as f32
            } else {
                1.0
            },
        };
        let mut update = Update {
            grads,
            step,
            weight_decay: config.weight_decay as f32,
            moments: &mut self.moments,
            path: ParamPath::default(),
        };
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
    step: AdamWStep,
    weight_decay: f32,
    moments: &'a mut BTreeMap<String, Moments>,
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
        let shape = value.dims();
        let count: usize = shape.iter().product();
        let flat = value.inner().reshape([count]);
        let moments = self.moments.remove(&self.path.name());
        let Moments { first, second } =
            moments.unwrap_or_else(|| Moments { first: flat.zeros_like(), second: flat.zeros_like() });
        // Biases, gains and offsets are not decayed.
        let step = AdamWStep { weight_decay: if D > 1 { self.weight_decay } else { 0.0 }, ..self.step };
        let (flat, first, second) = gpicl_ops::adamw(flat, grad.reshape([count]), first, second, step);
        self.moments.insert(self.path.name(), Moments { first, second });
        let value = Tensor::from_inner(flat.reshape(shape)).require_grad();
        Param::from_mapped_value(id, value, mapper)
    }
}
