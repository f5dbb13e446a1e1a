//! A running average of the weights (Polyak and Juditsky 1992; exponential, as in Tarvainen and Valpola 2017).

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use super::weights::{ParamPath, Weight, weights};

/// The average of every parameter, flat, by the parameter's path in the model.
#[derive(Clone, Debug)]
pub struct Average(BTreeMap<String, Tensor<1>>);

impl Average {
    /// The weights of `model` themselves.
    pub fn of<M: Module>(model: &M) -> Self {
        Self(weights(model).into_iter().map(|weight| (weight.path, weight.values)).collect())
    }

    /// Moves the average to the weights of `model` after update `t`, counted from 1. It keeps `decay` of itself, but at first
    /// less: what the weights were at random is soon forgotten.
    pub fn update<M: Module>(&mut self, model: &M, decay: f64, t: u64) {
        let t = t as f64;
        let keep = decay.min((1.0 + t) / (10.0 + t));
        for Weight { path, values, .. } in weights(model) {
            let average = self.0.remove(&path).unwrap_or_else(|| values.clone());
            self.0.insert(path, average * keep + values * (1.0 - keep));
        }
    }

    /// `model` with the average for its weights.
    pub fn applied<M: Module>(&self, model: M) -> M {
        model.map(&mut Apply { average: self, path: ParamPath::default() })
    }
}

struct Apply<'a> {
    average: &'a Average,
    path: ParamPath,
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(average) = self.average.0.get(&self.path.name()) else { return param };
        let (id, value, mapper) = param.consume();
        let average = average.clone().reshape(value.dims());
        let average = if value.is_autodiff() { Tensor::from_inner(average).require_grad() } else { average };
        Param::from_mapped_value(id, average, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<2>>,
    }

    fn one(value: f32) -> One {
        One { weight: Param::from_data(TensorData::new(vec![value; 4], [2, 2]), &Device::flex()) }
    }

    #[test]
    fn it_forgets_the_start_soon_and_then_keeps_its_decay() {
        let mut average = Average::of(&one(5.0));
        let value = |average: &Average| {
            average.applied(one(9.0)).weight.val().into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(value(&average), [5.0; 4]);
        average.update(&one(1.0), 0.5, 1);
        let first = 5.0 * 2.0 / 11.0 + 9.0 / 11.0;
        assert!(value(&average).iter().all(|x| (x - first).abs() < 1e-6));
        average.update(&one(1.0), 0.5, 1000);
        assert!(value(&average).iter().all(|x| (x - 0.5 * (first + 1.0)).abs() < 1e-6));
    }
}
