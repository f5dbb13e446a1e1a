//! Rules of few features that say something only together: parities, tables, conditions, products.

use super::chance::{coin, count, distinct, log_count, pick};
use super::function::{Function, Shape, Target};
use super::inputs::{discrete, inputs};
use super::levels::{levels, thresholds};
use super::rows::{Column, Rows, combination, standardise};
use crate::rng::Rng;

/// Values of a feature in a rule.
const MOST_LEVELS: usize = 4;

/// What the label says of the levels.
#[derive(Clone, Copy)]
enum Rule {
    /// Their sum, modulo the classes.
    Parity,
    /// A class for every combination.
    Lookup,
    /// Whether one of some conjunctions holds.
    Conjunctions,
    /// The class of the first conjunction that holds.
    List,
    /// How many of some conditions hold.
    Tally,
    /// Which of two features is larger, or whether they are the same.
    Comparison,
    /// A sum of products of two features.
    Products,
}

/// One rule.
pub(super) fn make(rng: &mut Rng, rows: &mut Rows, shape: Shape) -> Function {
    let most = count(rng, 2, MOST_LEVELS);
    let few_values = coin(rng, 0.7);
    let features: Vec<Column> = if few_values {
        (0..shape.features).map(|_| discrete(rng, rows, most)).collect()
    } else {
        inputs(rng, rows, shape.features)
    };
    let mut used = distinct(rng, shape.features, shape.features);
    let rules = [
        Rule::Parity,
        Rule::Lookup,
        Rule::Lookup,
        Rule::Conjunctions,
        Rule::Conjunctions,
        Rule::List,
        Rule::Tally,
        Rule::Comparison,
        Rule::Products,
    ];
    let rule = pick(rng, &rules);
    let few = match rule {
        Rule::Parity | Rule::Lookup => count(rng, 1, 3),
        Rule::Comparison => 2,
        Rule::Products => 2 * count(rng, 1, 3),
        Rule::Conjunctions | Rule::List | Rule::Tally => log_count(rng, 2, shape.features),
    };
    used.truncate(few);
    let codes: Vec<Vec<usize>> = used
        .iter()
        .map(|&feature| {
            let column = &features[feature];
            if few_values {
                column.iter().map(|&value| value as usize).collect()
            } else {
                levels(column, &thresholds(rng, column, most))
            }
        })
        .collect();
    let classes = |class: &dyn Fn(usize) -> u32| Target::Classes((0..rows.len()).map(class).collect());
    let target = match rule {
        Rule::Parity => {
            let among = shape.classes.min(most);
            classes(&|row| (codes.iter().map(|code| code[row]).sum::<usize>() % among) as u32)
        }
        Rule::Lookup => {
            let cells = most.pow(used.len() as u32);
            let table: Vec<u32> = (0..cells).map(|_| rng.below(shape.classes as u64) as u32).collect();
            classes(&|row| table[codes.iter().fold(0, |cell, code| cell * most + code[row])])
        }
        Rule::Conjunctions => {
            let all = conjunctions(rng, &codes, most);
            classes(&|row| u32::from(all.iter().any(|one| one.holds(row))))
        }
        Rule::List => {
            let all = conjunctions(rng, &codes, most);
            let class = |rng: &mut Rng| rng.below(shape.classes as u64) as u32;
            let of: Vec<u32> = all.iter().map(|_| class(rng)).collect();
            let otherwise = class(rng);
            classes(&|row| {
                let first = all.iter().position(|one| one.holds(row));
                first.map_or(otherwise, |first| of[first])
            })
        }
        Rule::Tally => {
            let wanted: Vec<usize> = codes.iter().map(|_| count(rng, 0, most - 1)).collect();
            let holds =
                |row: usize| codes.iter().zip(&wanted).filter(move |(code, value)| code[row] == **value);
            Target::Scores(vec![(0..rows.len()).map(|row| holds(row).count() as f32).collect()])
        }
        Rule::Comparison => {
            let (first, last) = (&codes[0], &codes[codes.len() - 1]);
            let same = coin(rng, 0.5);
            classes(&|row| u32::from(if same { first[row] == last[row] } else { first[row] > last[row] }))
        }
        Rule::Products => {
            let mut score = vec![0.0; rows.len()];
            for pair in used.chunks(2) {
                let mut product = features[pair[0]].clone();
                standardise(&mut product);
                let mut other = features[pair[pair.len() - 1]].clone();
                standardise(&mut other);
                product.iter_mut().zip(&other).for_each(|(x, y)| *x *= y);
                let weight = pick(rng, &[-1.0, 1.0]);
                score = combination([(1.0, &score), (weight, &product)], rows.len());
            }
            Target::Scores(vec![score])
        }
    };
    Function { features, target }
}

/// Conditions that must hold together: levels with the value that each should have.
struct Conjunction<'a>(Vec<(&'a [usize], usize)>);

impl Conjunction<'_> {
    fn holds(&self, row: usize) -> bool {
        self.0.iter().all(|&(code, value)| code[row] == value)
    }
}

/// Some conjunctions of up to three conditions; in half of the tasks all ask for the same value.
fn conjunctions<'a>(rng: &mut Rng, codes: &'a [Vec<usize>], most: usize) -> Vec<Conjunction<'a>> {
    /// Conjunctions of a rule.
    const MANY: usize = 8;
    /// Conditions of one.
    const LONG: usize = 3;
    let value = |rng: &mut Rng| count(rng, 0, most - 1);
    let common = coin(rng, 0.5).then(|| value(rng));
    let long = count(rng, 1, LONG);
    let one = |rng: &mut Rng| {
        let of = distinct(rng, codes.len(), long).into_iter();
        Conjunction(of.map(|i| (&codes[i][..], common.unwrap_or_else(|| value(rng)))).collect())
    };
    (0..count(rng, 1, MANY)).map(|_| one(rng)).collect()
}
