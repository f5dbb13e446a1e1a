#![allow(missing_docs)]
pub struct Table(Vec<Vec<String>>);
impl Table { pub fn new<const N: usize>(c: [&str; N]) -> Self { Self(vec![c.map(String::from).to_vec()]) } pub fn push<const N: usize>(&mut self, r: [String; N]) { self.0.push(r.to_vec()) } pub fn text(&self) -> String { self.0.iter().map(|r| r.join(" | ") + "\n").collect() } pub fn csv(&self) -> String { self.0.iter().map(|r| r.join(",") + "\n").collect() } }
pub fn ascii_curve(_: &[crate::eval::LearningCurve], _: usize, _: usize) -> String { String::new() }
