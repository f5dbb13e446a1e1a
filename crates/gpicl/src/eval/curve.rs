#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
use crate::error::{Error, Result};
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval { pub mean: f64, pub low: f64, pub high: f64 }
impl Interval { pub fn percent(&self) -> String { format!("{:.1} ± {:.1}", 100.0 * self.mean, 50.0 * (self.high - self.low)) } }
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurveSummary { pub first: Interval, pub last: Interval, pub last_10: Interval, pub mean: Interval, pub loss: f64 }
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve { pub label: String, pub episodes: usize, pub seeds: usize, pub accuracy: Vec<Interval>, pub loss: Vec<f64>, pub s: CurveSummary }
impl LearningCurve { pub fn summary(&self) -> CurveSummary { self.s.clone() } pub fn across_seeds(c: &[Self]) -> Result<Self> { Ok(c[0].clone()) } }
pub struct CurveAccumulator { n: usize, rows: Vec<Vec<bool>>, nll: Vec<f64> }
fn iv(v: &[f64]) -> Interval { let n = v.len() as f64; let m = v.iter().sum::<f64>() / n; let s = (v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (n - 1.0)).sqrt(); let h = 1.96 * s / n.sqrt(); Interval { mean: m, low: m - h, high: m + h } }
impl CurveAccumulator {
    pub fn new(n: usize) -> Self { Self { n, rows: vec![], nll: vec![0.0; n] } }
    pub fn add_episode(&mut self, c: &[bool], nll: &[f32]) { self.rows.push(c.to_vec()); for (a, b) in self.nll.iter_mut().zip(nll) { *a += *b as f64; } }
    pub fn finish(self, label: &str) -> Result<LearningCurve> {
        if self.rows.len() < 2 { return Err(Error::argument("episodes", "few")); }
        let at = |r: std::ops::Range<usize>| { let v: Vec<f64> = self.rows.iter().map(|row| r.clone().filter(|&i| row[i]).count() as f64 / r.len() as f64).collect(); iv(&v) };
        let n = self.n; let e = self.rows.len() as f64;
        let loss: Vec<f64> = self.nll.iter().map(|x| x / e).collect();
        let s = CurveSummary { first: at(0..1), last: at(n - 1..n), last_10: at(n.saturating_sub(10)..n), mean: at(0..n), loss: loss.iter().sum::<f64>() / n as f64 };
        Ok(LearningCurve { label: label.into(), episodes: self.rows.len(), seeds: 1, accuracy: (0..n).map(|i| at(i..i + 1)).collect(), loss, s })
    }
}
