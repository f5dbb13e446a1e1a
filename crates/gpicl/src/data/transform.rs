//! Preparation of inputs: size, colour, normalisation.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scale::{Scale, in_deviations};
use super::{Dataset, InputShape};
use crate::error::{Error, Result};

/// Grey or colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// One channel, luminance (ITU-R BT.601).
    Grey,
    /// Three channels; grey images are repeated.
    Rgb,
}

/// How inputs are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// As suits the data: `feature` for tables, and for vectors in NumPy's files, whose numbers have nothing in common;
    /// `dataset` for all else, images in NumPy's files among it, and `safetensors`: features come from one network. A run's
    /// `config.toml` says which it is, but for NumPy's files, where it is known once they are read.
    #[default]
    Automatic,
    /// As they are.
    None,
    /// By one mean and one standard deviation of all numbers of the training split.
    Dataset,
    /// Every number of the input by its own mean, all by one standard deviation: what all inputs have in common
    /// is taken away, and no rarely lit pixel is blown up.
    Center,
    /// Every number of the input by its own mean and standard deviation.
    Feature,
}

/// Means and standard deviations of a training split.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// One, one for each number of the input, or none.
    pub mean: Vec<f64>,
    /// As many; never 0. Infinite of what is constant and so tells nothing anywhere: it becomes 0.
    pub std: Vec<f64>,
}

/// Largest rounding error of a number of single precision, relative to it, over which a deviation must be to count as one.
const PRECISION: f64 = f32::EPSILON as f64;

impl Statistics {
    /// The statistics that `normalize` asks for; without a source that says more, `Automatic` is `Dataset`.
    pub fn of(data: &Dataset, normalize: Normalize) -> Self {
        match (&data.exact, normalize) {
            (_, Normalize::None) => Self { mean: Vec::new(), std: Vec::new() },
            (Some(exact), _) => Self::of_exact(exact, data.dim(), normalize),
            (None, _) => Self::of_numbers(data.inputs(), data.dim(), normalize),
        }
    }

