//! Random trees and sums of them.

use super::chance::{coin, count, exponential, pick};
use super::function::{Function, Shape, Target};
use super::inputs::inputs;
use super::rows::{Column, PROBES, Rows};
use crate::rng::Rng;

/// A node of a tree.
enum Node {
    /// Rows whose feature is above the threshold go to node `above`, others to the one after this.
    Split {
        feature: usize,
        threshold: f32,
        above: usize,
    },
    Leaf {
        scores: Vec<f32>,
    },
}

/// One tree, or a forest.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let features = inputs(rng, rows, shape.features);
    let used = shape.relevant(rng);
    let outputs = shape.scores(rng);
    let trees = if coin(rng, 0.4) { 1 } else { count(rng, 2, 8) };
    let depth = count(rng, 1, 6);
    let mut scores = vec![vec![0.0; rows.len()]; outputs];
    for _ in 0..trees {
        let weight = exponential(rng);
        let mut nodes = Vec::new();
        grow(rng, &features, &used, (0..PROBES).collect(), depth, outputs, &mut nodes);
        for row in 0..rows.len() {
            let leaf = leaf(&nodes, &features, row);
            scores.iter_mut().zip(leaf).for_each(|(scores, value)| scores[row] += weight * value);
        }
    }
    Function { features, target: Target::Scores(scores) }
}

/// Appends a subtree that at most `depth` questions lead through. It splits at numbers of the probe rows that reach it.
fn grow(
    rng: &mut Rng,
    features: &[Column],
    used: &[usize],
    here: Vec<usize>,
    depth: usize,
    outputs: usize,
    nodes: &mut Vec<Node>,
) {
    /// Subtrees that end early make leaves of all sizes.
    const END: f32 = 0.1;
    /// Probe rows that are worth a question.
    const FEW: usize = 4;
    let feature = pick(rng, used);
    let values = || here.iter().map(|&row| features[feature][row]);
    let largest = values().fold(f32::MIN, f32::max);
    if depth > 0 && here.len() >= FEW && !(nodes.len() > 1 && coin(rng, END)) {
        let threshold = features[feature][pick(rng, &here)];
        // Nothing lies above the largest.
        if threshold < largest {
            let at = nodes.len();
            let (above, below) = here.iter().partition(|&&row| features[feature][row] > threshold);
            nodes.push(Node::Split { feature, threshold, above: 0 });
            grow(rng, features, used, below, depth - 1, outputs, nodes);
            nodes[at] = Node::Split { feature, threshold, above: nodes.len() };
            grow(rng, features, used, above, depth - 1, outputs, nodes);
            return;
        }
    }
    nodes.push(Node::Leaf { scores: (0..outputs).map(|_| rng.normal()).collect() });
}

/// The scores of the leaf that a row comes to.
fn leaf<'a>(nodes: &'a [Node], features: &[Column], row: usize) -> &'a [f32] {
    let mut at = 0;
    loop {
        match &nodes[at] {
            Node::Split { feature, threshold, above } => {
                at = if features[*feature][row] > *threshold { *above } else { at + 1 };
            }
            Node::Leaf { scores } => return scores,
        }
    }
}
