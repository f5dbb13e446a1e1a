//! From a [`DataConfig`] to the data set: short forms, checks, reading, preparation.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checksum::are_published;
use super::config::{DataConfig, data_dir};
use super::raw::{Raw, own_file_name};
use super::sources::{Form, Kind, Source};
use super::transform::{Color, Normalize, Statistics, resize, to_color};
use super::web_page::{check_no_web_page, or_web_page};
use super::{Dataset, Description, InputShape, Origin, Split, Splits};
use crate::error::{Error, Result};
use crate::rng::{Rng, Stream};

impl DataConfig {
    /// From a short form: `mnist`, `csv:table.csv`, or `glyphs@7` for a made data set of another seed.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such data set or format, or no such seed.
    pub fn from_spec(spec: &str) -> Result<Self> {
        let (name, path, seed) = Self::parts(spec)?;
        let config = Self { name: name.into(), path, seed, ..Self::default() };
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

    /// How inputs are normalised where nothing is said; `Automatic` where that is known once they are read.
    fn usual_normalization(&self) -> Normalize {
        match Source::find(&self.name).map(|source| source.form) {
            // Every column is a quantity of its own.
            Ok(Form::Columns) => Normalize::Feature,
            Ok(Form::Arrays) => Normalize::Automatic,
            _ => Normalize::Dataset,
        }
    }

    /// How inputs are normalised; `Automatic` of arrays, which may be images or vectors, unless something is said.
    pub fn normalization(&self) -> Normalize {
        match self.normalize {
            Normalize::Automatic => self.usual_normalization(),
            said => said,
        }
    }

    /// [`DataConfig::normalization`] of inputs that are known.
    fn normalization_of(&self, shape: InputShape) -> Normalize {
        match (self.normalization(), shape) {
            (Normalize::Automatic, InputShape::Vector(_)) => Normalize::Feature,
            (Normalize::Automatic, InputShape::Image { .. }) => Normalize::Dataset,
            (said, _) => said,
        }
    }

    /// Whether nothing but the usual is said of how inputs are normalised. Configurations of earlier runs have what was usual
    /// for arrays.
    fn is_usually_normalized(&self) -> bool {
        match (self.normalization(), self.usual_normalization()) {
            (Normalize::Dataset, Normalize::Automatic) => true,
            (said, usual) => said == usual,
        }
    }

    /// Says how inputs are normalised, where that is left to the data and known before they are read.
    pub fn complete(&mut self) {
        self.normalize = self.normalization();
    }

    /// Its short form, which tells it from others of its name.
    pub fn short_form(&self) -> String {
        match &self.path {
            Some(path) => format!("{}:{}", self.name, path.display()),
            None => format!("{}@{}", self.name, self.seed()),
        }
    }

    /// The same data, its inputs prepared as `other` prepares them: normalised likewise, or each as is usual for it if they are
    /// not of one kind (tables, arrays, all else) and `other` is as is usual; images of its side and its colour, however `other` comes by them. Vectors have neither, and no images are brought to a side if `other` has
    /// some that are not square.
    ///
    /// # Errors
    /// Files that say how large their images are, and cannot be read.
    pub fn prepared_like(self, other: &Self) -> Result<Self> {
        // What is usual for images is not meant for the columns of a table, nor the reverse.
        let alike = self.usual_normalization() == other.usual_normalization();
        let normalize =
            if other.is_usually_normalized() && !alike { Normalize::Automatic } else { other.normalize };
        let alike = Self { normalize, ..self };
        let Some(wanted) = other.images()? else { return Ok(alike) };
        let Some(found) = alike.images()? else { return Ok(alike) };
        if found == wanted {
            return Ok(alike);
        }
        if other.layout.is_some() {
            return Ok(Self { layout: other.layout, resize: None, color: None, ..alike });
        }
        let (height, width, channels) = wanted;
        let side = (height == width).then_some(height);
        let color = match channels {
            1 => Some(Color::Grey),
            3 => Some(Color::Rgb),
            _ => None,
        };
        let drawn = matches!(Source::find(&alike.name)?.form, Form::Drawn { .. });
        let (size, resize) = match alike.size {
            // Drawn at that side they are sharper than brought to it.
            None if drawn => (side, None),
            size => (size, side),
        };
        Ok(Self { layout: None, size, resize, color, ..alike })
    }

    /// Height, width and channels of the images as they are prepared; `None` if the inputs are vectors. Reads files only
    /// where nothing else says it.
    fn images(&self) -> Result<Option<(usize, usize, usize)>> {
        let source = Source::find(&self.name)?;
        let (side, color) = self.target();
        let channels = |color| if color == Color::Grey { 1 } else { 3 };
        let (height, width, depth) = match (source.form, side, color) {
            (Form::Vectors | Form::Columns, ..) => return Ok(None),
            (Form::Images { side, color }, ..) => (side, side, channels(color)),
            (Form::Drawn { side }, ..) => (self.size.unwrap_or(side), self.size.unwrap_or(side), 1),
            (Form::Pictures, Some(side), Some(color)) => (side, side, channels(color)),
            (Form::Pictures | Form::Arrays, ..) => match (source.read)(self, Path::new(""))?.train.shape() {
                InputShape::Image { height, width, channels } => (height, width, channels),
                InputShape::Vector(_) => return Ok(None),
            },
        };
        Ok(Some((side.unwrap_or(height), side.unwrap_or(width), color.map_or(depth, channels))))
    }

    /// The data set that `spec` names ([`DataConfig::from_spec`]), prepared like this one; this one itself if
    /// it is the one. Of a made one `spec` may give another seed, and nothing else changes.
    ///
    /// # Errors
    /// As [`DataConfig::from_spec`] and [`DataConfig::prepared_like`].
    pub fn beside(&self, spec: &str) -> Result<Self> {
        let data = Self::from_spec(spec)?;
        if data.name == self.name && (data.path.is_none() || data.path == self.path) {
            let (_, _, seed) = Self::parts(spec)?;
            return Ok(Self { seed: seed.or(self.seed), ..self.clone() });
        }
        data.prepared_like(self)
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
        let table = source.form == Form::Columns;
        applies("label_column", self.label_column.is_some(), table)?;
        applies("delimiter", self.delimiter.is_some(), table)?;
        applies("drop", !self.drop.is_empty(), table)?;
        applies("categorical", !self.categorical.is_empty(), table)?;
        applies("missing", !self.missing.is_empty(), table)?;
        applies("background", self.background.is_some(), source.name == "images")?;
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
        if let Some(noise) = self.noise.filter(|noise| !(noise.is_finite() && *noise >= 0.0)) {
            return Err(Error::config("data.noise", format!("is {noise}"), "give 0 or more"));
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
        self.load_from(source, &folder)
    }

    /// [`DataConfig::load`] of `source`, which for a named one is in `folder`.
    fn load_from(&self, source: &Source, folder: &Path) -> Result<Splits> {
        let path = self.path.as_deref().unwrap_or(folder);
        check_no_web_page(path)?;
        let Raw { train, test, files } = (source.read)(self, folder).map_err(or_web_page)?;
        if let [class] = train.class_names() {
            let fix = match source.name {
                "csv" => "name the column of the labels with data.label_column, or add rows of another class",
                _ => "add examples of another class",
            };
            return Err(Error::file(path, format!("all examples are of one class, `{class}`"), fix));
        }
        // The files are hashed while the inputs are prepared.
        let (splits, published) =
            rayon::join(|| self.prepare_splits(train, test), || are_published(source.files, &files));
        let (Splits { train, test }, published) = (splits?, published?);
        let examples = BTreeMap::from([(Split::Train, train.len()), (Split::Test, test.len())]);
        let description = Arc::new(self.describe(source, published, train.num_classes(), examples));
        Ok(Splits { train: train.described(Arc::clone(&description)), test: test.described(description) })
    }

    /// What the data set is; `published` says whether the files that were read are.
    fn describe(
        &self,
        source: &Source,
        published: bool,
        classes: usize,
        examples: BTreeMap<Split, usize>,
    ) -> Description {
        let (name, origin) = match source.kind {
            Kind::Made => {
                let (what, seeds) = (source.title.into(), vec![self.seed()]);
                (source.name.to_string(), Origin::Made { what, seeds, classes, noise: self.noise })
            }
            Kind::Named => {
                let all: usize = source.published.iter().flatten().sum();
                let whole = examples.values().sum::<usize>() == all;
                let held_out = source.published.map(|[_, test]| test);
                let origin = match published {
                    true if whole && examples.get(&Split::Test).copied() == held_out => Origin::Official,
                    true => Origin::Resplit,
                    false => Origin::Unofficial { published: all },
                };
                (source.title.to_string(), origin)
            }
            Kind::Format => (own_file_name(self.path.as_deref().unwrap_or(Path::new("."))), Origin::Own),
        };
        Description { name, origin, examples }
    }

    /// Splits the examples, if the source has not, and prepares them.
    fn prepare_splits(&self, train: Dataset, test: Option<Dataset>) -> Result<Splits> {
        let (train, test) = match test {
            Some(test) => (train, test),
            None => self.split(&train)?,
        };
        let (mut train, mut test) = (self.prepare(train)?, self.prepare(test)?);
        let statistics = Statistics::of(&train, self.normalization_of(train.shape()));
        statistics.apply(&mut train);
        statistics.apply(&mut test);
        Ok(Splits { train, test })
    }

    fn prepare(&self, data: Dataset) -> Result<Dataset> {
        let (side, color) = self.target();
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
        Rng::new(self.seed(), Stream::Data, 0).shuffle(&mut order);
        let held_out = (data.len() as f64 * self.test_fraction.unwrap_or(0.2)).round() as usize;
        if held_out == 0 || held_out >= data.len() {
            let problem = format!("{} examples cannot be split", data.len());
            return Err(Error::config("data.test_fraction", problem, "give more examples"));
        }
        let (test, train) = order.split_at(held_out);
        Ok((data.subset(train), data.subset(test)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::checksum::md5_of;
    use super::super::sources::RemoteFile;
    use super::*;

    /// An IDX file of bytes: `images` of 4x4 pixels, or as many labels.
    fn idx(images: bool, count: u8) -> Vec<u8> {
        let head = if images {
            vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 4, 0, 0, 0, 4]
        } else {
            vec![0, 0, 8, 1, 0, 0, 0, count]
        };
        let body = (0..count).flat_map(|i| if images { vec![i; 16] } else { vec![i % 2] });
        head.into_iter().chain(body).collect()
    }

    #[test]
    fn the_published_checksums_make_a_data_set_official_and_one_changed_byte_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ];
        for (name, (images, count)) in names.iter().zip([(true, 6), (false, 6), (true, 2), (false, 2)]) {
            std::fs::write(dir.path().join(name), idx(images, count)).unwrap();
        }
        let files = names.map(|name| {
            let md5 = md5_of(&dir.path().join(name)).unwrap().leak();
            RemoteFile { name, remote: name, md5 }
        });
        let mnist = Source::find("mnist").unwrap();
        let source = Source { files: files.to_vec().leak(), published: Some([6, 2]), ..*mnist };
        let config = DataConfig::from_spec("mnist").unwrap();
        let description = |source: &Source| {
            let Splits { train, test } = config.load_from(source, dir.path()).unwrap();
            assert_eq!(train.description(), test.description());
            train.description().unwrap().clone()
        };
        let official = description(&source);
        assert!(official.official());
        assert_eq!(official.to_string(), "MNIST, the published files: 6 + 2 examples");

        let resplit = description(&Source { published: Some([5, 3]), ..source });
        assert!(!resplit.official() && resplit.short() == "MNIST, split anew", "{resplit}");

        let image = dir.path().join(names[0]);
        let mut bytes = std::fs::read(&image).unwrap();
        *bytes.last_mut().unwrap() += 1;
        std::fs::write(&image, bytes).unwrap();
        let changed = description(&source);
        assert!(!changed.official());
        assert_eq!(changed.to_string(), "MNIST, not verified as the published files: 6 + 2 examples");
        assert_eq!(description(mnist).short(), "MNIST, a subset of 8");
    }
}