    fn of_numbers(inputs: &[f32], dim: usize, normalize: Normalize) -> Self {
        let groups = match normalize {
            Normalize::Center | Normalize::Feature => dim,
            Normalize::Automatic | Normalize::Dataset | Normalize::None => 1,
        };
        let count = (inputs.len() / groups).max(1) as f64;
        let fold = |fold: &dyn Fn(f64, f64, usize) -> f64| {
            let mut all = vec![0.0; groups];
            for row in inputs.chunks_exact(groups) {
                for (group, (all, &x)) in all.iter_mut().zip(row).enumerate() {
                    *all = fold(*all, f64::from(x), group);
                }
            }
            all
        };
        let average = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / count).collect::<Vec<f64>>();
        let mean = average(fold(&|sum, x, _| sum + x));
        let mut variance = average(fold(&|sum, x, group| sum + (x - mean[group]).powi(2)));
        let mut size = fold(&|size, x, _| size.max(x.abs()));
        if normalize == Normalize::Center {
            variance = vec![variance.iter().sum::<f64>() / groups as f64; groups];
            size = vec![size.into_iter().fold(0.0, f64::max); groups];
        }
        let deviation = |(variance, size): (f64, f64)| {
            let std = variance.sqrt();
            if std > PRECISION * size { std } else { of_constant(normalize) }
        };
        Self { std: variance.into_iter().zip(size).map(deviation).collect(), mean }
    }

    /// [`Statistics::of_numbers`] of numbers in double precision, also the largest, whose squares are none.
    fn of_exact(rows: &[f64], dim: usize, normalize: Normalize) -> Self {
        let std = |deviation: f64| if deviation > 0.0 { deviation } else { of_constant(normalize) };
        if !matches!(normalize, Normalize::Center | Normalize::Feature) {
            let Scale { mean, deviation } = Scale::of(rows.iter().copied());
            return Self { mean: vec![mean], std: vec![std(deviation)] };
        }
        let column = |column: usize| Scale::of(rows[column.min(rows.len())..].iter().step_by(dim).copied());
        let (mean, mut deviations): (Vec<f64>, Vec<f64>) =
            (0..dim).map(column).map(|Scale { mean, deviation }| (mean, deviation)).unzip();
        if normalize == Normalize::Center {
            let largest = deviations.iter().copied().fold(0.0, f64::max);
            if largest > 0.0 {
                let squares: f64 = deviations.iter().map(|deviation| (deviation / largest).powi(2)).sum();
                deviations = vec![largest * (squares / dim as f64).sqrt(); dim];
            }
        }
        Self { mean, std: deviations.into_iter().map(std).collect() }
    }

    /// Brings the inputs to mean 0 and deviation 1 by these statistics.
    pub fn apply(&self, data: &mut Dataset) {
        if self.mean.is_empty() {
            data.exact = None;
            return;
        }
        let groups = self.mean.len();
        let exact = data.exact.take();
        let standard = |x: f64, (mean, std): (&f64, &f64)| {
            if std.is_infinite() { 0.0 } else { in_deviations(x, *mean, *std) }
        };
        data.update_inputs(|inputs| {
            inputs.par_chunks_exact_mut(groups).enumerate().for_each(|(row, inputs)| {
                let statistics = self.mean.iter().zip(&self.std);
                match &exact {
                    Some(exact) => {
                        let exact = &exact[row * groups..(row + 1) * groups];
                        for ((x, &exact), statistics) in inputs.iter_mut().zip(exact).zip(statistics) {
                            *x = round(standard(exact, statistics));
                        }
                    }
                    None => {
                        for (x, statistics) in inputs.iter_mut().zip(statistics) {
                            *x = standard(f64::from(*x), statistics) as f32;
                        }
                    }
                }
            });
        });
    }
}

/// The deviation of numbers that are all the same: of a feature it makes 0 of every number, also elsewhere. One for all inputs
/// leaves them as far from the mean as they are.
fn of_constant(normalize: Normalize) -> f64 {
    if normalize == Normalize::Feature { f64::INFINITY } else { 1.0 }
}

