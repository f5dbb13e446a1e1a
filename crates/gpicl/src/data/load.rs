//! From a [`DataConfig`] to the data set: short forms, checks, reading, preparation.

use std::path::{Path, PathBuf};

use super::config::{DataConfig, PreparedLayout, data_dir};
use super::raw::Raw;
use super::sources::{Kind, Source};
use super::transform::{Color, Statistics, resize, to_color};
use super::{Dataset, InputShape, Splits};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

impl DataConfig {
    /// From a short form: `mnist`, `csv:table.csv`, or `glyphs@7` for a made data set of another seed.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such data set or format, or no such seed.
    pub fn from_spec(spec: &str) -> Result<Self> {
        let (name, path, seed) = Self::parts(spec)?;
        let config = Self { name: name.into(), path, seed: seed.unwrap_or_default(), ..Self::default() };
        config.validate()?;
        Ok(config)
    }

    /// Name, path and seed of a short form.
    fn parts(spec: &str) -> Result<(&str, Option<PathBuf>, Option<u64>)> {
        if let Some((name, path)) = spec.split_once(':') {
            return Ok((name, Some(PathBuf::from(path)), None));
        }
        let Some((name, seed)) = spec.split_once('@') else { return Ok((spec, None, None)) };
        if Source::find(name)?.kind != Kind::Made {
            let problem = format!("`{spec}` has a seed, and `{name}` is not a made data set");
            return Err(Error::config("data", problem, "leave the seed out"));
        }
        match seed.parse() {
            Ok(seed) => Ok((name, None, Some(seed))),
            Err(_) => {
                let problem = format!("`{spec}` has `{seed}` for a seed");
                Err(Error::config("data", problem, "write NAME@SEED with a whole number, or NAME"))
            }
        }
    }

    /// Whether it is made from its seed.
    pub fn is_made(&self) -> bool {
        Source::find(&self.name).is_ok_and(|source| source.kind == Kind::Made)
    }

    /// Its short form, which tells it from others of its name.
    pub fn short_form(&self) -> String {
        match &self.path {
            Some(path) => format!("{}:{}", self.name, path.display()),
            None => format!("{}@{}", self.name, self.seed),
        }
    }

    /// The same data, its inputs prepared as `other` prepares them. Vectors have neither size nor colour.
    pub fn prepared_like(self, other: &Self) -> Self {
        let Self { resize, color, layout, normalize, .. } = *other;
        if matches!(self.name.as_str(), "random" | "csv" | "safetensors") {
            return Self { normalize, ..self };
        }
        Self { resize, color, layout, normalize, ..self }
    }

    /// The data set that `spec` names ([`DataConfig::from_spec`]), prepared like this one; this one itself if
    /// it is the one. Of a made one `spec` may give another seed, and nothing else changes.
    ///
    /// # Errors
    /// As [`DataConfig::from_spec`].
    pub fn beside(&self, spec: &str) -> Result<Self> {
        let data = Self::from_spec(spec)?;
        if data.name == self.name && (data.path.is_none() || data.path == self.path) {
            let (_, _, seed) = Self::parts(spec)?;
            return Ok(Self { seed: seed.unwrap_or(self.seed), ..self.clone() });
        }
        Ok(data.prepared_like(self))
    }

