//! The embedded data set: characters drawn from a seed, so that everything runs with no file and no network.
//!
//! A class is a skeleton of a few curved strokes. An instance bends it (affine and elastic jitter), draws it
//! with a pen of some width, and adds noise. The splits share the skeletons and no instance.

use std::path::Path;

use rayon::prelude::*;

use super::config::DataConfig;
use super::raw::Raw;
use super::{Dataset, InputShape};
use crate::error::Result;
use crate::rng::{Rng, Stream};

/// Side of the images, unless the config has another.
pub(super) const SIDE: usize = 14;
/// Line segments for a stroke.
const SEGMENTS: usize = 10;
/// Skeletons closer than this (mean distance of their points) would be hard to tell apart, and are drawn again.
const MIN_DISTANCE: f32 = 0.09;

type Point = (f32, f32);
/// Control points of a quadratic curve.
type Stroke = [Point; 3];

/// 10 classes, 800 training and 200 held-out instances a class, [`SIDE`] pixels square, unless the config says otherwise.
pub(super) fn read(config: &DataConfig, _: &Path) -> Result<Raw> {
    let (classes, side) = (config.classes.unwrap_or(10), config.size.unwrap_or(SIDE));
    let (per_class, noise) = (config.per_class.unwrap_or(800), config.noise.unwrap_or(0.05));
    let skeletons = skeletons(config.seed(), classes);
    let split = |first: usize, count: usize| {
        let labels: Vec<u32> = (0..count * classes).map(|i| (i % classes) as u32).collect();
        let inputs = (0..count * classes).into_par_iter().flat_map_iter(|i| {
            let (class, instance) = (i % classes, first + i / classes);
            // Skeletons have the streams below 2^32.
            let number = (instance as u64 + 1) << 32 | class as u64;
            draw(&skeletons[class], side, noise, &mut Rng::new(config.seed(), Stream::Data, number))
        });
        let shape = InputShape::Image { height: side, width: side, channels: 1 };
        let names = (0..classes).map(|class| class.to_string()).collect();
        Dataset::new("glyphs", shape, inputs.collect(), labels, names)
    };
    Ok(Raw { train: split(0, per_class)?, test: Some(split(per_class, per_class / 4)?), files: Vec::new() })
}

fn skeletons(seed: u64, classes: usize) -> Vec<Vec<Stroke>> {
    let mut skeletons: Vec<Vec<Stroke>> = Vec::with_capacity(classes);
    for class in 0..classes as u64 {
        let mut rng = Rng::new(seed, Stream::Data, class);
        // With very many classes the plane fills up; then the last draw is kept.
        let mut tries = 0..20;
        let skeleton = loop {
            let skeleton = skeleton(&mut rng);
            let distinct = skeletons.iter().all(|other| distance(other, &skeleton) > MIN_DISTANCE);
            if distinct || tries.next().is_none() {
                break skeleton;
            }
        };
        skeletons.push(skeleton);
    }
    skeletons
}

/// One to three strokes; a stroke starts on the one before it or anywhere.
fn skeleton(rng: &mut Rng) -> Vec<Stroke> {
    let count = 2 + rng.below(2) as usize;
    let mut strokes: Vec<Stroke> = Vec::with_capacity(count);
    let anywhere = |rng: &mut Rng| (0.12 + 0.76 * rng.uniform(), 0.12 + 0.76 * rng.uniform());
    while strokes.len() < count {
        let start = match strokes.last() {
            Some(last) if rng.uniform() < 0.6 => on_curve(last, rng.uniform()),
            _ => anywhere(rng),
        };
        let (bend, end) = (anywhere(rng), anywhere(rng));
        if (end.0 - start.0).hypot(end.1 - start.1) > 0.35 {
            strokes.push([start, bend, end]);
        }
    }
    strokes
}

/// Mean distance from the points of each skeleton to the nearest point of the other.
fn distance(a: &[Stroke], b: &[Stroke]) -> f32 {
    let points = |strokes: &[Stroke]| -> Vec<Point> {
        strokes.iter().flat_map(|stroke| (0..=6).map(|t| on_curve(stroke, t as f32 / 6.0))).collect()
    };
    let (a, b) = (points(a), points(b));
    let one_way = |from: &[Point], to: &[Point]| {
        let nearest = |p: &Point| to.iter().map(|q| (p.0 - q.0).hypot(p.1 - q.1)).fold(f32::MAX, f32::min);
        from.iter().map(nearest).sum::<f32>() / from.len() as f32
    };
    0.5 * (one_way(&a, &b) + one_way(&b, &a))
}

fn on_curve(stroke: &Stroke, t: f32) -> Point {
    let u = 1.0 - t;
    let [a, b, c] = stroke;
    let at = |a: f32, b: f32, c: f32| u * u * a + 2.0 * u * t * b + t * t * c;
    (at(a.0, b.0, c.0), at(a.1, b.1, c.1))
}

