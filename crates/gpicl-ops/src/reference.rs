//! Stand-in reference versions.
use burn::tensor::{Bool, Int, Tensor, TensorData, activation};
use crate::{Activation, AdamWStep, AttentionMask, Precision};
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>, act: Activation, _p: Precision) -> Tensor<D> {
    let dims = x.dims();
    let k = dims[D - 1];
    let m = dims.iter().product::<usize>() / k;
    let n = weight.dims()[1];
    let y = x.reshape([m, k]).matmul(weight) + bias.unsqueeze::<2>();
    let y = match act { Activation::Identity => y, Activation::Gelu => activation::gelu(y) };
    let mut out = dims; out[D - 1] = n;
    y.reshape(out)
}
pub fn linear_residual<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Tensor<1>, residual: Tensor<D>, p: Precision) -> Tensor<D> {
    residual + linear(x, weight, bias, Activation::Identity, p)
}
pub fn layer_norm<const D: usize>(x: Tensor<D>, gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Tensor<D> {
    let mean = x.clone().mean_dim(D - 1);
    let c = x - mean;
    let var = c.clone().powf_scalar(2.0).mean_dim(D - 1);
    c / (var + eps).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}
pub fn attention(qkv: Tensor<3>, heads: usize, mask: AttentionMask, _p: Precision) -> Tensor<3> {
    let [b, t, d3] = qkv.dims();
    let d = d3 / 3; let h = d / heads;
    let part = |i: usize| qkv.clone().slice([0..b, 0..t, i * d..(i + 1) * d]).reshape([b, t, heads, h]).swap_dims(1, 2);
    let (q, k, v) = (part(0), part(1), part(2));
    let scores = q.matmul(k.swap_dims(2, 3)) / (h as f64).sqrt();
    let n = t / 2;
    let hidden: Vec<bool> = (0..t * t).map(|i| { let (r, c) = (i / t, i % t); match mask {
        AttentionMask::Causal => c > r,
        AttentionMask::Paired => if r < n { c > r } else { !(c == r || c < r - n) } } }).collect();
    let m = Tensor::<2, Bool>::from_data(TensorData::new(hidden, [t, t]), &qkv.device().inner()).unsqueeze::<4>();
    let m = m.expand([b, heads, t, t]);
    let p = activation::softmax(scores.mask_fill(m, f32::NEG_INFINITY), 3);
    p.matmul(v).swap_dims(1, 2).reshape([b, t, d])
}
pub fn cross_entropy(logits: Tensor<3>, targets: Tensor<2, Int>) -> Tensor<2> {
    let [b, t, _] = logits.dims();
    -activation::log_softmax(logits, 2).gather(2, targets.reshape([b, t, 1])).reshape([b, t])
}
pub fn adamw<const D: usize>(param: Tensor<D>, grad: Tensor<D>, m: Tensor<D>, v: Tensor<D>, s: AdamWStep) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let g = grad * s.grad_scale;
    let m = m * s.beta1 + g.clone() * (1.0 - s.beta1);
    let v = v * s.beta2 + g.clone() * g * (1.0 - s.beta2);
    let mh = m.clone() / s.bias_correction1;
    let vh = v.clone() / s.bias_correction2;
    let p = param * (1.0 - s.lr * s.weight_decay) - mh / (vh.sqrt() + s.eps) * s.lr;
    (p, m, v)
}
pub fn sum_of_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> { (x.clone() * x).sum() }
