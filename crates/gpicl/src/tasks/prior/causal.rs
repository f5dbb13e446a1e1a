//! Sparse structural causal models: every node is made of a few earlier ones; features and label stand anywhere.

use super::activation::activation;
use super::chance::{coin, count, distinct, log_within, within};
use super::function::{Function, Shape, Target};
use super::inputs::{marginal, steps};
use super::rows::{Column, Rows, combination, standardise};
use crate::rng::Rng;

/// One graph.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let outputs = shape.scores(rng);
    let hidden = count(rng, 1, shape.features + 4);
    let roots = count(rng, 1, (shape.features + hidden).div_ceil(2));
    let total = roots.max(shape.features + hidden) + outputs;
    let most_parents = count(rng, 1, 5);
    // Parents that are close by make long chains.
    let chained = coin(rng, 0.4);
    let noise = log_within(rng, 0.02, 0.7);
    let mut nodes: Vec<Column> = (0..roots).map(|_| marginal(rng, rows)).collect();
    let mut parents: Vec<Vec<usize>> = vec![Vec::new(); roots];
    for number in roots..total {
        let near = if chained { number.saturating_sub(2 * most_parents) } else { 0 };
        let wanted = count(rng, 1, most_parents);
        let own: Vec<usize> = distinct(rng, number - near, wanted).into_iter().map(|i| near + i).collect();
        let mut node = mechanism(rng, &nodes, &own, rows.len());
        standardise(&mut node);
        // Of its own, some nodes have much and some none.
        let level = noise * log_within(rng, 0.2, 3.0);
        if coin(rng, 0.8) {
            node.iter_mut().zip(rows.normal()).for_each(|(x, noise)| *x += level * noise);
        }
        nodes.push(node);
        parents.push(own);
    }
    // A label that nothing causes would be chance in most tables.
    let mut labels: Vec<usize> = (roots..total).collect();
    rng.shuffle(&mut labels);
    labels.truncate(outputs);
    let mut rest: Vec<usize> = (0..total).filter(|node| !labels.contains(node)).collect();
    rng.shuffle(&mut rest);
    if coin(rng, 0.6) {
        let causes: Vec<usize> = labels.iter().flat_map(|&label| parents[label].clone()).collect();
        rest.sort_by_key(|node| !causes.contains(node));
    }
    rest.truncate(shape.features);
    let features = rest.iter().map(|&node| nodes[node].clone()).collect();
    let scores = labels.iter().map(|&node| nodes[node].clone()).collect();
    Function { features, target: Target::Scores(scores) }
}

/// How a node follows from its parents.
fn mechanism(rng: &mut Rng, nodes: &[Column], parents: &[usize], len: usize) -> Column {
    let mut sum = combination(parents.iter().map(|&parent| (rng.normal(), &nodes[parent])), len);
    match count(rng, 0, 9) {
        0 => {
            let mut product = nodes[parents[0]].clone();
            for &parent in &parents[1..] {
                let shift = rng.normal();
                product.iter_mut().zip(&nodes[parent]).for_each(|(x, other)| *x *= other + shift);
                // Products of many would be all tails.
                standardise(&mut product);
            }
            product
        }
        1 => {
            let mut largest = nodes[parents[0]].clone();
            for &parent in &parents[1..] {
                largest.iter_mut().zip(&nodes[parent]).for_each(|(x, other)| *x = x.max(*other));
            }
            largest
        }
        2 => {
            let most = count(rng, 2, 6);
            steps(rng, &sum, most)
        }
        _ => {
            standardise(&mut sum);
            let (bend, gain, shift) = (activation(rng), log_within(rng, 0.5, 2.5), within(rng, -1.0, 1.0));
            sum.iter_mut().for_each(|x| *x = bend(gain * *x + shift));
            sum
        }
    }
}
