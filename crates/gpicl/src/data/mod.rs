//! stand-in
#![allow(missing_docs)]
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use crate::tasks::rng::{Rng, Stream};
#[derive(Debug)]
pub struct Dataset { name: String, inputs: Vec<f32>, labels: Vec<u32>, classes: Vec<String>, dim: usize }
impl Dataset {
    pub fn len(&self) -> usize { self.labels.len() }
    pub fn is_empty(&self) -> bool { self.labels.is_empty() }
    pub fn dim(&self) -> usize { self.dim }
    pub fn num_classes(&self) -> usize { self.classes.len() }
    pub fn class_names(&self) -> &[String] { &self.classes }
    pub fn input(&self, i: usize) -> &[f32] { &self.inputs[i * self.dim..(i + 1) * self.dim] }
    pub fn label(&self, i: usize) -> u32 { self.labels[i] }
    pub fn name(&self) -> &str { &self.name }
}
pub struct Splits { pub train: Dataset, pub test: Dataset }
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig { pub name: String, #[serde(skip_serializing_if="Option::is_none")] pub path: Option<PathBuf>, #[serde(skip_serializing_if="Option::is_none")] pub resize: Option<usize>, #[serde(skip_serializing_if="Option::is_none")] pub layout: Option<String>, pub seed: u64 }
impl Default for DataConfig { fn default() -> Self { Self { name: "glyphs".into(), path: None, resize: None, layout: None, seed: 0 } } }
impl DataConfig {
    pub fn from_spec(s: &str) -> Result<Self> { Ok(Self { name: s.into(), ..Self::default() }) }
    pub fn prepared_like(self, o: &Self) -> Self { Self { resize: o.resize, layout: o.layout.clone(), ..self } }
    pub fn load(&self, dir: Option<&Path>) -> Result<Splits> {
        let (tr, te) = if self.name == "glyphs" { (glyphs(self.seed, 0, 8000), glyphs(self.seed, 1, 2000)) } else {
            let dir = dir.ok_or_else(|| Error::config("data", "no dir", "set"))?.join(&self.name);
            (idx(&dir, "train", self.resize.unwrap_or(28))?, idx(&dir, "t10k", self.resize.unwrap_or(28))?) };
        let n = tr.0.len() as f64;
        let mean = tr.0.iter().map(|&x| x as f64).sum::<f64>() / n;
        let var = tr.0.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / n;
        let mk = |(mut inputs, labels): (Vec<f32>, Vec<u32>)| { let dim = inputs.len() / labels.len(); for x in &mut inputs { *x = ((*x as f64 - mean) / var.sqrt()) as f32; }
            Dataset { name: self.name.clone(), inputs, labels, classes: (0..10).map(|i| i.to_string()).collect(), dim } };
        Ok(Splits { train: mk(tr), test: mk(te) })
    }
}
fn idx(dir: &Path, p: &str, side: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let gz = |f: String| { use std::io::Read; let path = dir.join(f); let file = std::fs::File::open(&path).map_err(Error::io("open", &path))?; let mut v = vec![]; flate2::read::GzDecoder::new(file).read_to_end(&mut v).map_err(Error::io("read", &path))?; Ok::<_, Error>(v) };
    let im = gz(format!("{p}-images-idx3-ubyte.gz"))?; let lb = gz(format!("{p}-labels-idx1-ubyte.gz"))?;
    let f = 28 / side; let mut out = vec![];
    for img in im[16..].chunks_exact(784) { for r in 0..side { for c in 0..side { let mut s = 0.0; for a in 0..f { for b in 0..f { s += img[(r * f + a) * 28 + c * f + b] as f32; } } out.push(s / (f * f) as f32 / 255.0); } } }
    Ok((out, lb[8..].iter().map(|&x| x as u32).collect()))
}
fn glyphs(seed: u64, split: u64, n: usize) -> (Vec<f32>, Vec<u32>) {
    let side = 14usize; let mut skel = vec![];
    for c in 0..10u64 { let mut r = Rng::new(seed, Stream::Context, c); let strokes = 2 + r.below(2) as usize; let mut v = vec![]; for _ in 0..strokes { let pts: Vec<(f32, f32)> = (0..3).map(|_| (0.15 + 0.7 * r.uniform(), 0.15 + 0.7 * r.uniform())).collect(); v.push(pts); } skel.push(v); }
    let mut out = Vec::with_capacity(n * side * side); let mut labels = vec![];
    for i in 0..n { let mut r = Rng::new(seed, Stream::Context, 1000 + split * 1_000_000 + i as u64); let c = i % 10; labels.push(c as u32);
        let a = 0.25 * r.normal(); let (sx, sy) = (1.0 + 0.12 * r.normal(), 1.0 + 0.12 * r.normal()); let sh = 0.2 * r.normal(); let (tx, ty) = (0.05 * r.normal(), 0.05 * r.normal()); let w = 0.05 + 0.015 * r.uniform();
        let mut segs = vec![];
        for st in &skel[c] { let p: Vec<(f32, f32)> = st.iter().map(|&(x, y)| { let (x, y) = (x - 0.5 + 0.04 * r.normal(), y - 0.5 + 0.04 * r.normal()); let (x, y) = (sx * x + sh * y, sy * y); (0.5 + tx + a.cos() * x - a.sin() * y, 0.5 + ty + a.sin() * x + a.cos() * y) }).collect();
            let m = 8; let q: Vec<(f32, f32)> = (0..=m).map(|t| { let t = t as f32 / m as f32; let u = 1.0 - t; (u * u * p[0].0 + 2.0 * u * t * p[1].0 + t * t * p[2].0, u * u * p[0].1 + 2.0 * u * t * p[1].1 + t * t * p[2].1) }).collect(); for k in 0..m { segs.push((q[k], q[k + 1])); } }
        for y in 0..side { for x in 0..side { let (px, py) = ((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32); let mut d = 9.0f32; for &((x0, y0), (x1, y1)) in &segs { let (dx, dy) = (x1 - x0, y1 - y0); let l = dx * dx + dy * dy + 1e-9; let t = (((px - x0) * dx + (py - y0) * dy) / l).clamp(0.0, 1.0); d = d.min(((px - x0 - t * dx).powi(2) + (py - y0 - t * dy).powi(2)).sqrt()); } let v = (1.0 - (d - w) / 0.05).clamp(0.0, 1.0); out.push((v + 0.05 * r.normal()).clamp(0.0, 1.0)); } }
    }
    (out, labels)
}