/// In single precision; what is beyond it becomes its largest.
pub(super) fn round(x: f64) -> f32 {
    x.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

/// Brings images to `side` x `side`: every new pixel is the mean over the area it covers.
///
/// # Errors
/// [`Error::Argument`] if the data set has no images.
pub fn resize(data: Dataset, side: usize) -> Result<Dataset> {
    let InputShape::Image { height, width, channels } = data.shape() else {
        return Err(Error::argument("resize", format!("{} has no images", data.name())));
    };
    if (height, width) == (side, side) {
        return Ok(data);
    }
    let (rows, columns) = (coverage(height, side), coverage(width, side));
    let shape = InputShape::Image { height: side, width: side, channels };
    let mut inputs = vec![0.0; data.len() * shape.dim()];
    inputs.par_chunks_exact_mut(shape.dim()).enumerate().for_each(|(i, out)| {
        let image = data.input(i);
        for (r, row) in rows.iter().enumerate() {
            for (c, column) in columns.iter().enumerate() {
                for channel in 0..channels {
                    let sum: f32 = row
                        .iter()
                        .flat_map(|&(y, wy)| column.iter().map(move |&(x, wx)| (y, x, wy * wx)))
                        .map(|(y, x, weight)| weight * image[(y * width + x) * channels + channel])
                        .sum();
                    out[(r * side + c) * channels + channel] = sum;
                }
            }
        }
    });
    Dataset::new(data.name(), shape, inputs, data.labels().to_vec(), data.class_names().to_vec())
}

/// For every new pixel along one axis: the old pixels under it, with their share of its area.
fn coverage(old: usize, new: usize) -> Vec<Vec<(usize, f32)>> {
    let scale = old as f64 / new as f64;
    (0..new)
        .map(|i| {
            let (from, to) = (i as f64 * scale, (i + 1) as f64 * scale);
            (from as usize..old.min(to.ceil() as usize))
                .map(|pixel| {
                    let overlap = to.min((pixel + 1) as f64) - from.max(pixel as f64);
                    (pixel, (overlap / scale) as f32)
                })
                .filter(|&(_, share)| share > 0.0)
                .collect()
        })
        .collect()
}

/// Makes images grey or colour.
///
/// # Errors
/// [`Error::Argument`] if the data set has no images of 1 or 3 channels.
pub fn to_color(data: Dataset, color: Color) -> Result<Dataset> {
    let InputShape::Image { height, width, channels } = data.shape() else {
        return Err(Error::argument("to_color", format!("{} has no images", data.name())));
    };
    let (wanted, inputs): (usize, Vec<f32>) = match (color, channels) {
        (Color::Grey, 1) | (Color::Rgb, 3) => return Ok(data),
        (Color::Grey, 3) => {
            let luminance = |p: &[f32]| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            (1, data.inputs().chunks_exact(3).map(luminance).collect())
        }
        (Color::Rgb, 1) => (3, data.inputs().iter().flat_map(|&p| [p; 3]).collect()),
        (_, channels) => {
            return Err(Error::argument("to_color", format!("{} has {channels} channels", data.name())));
        }
    };
    let shape = InputShape::Image { height, width, channels: wanted };
    Dataset::new(data.name(), shape, inputs, data.labels().to_vec(), data.class_names().to_vec())
}

#[cfg(test)]
mod tests {
    use gpicl_ops::cpu::project::Grid;

    use super::*;

    #[test]
    fn levels_are_those_of_the_inputs_after_normalisation() {
        let bytes = (0..2560).map(|i| ((i * 37) % 256) as f32 / 255.0).collect();
        let names = vec!["one".to_string()];
        let raw = Dataset::new("bytes", InputShape::Vector(8), bytes, vec![0; 320], names).unwrap();
        for normalize in [Normalize::None, Normalize::Dataset, Normalize::Center, Normalize::Feature] {
            let mut data = raw.clone();
            Statistics::of(&raw, normalize).apply(&mut data);
            assert_eq!(data.grid(), Grid::of(data.inputs()), "{normalize:?}");
            assert_eq!(data.grid().is_some(), matches!(normalize, Normalize::None | Normalize::Dataset));
            assert_eq!(data.subset(&[3, 1]).grid(), data.grid());
        }
        let mut data = raw.clone();
        Statistics::of(&raw, Normalize::Dataset).apply(&mut data);
        assert_ne!(data.grid(), raw.grid());
    }

    fn images(side: usize, channels: usize, inputs: Vec<f32>) -> Dataset {
        let shape = InputShape::Image { height: side, width: side, channels };
        let labels = vec![0; inputs.len() / shape.dim()];
        Dataset::new("toy", shape, inputs, labels, vec!["a".into()]).unwrap()
    }

    #[test]
    fn resizing_averages_areas_and_keeps_the_mean() {
        let half = resize(images(4, 1, (0..16).map(|i| i as f32).collect()), 2).unwrap();
        assert_eq!(half.inputs(), [2.5, 4.5, 10.5, 12.5]);
        let uneven = resize(images(3, 1, (0..9).map(|i| i as f32).collect()), 2).unwrap();
        let mean = uneven.inputs().iter().sum::<f32>() / 4.0;
        assert!((mean - 4.0).abs() < 1e-5, "{mean}");
        let larger = resize(images(2, 1, vec![0.0, 1.0, 2.0, 3.0]), 4).unwrap();
        assert_eq!(&larger.inputs()[..4], [0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn colour_repeats_grey_and_grey_weighs_colour() {
        let colour = to_color(images(1, 1, vec![0.5]), Color::Rgb).unwrap();
        assert_eq!(colour.inputs(), [0.5; 3]);
        let grey = to_color(images(1, 3, vec![1.0, 0.0, 0.0]), Color::Grey).unwrap();
        assert_eq!(grey.inputs(), [0.299]);
    }

    #[test]
    fn normalised_inputs_have_mean_0_and_deviation_1_and_constants_stay_finite() {
        for normalize in [Normalize::Dataset, Normalize::Center, Normalize::Feature] {
            let mut data = images(2, 1, vec![1.0, 2.0, 7.0, 7.0, 3.0, 6.0, 7.0, 7.0]);
            let statistics = Statistics::of(&data, normalize);
            statistics.apply(&mut data);
            assert!(data.inputs().iter().all(|x| x.is_finite()));
            let mean = data.inputs().iter().sum::<f32>() / 8.0;
            assert!(mean.abs() < 1e-6, "{normalize:?}: {mean}");
            let variance = data.inputs().iter().map(|x| x * x).sum::<f32>() / 8.0;
            match normalize {
                Normalize::Feature => assert_eq!(data.input(0), [-1.0, -1.0, 0.0, 0.0]),
                _ => assert!((variance - 1.0).abs() < 1e-5, "{normalize:?}: {variance}"),
            }
            if normalize == Normalize::Center {
                assert_eq!(data.input(0)[2..], [0.0, 0.0]);
                assert!((data.input(0)[1] / data.input(0)[0] - 2.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_feature_constant_in_training_tells_nothing_of_other_data() {
        let train = images(2, 1, vec![1.0, 2.0, 7.0, 7.0, 3.0, 6.0, 7.0, 7.0]);
        let mut other = images(2, 1, vec![1.0, 2.0, 7.0, 9.0]);
        Statistics::of(&train, Normalize::Feature).apply(&mut other);
        assert_eq!(other.inputs(), [-1.0, -1.0, 0.0, 0.0]);
    }

    #[test]
    fn numbers_in_double_precision_keep_their_digits_and_their_size() {
        let all = [Normalize::Dataset, Normalize::Center, Normalize::Feature];
        let exact = |values: &[f64]| {
            let labels = vec![0; values.len()];
            Dataset::exact("toy", InputShape::Vector(1), values.to_vec(), labels, vec!["a".into()]).unwrap()
        };
        let wanted = [-2.0, -1.0, 0.0, 3.0].map(|x: f64| (x / 3.5_f64.sqrt()) as f32);
        for (shift, unit) in [(1.7e9, 1.0), (0.0, 1e-200), (0.0, 1e200), (-1e308, 1e300)] {
            for normalize in all {
                let mut data = exact(&[0.0, 1.0, 2.0, 5.0].map(|x| shift + unit * x));
                Statistics::of(&data, normalize).apply(&mut data);
                let close = data.inputs().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.01);
                assert!(close, "{shift} {unit} {normalize:?}: {:?}", data.inputs());
            }
        }
        for normalize in all {
            let mut data = exact(&[f64::MIN, f64::MIN, f64::MAX]);
            Statistics::of(&data, normalize).apply(&mut data);
            let root = 0.5_f32.sqrt();
            let wanted = [-root, -root, 2.0 * root];
            let close = data.inputs().iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "{normalize:?}: {:?}", data.inputs());
        }
        // One deviation for two columns is that of both.
        let rows = vec![0.0, 1e300, 0.0, 7e300];
        let data = Dataset::exact("toy", InputShape::Vector(2), rows, vec![0; 2], vec!["a".into()]).unwrap();
        let Statistics { mean, std } = Statistics::of(&data, Normalize::Center);
        let ratio = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 1e-12;
        assert!(mean[0] == 0.0 && ratio(mean[1], 4e300), "{mean:?}");
        assert!(std.iter().all(|&std| ratio(std, 3e300 * 0.5_f64.sqrt())), "{std:?}");
    }
}