/// One instance, `side` x `side` pixels in `[0, 1]`, white on black.
fn draw(skeleton: &[Stroke], side: usize, noise: f32, rng: &mut Rng) -> Vec<f32> {
    let bend = Bend::new(rng);
    let width = 0.035 + 0.03 * rng.uniform();
    let jitter = 0.025;
    let mut segments = Vec::with_capacity(skeleton.len() * SEGMENTS);
    for stroke in skeleton {
        let stroke = stroke.map(|(x, y)| (x + jitter * rng.normal(), y + jitter * rng.normal()));
        let points: Vec<Point> =
            (0..=SEGMENTS).map(|i| bend.apply(on_curve(&stroke, i as f32 / SEGMENTS as f32))).collect();
        segments.extend(points.windows(2).map(|pair| (pair[0], pair[1])));
    }
    // The edge of the pen fades over about a pixel.
    let soft = 0.7 / side as f32;
    let centre = |i: usize| (i as f32 + 0.5) / side as f32;
    (0..side * side)
        .map(|i| {
            let point = (centre(i % side), centre(i / side));
            let nearest = segments.iter().map(|segment| to_segment(point, segment)).fold(f32::MAX, f32::min);
            let ink = (0.5 - (nearest - width) / (2.0 * soft)).clamp(0.0, 1.0);
            (ink + noise * rng.normal()).clamp(0.0, 1.0)
        })
        .collect()
}

fn to_segment((x, y): Point, &((x0, y0), (x1, y1)): &(Point, Point)) -> f32 {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let along = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy).max(1e-12);
    let t = along.clamp(0.0, 1.0);
    let (ex, ey) = (x - x0 - t * dx, y - y0 - t * dy);
    (ex * ex + ey * ey).sqrt()
}

/// Affine jitter about the centre, then an elastic one: a slow wave in each direction.
struct Bend {
    matrix: [f32; 4],
    shift: Point,
    waves: [(f32, f32, f32); 2],
}

impl Bend {
    fn new(rng: &mut Rng) -> Self {
        let angle = 0.18 * rng.normal();
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        let (sx, sy) = (1.0 + 0.1 * rng.normal(), 1.0 + 0.1 * rng.normal());
        let shear = 0.15 * rng.normal();
        let mut wave =
            || (0.025 * rng.normal(), 3.0 + 4.0 * rng.uniform(), std::f32::consts::TAU * rng.uniform());
        let waves = [wave(), wave()];
        let shift = (0.04 * rng.normal(), 0.04 * rng.normal());
        Self { matrix: [cos * sx, cos * shear - sin * sy, sin * sx, sin * shear + cos * sy], shift, waves }
    }

    fn apply(&self, (x, y): Point) -> Point {
        let (x, y) = (x - 0.5, y - 0.5);
        let [a, b, c, d] = self.matrix;
        let (x, y) = (0.5 + a * x + b * y + self.shift.0, 0.5 + c * x + d * y + self.shift.1);
        let wave = |(height, frequency, phase): (f32, f32, f32), at: f32| {
            height * libm::sinf(frequency * at + phase)
        };
        (x + wave(self.waves[0], y), y + wave(self.waves[1], x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(config: &DataConfig) -> (Dataset, Dataset) {
        let Raw { train, test, .. } = read(config, Path::new("")).unwrap();
        (train, test.unwrap())
    }

    /// Accuracy of one nearest neighbour with `shots` labelled examples a class.
    fn nearest_neighbour(train: &Dataset, test: &Dataset, shots: usize) -> f64 {
        let known = shots * train.num_classes();
        let hit = |i: usize| {
            let distance = |j: usize| -> f32 {
                train.input(j).iter().zip(test.input(i)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let nearest = (0..known).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            train.label(nearest) == test.label(i)
        };
        (0..test.len()).filter(|&i| hit(i)).count() as f64 / test.len() as f64
    }

    #[test]
    fn classes_can_be_told_apart_but_not_from_one_example() {
        let (train, test) = load(&DataConfig { per_class: Some(100), ..DataConfig::default() });
        let (one, ten) = (nearest_neighbour(&train, &test, 1), nearest_neighbour(&train, &test, 10));
        assert!(ten > 0.85, "ten shots: {ten}");
        assert!(one < 0.95 && one < ten, "one shot: {one}, ten: {ten}");
    }

    #[test]
    fn instances_differ_between_the_splits_and_follow_from_the_seed() {
        let config = DataConfig { per_class: Some(8), classes: Some(30), ..DataConfig::default() };
        let (train, test) = load(&config);
        assert_eq!((train.len(), test.len(), train.num_classes()), (240, 60, 30));
        for i in 0..test.len() {
            assert!((0..train.len()).all(|j| train.input(j) != test.input(i)));
        }
        assert_eq!(load(&config).0, train);
        assert_ne!(load(&DataConfig { seed: Some(1), ..config }).0, train);
    }
}
