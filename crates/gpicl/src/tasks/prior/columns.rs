//! What tables have beside features that mean something: columns that say nothing, copies, categories, counts, tails,
//! roundings, limits, outliers.

use super::chance::{coin, count, log_count, log_within, pick, weighted, within};
use super::inputs::marginal;
use super::levels::{levels, thresholds};
use super::rows::{Column, Rows, quantile, sorted, standardise};
use crate::rng::Rng;

/// How the columns of a table come together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Columns of the family.
    pub own: usize,
    copies: usize,
    silent: usize,
}

impl Plan {
    /// Parts of `features` columns. Most tables have no copies, and half no column that says nothing by its making.
    pub(super) fn draw(rng: &mut Rng, features: usize) -> Self {
        let some =
            |rng: &mut Rng, share: f32, most: usize| if coin(rng, share) { count(rng, 0, most) } else { 0 };
        let silent = some(rng, 0.4, features / 2);
        let copies = some(rng, 0.25, (features - silent) / 3);
        Self { own: features - silent - copies, copies, silent }
    }

    /// The table's columns in random order, from those of its family.
    pub(super) fn dress(self, rng: &mut Rng, rows: &mut Rows, mut columns: Vec<Column>) -> Vec<Column> {
        columns.iter_mut().for_each(|column| standardise(column));
        for _ in 0..self.copies {
            let mut copy = columns[count(rng, 0, self.own - 1)].clone();
            let noise = if coin(rng, 0.3) { 0.0 } else { log_within(rng, 0.05, 2.0) };
            copy.iter_mut().zip(rows.normal()).for_each(|(x, own)| *x += noise * own);
            standardise(&mut copy);
            columns.push(copy);
        }
        for _ in 0..self.silent {
            columns.push(marginal(rng, rows));
        }
        let bent = Bent::draw(rng);
        for column in &mut columns {
            bent.bend(rng, rows, column);
            standardise(column);
        }
        rng.shuffle(&mut columns);
        columns
    }
}

/// How many columns of a table are no plain measurements, and what they are then.
#[derive(Clone, Copy)]
struct Bent {
    share: f32,
    kind: Option<Kind>,
}

/// What a column is.
#[derive(Clone, Copy)]
enum Kind {
    /// Few codes, in order or not.
    FewCodes,
    /// Many codes.
    ManyCodes,
    /// Whole numbers from 0, more of the small ones.
    Counts,
    /// An exponential.
    Exponential,
    /// A power, with its sign.
    Power,
    /// Few digits.
    Rounded,
    /// An end that nothing goes beyond.
    Clipped,
    /// Some numbers far off.
    Outliers,
    /// Measured with errors.
    Inexact,
    /// Pressed between two ends.
    Squashed,
}

/// All kinds, and how often columns are of them: categories most often.
const KINDS: [(Kind, f32); 10] = [
    (Kind::FewCodes, 3.0),
    (Kind::ManyCodes, 1.5),
    (Kind::Counts, 1.0),
    (Kind::Exponential, 1.0),
    (Kind::Power, 0.75),
    (Kind::Rounded, 1.25),
    (Kind::Clipped, 0.75),
    (Kind::Outliers, 0.75),
    (Kind::Inexact, 0.75),
    (Kind::Squashed, 0.5),
];

fn kind(rng: &mut Rng) -> Kind {
    KINDS[weighted(rng, &KINDS.map(|(_, weight)| weight))].0
}

impl Bent {
    /// Tables of plain columns, of columns of one kind, and of any.
    fn draw(rng: &mut Rng) -> Self {
        let share = match weighted(rng, &[3.0, 5.0, 2.0]) {
            0 => 0.0,
            1 => rng.uniform(),
            _ => 1.0,
        };
        let kind = coin(rng, 0.4).then(|| kind(rng));
        Self { share, kind }
    }

    /// Makes of a standardised column what it is in the table.
    fn bend(self, rng: &mut Rng, rows: &mut Rows, column: &mut Column) {
        /// Deviations beyond which exponentials and powers do not grow.
        const END: f32 = 4.0;
        if !coin(rng, self.share) {
            return;
        }
        let each = |column: &mut Column, change: &dyn Fn(f32) -> f32| {
            column.iter_mut().for_each(|x| *x = change(*x));
        };
        match self.kind.unwrap_or_else(|| kind(rng)) {
            Kind::FewCodes => {
                let most = count(rng, 2, 6);
                codes(rng, column, most);
            }
            Kind::ManyCodes => {
                let most = log_count(rng, 7, 40);
                codes(rng, column, most);
            }
            Kind::Counts => {
                let (mean, spread) = (log_within(rng, 0.3, 30.0), log_within(rng, 0.3, 1.2));
                each(column, &|x| (mean * libm::expf(spread * x.min(END))).floor());
            }
            Kind::Exponential => {
                let spread = log_within(rng, 0.4, 1.8);
                let sign = pick(rng, &[-1.0, 1.0]);
                each(column, &|x| libm::expf(spread * (sign * x).min(END)));
            }
            Kind::Power => {
                let power = log_within(rng, 0.4, 3.0);
                each(column, &|x| libm::powf(x.abs().min(END), power).copysign(x));
            }
            Kind::Rounded => {
                let digits = pick(rng, &[1.0, 2.0, 4.0]);
                each(column, &|x| (x * digits).round());
            }
            Kind::Clipped => {
                let sorted = sorted(column);
                let low = if coin(rng, 0.6) { within(rng, 0.02, 0.5) } else { 0.0 };
                let high = if coin(rng, 0.4) { within(rng, 0.6, 0.98) } else { 1.0 };
                let low = if low > 0.0 { quantile(&sorted, low) } else { f32::NEG_INFINITY };
                let high = if high < 1.0 { quantile(&sorted, high) } else { f32::INFINITY };
                each(column, &|x| x.clamp(low, high.max(low)));
            }
            Kind::Outliers => {
                let (share, far) = (log_within(rng, 0.005, 0.08), log_within(rng, 2.0, 12.0));
                let places = rows.each(|rng| if coin(rng, share) { rng.normal() } else { 0.0 });
                column.iter_mut().zip(places).for_each(|(x, place)| *x += far * place);
            }
            Kind::Inexact => {
                let level = log_within(rng, 0.05, 1.5);
                column.iter_mut().zip(rows.normal()).for_each(|(x, error)| *x += level * error);
            }
            Kind::Squashed => {
                let gain = log_within(rng, 0.5, 4.0);
                each(column, &|x| libm::tanhf(gain * x));
            }
        }
    }
}

/// A column as whole numbers, at most `most` different ones: in the order of its numbers, or shuffled as names are.
fn codes(rng: &mut Rng, column: &mut Column, most: usize) {
    let cuts = thresholds(rng, column, most);
    let mut names: Vec<f32> = (0..=cuts.len()).map(|code| code as f32).collect();
    if coin(rng, 0.5) {
        rng.shuffle(&mut names);
    }
    *column = levels(column, &cuts).into_iter().map(|level| names[level]).collect();
}
