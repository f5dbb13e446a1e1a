//! LSTM, GRU and attention against PyTorch's, with its weights: values and all gradients. And its Muon.
//!
//! `bench/peers/torch_weights.py` and `torch_muon.py` made the fixtures.
#![cfg(feature = "flex")]

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use gpicl_ops::{Activation, AttentionMask, MuonStep, Precision, TokenLayout};
use safetensors::SafeTensors;

const FP32: Precision = Precision::Fp32;
const LAYERS: usize = 2;
const HEADS: usize = 2;

/// One module's tensors by name, flat, each a leaf; and their shapes.
struct Case(BTreeMap<String, (Tensor<1>, Vec<usize>)>);

impl Case {
    fn new(module: &str) -> Self {
        let file = SafeTensors::deserialize(include_bytes!("fixtures/torch.safetensors")).unwrap();
        let device = Device::flex().autodiff();
        let tensors = file.iter().filter_map(|(name, view)| {
            let name = name.strip_prefix(module)?.strip_prefix('.')?;
            let numbers =
                view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            let numbers: Vec<f32> = numbers.collect();
            let count = numbers.len();
            let leaf = Tensor::from_data(TensorData::new(numbers, [count]), &device).require_grad();
            Some((name.to_string(), (leaf, view.shape().to_vec())))
        });
        Self(tensors.collect())
    }

    fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        let (leaf, shape) = &self.0[name];
        leaf.clone().reshape(<[usize; D]>::try_from(&shape[..]).unwrap())
    }

    /// `x W^T + b`, as PyTorch stores the weight.
    fn linear(&self, x: Tensor<3>, weight: &str, bias: Tensor<1>) -> Tensor<3> {
        gpicl_ops::linear(x, self.get::<2>(weight).transpose(), bias, Activation::Identity, FP32)
    }

    /// Compares an output with PyTorch's, and all gradients.
    fn check(&self, out: Tensor<3>) {
        let close = |what: &str, found: Tensor<1>, expected: Tensor<1>| {
            let error = (found - expected.inner()).abs().max().into_scalar::<f32>();
            assert!(error < 2e-5, "{what}: off by {error:e}");
        };
        close("out", out.clone().inner().flatten(0, 2), self.0["out"].0.clone());
        let grads = (out * self.get("weights").detach()).sum().backward();
        let mut gradients = 0;
        for (name, (expected, _)) in &self.0 {
            if let Some(of) = name.strip_prefix("grad.") {
                let found = self.0[of].0.grad(&grads).unwrap_or_else(|| panic!("no gradient of {of}"));
                close(name, found, expected.clone());
                gradients += 1;
            }
        }
        assert!(gradients >= 5, "only {gradients} gradients");
    }
}

#[test]
fn lstm_is_that_of_pytorch() {
    let case = Case::new("lstm");
    let h = (0..LAYERS).fold(case.get("x"), |x, layer| {
        let bias = case.get::<1>(&format!("bias_ih_l{layer}")) + case.get(&format!("bias_hh_l{layer}"));
        let gates = case.linear(x, &format!("weight_ih_l{layer}"), bias);
        let weight = case.get::<2>(&format!("weight_hh_l{layer}")).transpose();
        gpicl_ops::lstm(gates, weight, TokenLayout::Shifted, FP32)
    });
    case.check(h);
}

#[test]
fn gru_is_that_of_pytorch() {
    let case = Case::new("gru");
    let h = (0..LAYERS).fold(case.get("x"), |x, layer| {
        let gates = case.linear(x, &format!("weight_ih_l{layer}"), case.get(&format!("bias_ih_l{layer}")));
        let weight = case.get::<2>(&format!("weight_hh_l{layer}")).transpose();
        gpicl_ops::gru(gates, weight, case.get(&format!("bias_hh_l{layer}")), TokenLayout::Shifted, FP32)
    });
    case.check(h);
}

#[test]
fn attention_is_that_of_pytorch() {
    let case = Case::new("attention");
    let qkv = case.linear(case.get("x"), "qkv.weight", case.get("qkv.bias"));
    let attended = gpicl_ops::attention(qkv, HEADS, AttentionMask::Causal, FP32);
    case.check(case.linear(attended, "out.weight", case.get("out.bias")));
}

#[test]
fn muon_is_pytorchs() {
    let file = SafeTensors::deserialize(include_bytes!("fixtures/muon.safetensors")).unwrap();
    let get = |name: String| {
        let view = file.tensor(&name).unwrap();
        let numbers = view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let shape = <[usize; 2]>::try_from(view.shape()).unwrap();
        Tensor::<2>::from_data(TensorData::new(numbers.collect::<Vec<f32>>(), shape), &Device::flex())
    };
    let step = MuonStep { lr: 0.05, momentum: 0.9, weight_decay: 0.1, grad_scale: 1.0, precision: FP32 };
    for case in ["wide", "tall", "square"] {
        let mut weight = get(format!("{case}.start"));
        let mut momentum = weight.zeros_like();
        for number in 0..3 {
            let grad = get(format!("{case}.grad{number}"));
            (weight, momentum) = gpicl_ops::muon(weight, grad, momentum, 1, step);
            let error = weight.clone() - get(format!("{case}.after{number}"));
            let error = error.abs().max().into_scalar::<f32>();
            assert!(error < 2e-5, "{case}, step {number}: off by {error:e}");
        }
    }
}
