//! Every data set and format there is: one line each.

use std::path::Path;

use super::config::DataConfig;
use super::raw::Raw;
use super::transform::Color;
use super::{cifar, csv, glyphs, idx, images, npy, omniglot, random, safetensors, svhn};
use crate::error::{Error, Result};

/// Where a source's examples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Made from a seed: nothing to read.
    Made,
    /// A known data set, in the folder of its name below the data directory.
    Named,
    /// A format that reads `data.path`.
    Format,
}

/// What one input is, as a source has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Features without a spatial order.
    Vectors,
    /// Columns of a table, each a quantity of its own.
    Columns,
    /// Square images.
    Images {
        /// Rows, and columns.
        side: usize,
        /// Grey or colour.
        color: Color,
    },
    /// Square grey images of side `data.size`.
    Drawn {
        /// Their side where `data.size` is absent.
        side: usize,
    },
    /// Images of the size and colour that the files have.
    Pictures,
    /// Images or vectors, as the files have them.
    Arrays,
}

/// A file that `gpicl data fetch` downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Name below the data set's folder.
    pub name: &'static str,
    /// Name below every mirror, if it is another one.
    pub remote: &'static str,
    /// Published MD5 of the file.
    pub md5: &'static str,
}

/// Reads a source: the configuration, and the folder of a named data set.
type Read = fn(&DataConfig, &Path) -> Result<Raw>;

/// A data set or a format.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// What `data.name` takes.
    pub name: &'static str,
    /// Where the examples come from.
    pub kind: Kind,
    /// What descriptions call a named data set, or the examples of a made one.
    pub title: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// What one input is.
    pub form: Form,
    pub(super) read: Read,
    /// Base addresses, tried in this order.
    pub mirrors: &'static [&'static str],
    /// What to download.
    pub files: &'static [RemoteFile],
    /// Examples of the training and of the test split, as published.
    pub published: Option<[usize; 2]>,
}

const fn file(name: &'static str, md5: &'static str) -> RemoteFile {
    RemoteFile { name, remote: name, md5 }
}

const EMNIST_MIRRORS: &[&str] =
    &["https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"];
const EMNIST_FILES: &[RemoteFile] =
    &[RemoteFile { name: "emnist.zip", remote: "gzip.zip", md5: "58c8d27c78d21e728a6bc7b3cc06412e" }];

const fn grey(side: usize) -> Form {
    Form::Images { side, color: Color::Grey }
}

const fn colour(side: usize) -> Form {
    Form::Images { side, color: Color::Rgb }
}

const fn made(
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    form: Form,
    read: Read,
) -> Source {
    Source { name, kind: Kind::Made, title, summary, form, read, mirrors: &[], files: &[], published: None }
}

const fn format(name: &'static str, summary: &'static str, form: Form, read: Read) -> Source {
    Source {
        name,
        kind: Kind::Format,
        title: name,
        summary,
        form,
        read,
        mirrors: &[],
        files: &[],
        published: None,
    }
}

const fn named(
    name: &'static str,
    [title, summary]: [&'static str; 2],
    form: Form,
    published: [usize; 2],
    read: Read,
    mirrors: &'static [&'static str],
    files: &'static [RemoteFile],
) -> Source {
    let published = Some(published);
    Source { name, kind: Kind::Named, title, summary, form, read, mirrors, files, published }
}

