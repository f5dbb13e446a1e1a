//! The weights of a model, by the names that they have in files.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

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

/// A parameter by its path: its shape, and its values, flat and outside automatic differentiation.
pub(super) struct Weight {
    pub path: String,
    pub shape: Vec<usize>,
    pub values: Tensor<1>,
}

/// All parameters of `model`, in its order.
pub(super) fn weights<M: Module>(model: &M) -> Vec<Weight> {
    let mut collect = Collect::default();
    model.visit(&mut collect);
    collect.weights
}

#[derive(Default)]
struct Collect {
    path: ParamPath,
    weights: Vec<Weight>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        let shape = value.dims().to_vec();
        let values = value.reshape([shape.iter().product::<usize>()]);
        self.weights.push(Weight { path: self.path.name(), shape, values });
    }
}