    /// Checks that the data set is known and that every field that is set applies to it.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if let (None, Ok((name, None, Some(seed)))) = (&self.path, Self::parts(&self.name)) {
            let fix = format!("set data.name = \"{name}\" and data.seed = {seed}");
            return Err(Error::config("data.name", format!("`{}` is a short form", self.name), fix));
        }
        let source = Source::find(&self.name)?;
        let applies = |field: &str, set: bool, applies: bool| {
            if set && !applies {
                let problem = format!("has no meaning for `{}`", self.name);
                return Err(Error::config(format!("data.{field}"), problem, "leave it out"));
            }
            Ok(())
        };
        let made = source.kind == Kind::Made;
        applies("path", self.path.is_some(), source.kind == Kind::Format)?;
        applies("label_column", self.label_column.is_some(), source.name == "csv")?;
        applies("classes", self.classes.is_some(), made)?;
        applies("per_class", self.per_class.is_some(), made)?;
        applies("size", self.size.is_some(), made)?;
        applies("noise", self.noise.is_some(), made)?;
        applies("test_fraction", self.test_fraction.is_some(), source.kind == Kind::Format)?;
        applies("layout", self.layout.is_some() && (self.resize.is_some() || self.color.is_some()), false)?;
        if source.kind == Kind::Format && self.path.is_none() {
            let problem = format!("is missing; `{}` is a format, not a data set", self.name);
            return Err(Error::config(
                "data.path",
                problem,
                format!("write {}:FILE or set data.path", self.name),
            ));
        }
        let positive = [
            ("resize", self.resize, 1),
            ("classes", self.classes, 2),
            ("per_class", self.per_class, 4),
            ("size", self.size, 1),
        ];
        for (field, value, least) in positive {
            if let Some(value) = value
                && value < least
            {
                let fix = format!("give at least {least}");
                return Err(Error::config(format!("data.{field}"), format!("is {value}"), fix));
            }
        }
        if self.noise.is_some_and(|noise| !(noise.is_finite() && noise >= 0.0)) {
            return Err(Error::config("data.noise", format!("is {:?}", self.noise), "give 0 or more"));
        }
        for (field, value) in
            [("test_fraction", self.test_fraction), ("validation_fraction", self.validation_fraction)]
        {
            if let Some(value) = value.filter(|&fraction| !(fraction > 0.0 && fraction < 1.0)) {
                let problem = format!("is {value}");
                return Err(Error::config(
                    format!("data.{field}"),
                    problem,
                    "give a fraction between 0 and 1",
                ));
            }
        }
        Ok(())
    }

    /// Reads or makes the data set and prepares its inputs.
    ///
    /// # Errors
    /// [`Error::Missing`] if the files are not there, [`Error::File`] if one does not hold what it should.
    pub fn load(&self, dir: Option<&Path>) -> Result<Splits> {
        self.validate()?;
        let source = Source::find(&self.name)?;
        let folder = match source.kind {
            Kind::Named => data_dir(dir)?.join(source.name),
            Kind::Format | Kind::Made => PathBuf::new(),
        };
        let Raw { train, test } = (source.read)(self, &folder)?;
        let (train, test) = match test {
            Some(test) => (train, test),
            None => self.split(&train)?,
        };
        let (mut train, mut test) = (self.prepare(train)?, self.prepare(test)?);
        let statistics = Statistics::of(&train, self.normalize);
        statistics.apply(&mut train);
        statistics.apply(&mut test);
        Ok(Splits { train, test })
    }

    fn prepare(&self, data: Dataset) -> Result<Dataset> {
        let (side, color) = match self.layout {
            Some(PreparedLayout::Paper) => (Some(32), Some(Color::Rgb)),
            None => (self.resize, self.color),
        };
        if matches!(data.shape(), InputShape::Vector(_)) {
            if self.resize.is_some() || self.color.is_some() {
                let problem = format!("`{}` has vectors, not images", self.name);
                return Err(Error::config("data.resize", problem, "leave data.resize and data.color out"));
            }
            return Ok(data);
        }
        let data = match color {
            Some(color) => to_color(data, color)?,
            None => data,
        };
        match side {
            Some(side) => resize(data, side),
            None => Ok(data),
        }
    }

    /// A random split for sources that have none.
    fn split(&self, data: &Dataset) -> Result<(Dataset, Dataset)> {
        let mut order: Vec<usize> = (0..data.len()).collect();
        Rng::new(self.seed, Stream::Data, 0).shuffle(&mut order);
        let held_out = (data.len() as f64 * self.test_fraction.unwrap_or(0.2)).round() as usize;
        if held_out == 0 || held_out >= data.len() {
            let problem = format!("{} examples cannot be split", data.len());
            return Err(Error::config("data.test_fraction", problem, "give more examples"));
        }
        let (test, train) = order.split_at(held_out);
        Ok((data.subset(train), data.subset(test)))
    }
}