/// All sources.
pub const SOURCES: &[Source] = &[
    made(
        "glyphs",
        "drawn characters",
        "characters drawn from a seed; any number of classes",
        Form::Drawn { side: glyphs::SIDE },
        glyphs::read,
    ),
    made(
        "random",
        "Gaussian prototypes with noise",
        "Gaussian class prototypes with noise (the paper's Random)",
        Form::Vectors,
        random::read,
    ),
    named(
        "mnist",
        ["MNIST", "handwritten digits, 28x28 grey, 10 classes"],
        grey(28),
        [60_000, 10_000],
        idx::read_mnist_layout,
        &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        &[
            file("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            file("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            file("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            file("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ],
    ),
    named(
        "fashion-mnist",
        ["Fashion-MNIST", "pieces of clothing, 28x28 grey, 10 classes"],
        grey(28),
        [60_000, 10_000],
        idx::read_mnist_layout,
        &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        &[
            file("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            file("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            file("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            file("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ],
    ),
    named(
        "kmnist",
        ["KMNIST", "cursive Japanese characters, 28x28 grey, 10 classes"],
        grey(28),
        [60_000, 10_000],
        idx::read_mnist_layout,
        &["http://codh.rois.ac.jp/kmnist/dataset/kmnist/", "https://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        &[
            file("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
            file("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
            file("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
            file("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
        ],
    ),
    named(
        "emnist-digits",
        ["EMNIST digits", "EMNIST digits, 28x28 grey, 10 classes"],
        grey(28),
        [240_000, 40_000],
        idx::read_emnist,
        EMNIST_MIRRORS,
        EMNIST_FILES,
    ),
    named(
        "emnist-letters",
        ["EMNIST letters", "EMNIST letters, 28x28 grey, 26 classes"],
        grey(28),
        [124_800, 20_800],
        idx::read_emnist,
        EMNIST_MIRRORS,
        EMNIST_FILES,
    ),
    named(
        "emnist-balanced",
        ["EMNIST balanced", "EMNIST balanced, 28x28 grey, 47 classes"],
        grey(28),
        [112_800, 18_800],
        idx::read_emnist,
        EMNIST_MIRRORS,
        EMNIST_FILES,
    ),
    named(
        "cifar10",
        ["CIFAR-10", "photographs of objects, 32x32 colour, 10 classes"],
        colour(32),
        [50_000, 10_000],
        cifar::read,
        &["https://www.cs.toronto.edu/~kriz/"],
        &[file("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530")],
    ),
    named(
        "svhn",
        ["SVHN", "house numbers, 32x32 colour, 10 classes"],
        colour(32),
        [73_257, 26_032],
        svhn::read,
        &["http://ufldl.stanford.edu/housenumbers/"],
        &[
            file("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            file("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
        ],
    ),
    named(
        "omniglot",
        ["Omniglot", "characters of 50 alphabets, 105x105 grey, 1623 classes"],
        grey(105),
        [19_280, 13_180],
        omniglot::read,
        &[
            "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",
            "https://github.com/brendenlake/omniglot/raw/master/python/",
        ],
        &[
            file("images_background.zip", "68d2efa1b9178cc56df9314c21c6e718"),
            file("images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811"),
        ],
    ),
    format(
        "idx",
        "a folder with IDX files in MNIST's layout, plain or .gz",
        Form::Pictures,
        idx::read_folder,
    ),
    format("npy", "a folder with x.npy and y.npy, maybe x_test.npy", Form::Arrays, npy::read_npy),
    format(
        "npz",
        "a file with arrays x and y, or x_train, y_train, x_test, y_test",
        Form::Arrays,
        npy::read_npz,
    ),
    format(
        "safetensors",
        "a file of features: tensors inputs and labels, maybe test_inputs",
        Form::Vectors,
        safetensors::read,
    ),
    format("csv", "a table with a header and a label column", Form::Columns, csv::read),
    format(
        "images",
        "a folder with a folder of images for each class, maybe below train and test",
        Form::Pictures,
        images::read,
    ),
];

impl Source {
    /// Whether it needs no download: a made one, a format, or a named one with a folder below the data directory `dir`.
    pub fn is_here(&self, dir: &Path) -> bool {
        let folder = dir.join(self.name);
        self.kind != Kind::Named || folder.is_dir() || idx::is_torchvisions(self.name, &folder)
    }

    /// The source called `name`.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn find(name: &str) -> Result<&'static Self> {
        SOURCES.iter().find(|source| source.name == name).ok_or_else(|| {
            let names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
            let fix = format!("choose one of {} (formats take data.path)", names.join(", "));
            Error::config("data.name", format!("`{name}` is no data set"), fix)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_downloads_have_mirrors_and_checksums() {
        for (i, source) in SOURCES.iter().enumerate() {
            assert!(SOURCES[..i].iter().all(|other| other.name != source.name), "{}", source.name);
            assert_eq!(source.kind == Kind::Named, !source.files.is_empty(), "{}", source.name);
            assert_eq!(source.kind == Kind::Named, source.published.is_some(), "{}", source.name);
            for file in source.files {
                assert!(!source.mirrors.is_empty() && source.mirrors.iter().all(|url| url.ends_with('/')));
                assert!(file.md5.len() == 32 && file.md5.bytes().all(|b| b.is_ascii_hexdigit()), "{file:?}");
            }
        }
        assert!(Source::find("imagenet").unwrap_err().to_string().contains("fashion-mnist"));
    }
}
