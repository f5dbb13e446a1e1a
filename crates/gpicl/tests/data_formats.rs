//! Every format: a file the test wrote reads back, and every way to break it is named.
#![cfg(feature = "archives")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use gpicl::OutFile;
use gpicl::data::{Color, DataConfig, Dataset, InputShape, Normalize, Splits, write_features};
use safetensors::Dtype;
use tempfile::{TempDir, tempdir};

fn folder() -> TempDir {
    tempdir().unwrap()
}

fn named(name: &str) -> DataConfig {
    DataConfig { name: name.into(), normalize: Normalize::None, ..DataConfig::default() }
}

fn format(name: &str, path: &Path) -> DataConfig {
    DataConfig { path: Some(path.into()), ..named(name) }
}

fn error(config: &DataConfig, dir: &Path) -> String {
    config.load(Some(dir)).unwrap_err().to_string()
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// What a data set is, in words: long and short. Both splits say it.
fn described(config: &DataConfig, dir: Option<&Path>) -> (String, String) {
    let splits = config.load(dir).unwrap();
    assert_eq!(splits.train.description(), splits.test.description());
    let description = splits.train.description().unwrap();
    (description.to_string(), description.short())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

// IDX

fn idx(magic: u32, dims: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    bytes.extend(body);
    bytes
}

/// A data set of 2x3 images: 4 to train on, 2 to test on.
fn write_mnist(dir: &Path) -> PathBuf {
    let folder = dir.join("mnist");
    fs::create_dir_all(&folder).unwrap();
    for (prefix, n) in [("train", 4_u8), ("t10k", 2)] {
        let pixels: Vec<u8> = (0..n * 6).map(|i| i * 10).collect();
        let labels: Vec<u8> = (0..n).map(|i| i % 3).collect();
        let images = idx(2051, &[n.into(), 2, 3], &pixels);
        fs::write(folder.join(format!("{prefix}-images-idx3-ubyte.gz")), gzip(&images)).unwrap();
        fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), idx(2049, &[n.into()], &labels))
            .unwrap();
    }
    folder
}

#[test]
fn idx_reads_plain_and_gzipped_files() {
    let dir = folder();
    write_mnist(dir.path());
    let splits = named("mnist").load(Some(dir.path())).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (4, 2));
    assert_eq!(splits.train.shape(), InputShape::Image { height: 2, width: 3, channels: 1 });
    assert_eq!(splits.train.labels(), [0, 1, 2, 0]);
    assert_eq!(splits.train.input(1)[0], 60.0 / 255.0);
    assert_eq!(splits.test.num_classes(), 3, "both splits have the classes of the larger one");
    assert_eq!(described(&named("mnist"), Some(dir.path())).1, "MNIST, a subset of 6");
    let own = described(&format("idx", &dir.path().join("mnist")), None);
    assert_eq!(own, ("mnist: 4 + 2 examples".into(), "mnist".into()));
}

#[test]
fn idx_is_found_under_dotted_names_and_where_torchvision_puts_it() {
    let dir = folder();
    let whole = |root: &Path| named("mnist").load(Some(root)).unwrap();
    let mnist = write_mnist(dir.path());
    let expected = whole(dir.path());
    for prefix in ["train", "t10k"] {
        for (what, rank) in [("images", "idx3-ubyte.gz"), ("labels", "idx1-ubyte")] {
            let name = |dot| mnist.join(format!("{prefix}-{what}{dot}{rank}"));
            fs::rename(name('-'), name('.')).unwrap();
        }
    }
    assert_eq!(whole(dir.path()).train, expected.train);
    let torchvision = dir.path().join("torch");
    fs::create_dir_all(torchvision.join("MNIST")).unwrap();
    fs::rename(&mnist, torchvision.join("MNIST/raw")).unwrap();
    assert_eq!(whole(&torchvision).test, expected.test);
    for path in ["torch", "torch/MNIST", "torch/MNIST/raw"] {
        let config = format("idx", &dir.path().join(path));
        assert_eq!(config.load(None).unwrap().train.inputs(), expected.train.inputs(), "{path}");
    }
    let raw = described(&format("idx", &torchvision.join("MNIST/raw")), None);
    assert_eq!(raw.1, "MNIST", "`raw` says nothing");
    fs::create_dir_all(torchvision.join("KMNIST/raw")).unwrap();
    contains(&error(&format("idx", &torchvision), dir.path()), &["2 data sets in it", "MNIST"]);
    let nothing = error(&format("idx", &dir.path().join("nothing")), dir.path());
    contains(&nothing, &["nothing", "train-images-idx3-ubyte", "four files"]);
    assert!(!nothing.contains("fetch"), "there is nothing to fetch for somebody's own files: {nothing}");
}

#[test]
fn idx_names_what_is_broken() {
    let dir = folder();
    let folder = write_mnist(dir.path());
    let labels = folder.join("train-labels-idx1-ubyte");
    let images = folder.join("train-images-idx3-ubyte.gz");
    let whole = fs::read(&images).unwrap();
    let config = named("mnist");

    fs::write(&labels, idx(2049, &[3], &[0, 1, 2])).unwrap();
    contains(&error(&config, dir.path()), &["train-labels-idx1-ubyte", "3 labels", "4 images"]);
    fs::write(&labels, idx(2051, &[4], &[0; 4])).unwrap();
    contains(&error(&config, dir.path()), &["train-labels", "magic number 2051", "expected 2049"]);
    fs::write(&labels, idx(2049, &[4], &[0; 3])).unwrap();
    contains(&error(&config, dir.path()), &["train-labels", "3 bytes follow"]);
    fs::write(&labels, [0, 0]).unwrap();
    contains(&error(&config, dir.path()), &["train-labels", "ends after 2 bytes"]);
    fs::write(&images, &whole[..whole.len() / 2]).unwrap();
    contains(&error(&config, dir.path()), &["train-images-idx3-ubyte.gz", "no whole gzip"]);
    fs::write(&images, idx(2051, &[u32::MAX, u32::MAX, u32::MAX], &[])).unwrap();
    contains(&error(&config, dir.path()), &["train-images", "sizes"]);
    fs::remove_file(&images).unwrap();
    contains(&error(&config, dir.path()), &["mnist", "gpicl data fetch mnist", "train-images-idx3-ubyte"]);
}

#[test]
fn emnist_is_turned_upright_and_its_letters_start_at_0() {
    let dir = folder();
    let folder = dir.path().join("emnist-letters");
    fs::create_dir_all(&folder).unwrap();
    let mut zip = zip::ZipWriter::new(fs::File::create(folder.join("emnist.zip")).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&gzip(bytes)).unwrap();
    };
    for split in ["train", "test"] {
        let images = idx(2051, &[2, 2, 2], &[0, 51, 102, 153, 0, 0, 0, 255]);
        add(&format!("gzip/emnist-letters-{split}-images-idx3-ubyte.gz"), &images);
        add(&format!("gzip/emnist-letters-{split}-labels-idx1-ubyte.gz"), &idx(2049, &[2], &[1, 2]));
    }
    zip.finish().unwrap();
    let data = named("emnist-letters").load(Some(dir.path())).unwrap().train;
    assert_eq!(data.labels(), [0, 1]);
    assert_eq!(data.input(0), [0.0, 0.4, 0.2, 0.6]);
}

// CIFAR-10

fn cifar_record(label: u8) -> Vec<u8> {
    let mut record = vec![label];
    record.extend((0..3072).map(|i| (i / 1024) as u8 * 51));
    record
}

fn write_cifar(dir: &Path) -> PathBuf {
    let folder = dir.join("cifar10/cifar-10-batches-bin");
    fs::create_dir_all(&folder).unwrap();
    for i in 1..=5 {
        fs::write(folder.join(format!("data_batch_{i}.bin")), cifar_record(i)).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), cifar_record(9)).unwrap();
    folder
}

#[test]
fn cifar_brings_the_channels_together_from_folder_and_archive() {
    let dir = folder();
    let folder = write_cifar(dir.path());
    let from_folder = named("cifar10").load(Some(dir.path())).unwrap();
    assert_eq!(from_folder.train.labels(), [1, 2, 3, 4, 5]);
    assert_eq!(from_folder.train.input(0)[..6], [0.0, 0.2, 0.4, 0.0, 0.2, 0.4]);
    assert_eq!(from_folder.test.class_names()[9], "truck");

    let archive = folder.parent().unwrap().join("cifar-10-binary.tar.gz");
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("cifar-10-batches-bin", &folder).unwrap();
    fs::write(&archive, gzip(&tar.into_inner().unwrap())).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(named("cifar10").load(Some(dir.path())).unwrap().train, from_folder.train);

    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    contains(&error(&named("cifar10"), dir.path()), &["cifar-10-binary.tar.gz", "no whole tar.gz"]);
}

#[test]
fn cifar_names_what_is_broken() {
    let dir = folder();
    let folder = write_cifar(dir.path());
    fs::write(folder.join("data_batch_3.bin"), [0; 100]).unwrap();
    contains(&error(&named("cifar10"), dir.path()), &["data_batch_3.bin", "100 bytes"]);
    fs::write(folder.join("data_batch_3.bin"), cifar_record(10)).unwrap();
    contains(&error(&named("cifar10"), dir.path()), &["data_batch_3.bin", "label 10", "byte 0"]);
}

// SVHN

fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn matrix(name: &str, dims: &[i32], bytes: &[u8]) -> Vec<u8> {
    let mut parts = element(6, &[9, 0, 0, 0, 0, 0, 0, 0]);
    parts.extend(element(5, &dims.iter().flat_map(|dim| dim.to_le_bytes()).collect::<Vec<_>>()));
    // A short name stands in its tag.
    let mut tag = (1_u32 | (name.len() as u32) << 16).to_le_bytes().to_vec();
    tag.extend(name.as_bytes());
    tag.resize(8, 0);
    parts.extend(tag);
    parts.extend(element(2, bytes));
    element(14, &parts)
}

fn write_svhn(dir: &Path, compressed: bool, labels: &[u8]) {
    let folder = dir.join("svhn");
    fs::create_dir_all(&folder).unwrap();
    // 2x2 images, column-major: the number of each byte is 100 channel + 10 row + column.
    let n = labels.len();
    let pixel = |i: usize| (100 * (i / 4 % 3) + 10 * (i % 2) + i / 2 % 2) as u8;
    let pixels: Vec<u8> = (0..n * 12).map(pixel).collect();
    let mut file = vec![b' '; 124];
    file.extend([0, 1, b'I', b'M']);
    for array in [matrix("X", &[2, 2, 3, n as i32], &pixels), matrix("y", &[n as i32, 1], labels)] {
        if compressed {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&array).unwrap();
            let packed = encoder.finish().unwrap();
            file.extend(15_u32.to_le_bytes());
            file.extend((packed.len() as u32).to_le_bytes());
            file.extend(packed);
        } else {
            file.extend(array);
        }
    }
    for name in ["train_32x32.mat", "test_32x32.mat"] {
        fs::write(folder.join(name), &file).unwrap();
    }
}

#[test]
fn svhn_reads_plain_and_compressed_arrays() {
    for compressed in [false, true] {
        let dir = folder();
        write_svhn(dir.path(), compressed, &[10, 3]);
        let data = named("svhn").load(Some(dir.path())).unwrap().train;
        assert_eq!(data.labels(), [0, 3], "digit 0 is stored as 10");
        let bytes: Vec<u8> = data.input(1).iter().map(|x| (x * 255.0).round() as u8).collect();
        assert_eq!(bytes, [0, 100, 200, 1, 101, 201, 10, 110, 210, 11, 111, 211], "rows, columns, channels");
    }
}

/// An array of MATLAB's `class` (4 a text, 14 whole numbers of 64 bits) with elements of `kind`.
fn mat_array(class: u8, name: &str, dims: &[i32], kind: u32, bytes: &[u8]) -> Vec<u8> {
    let mut parts = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    parts.extend(element(5, &dims.iter().flat_map(|dim| dim.to_le_bytes()).collect::<Vec<_>>()));
    parts.extend(element(1, name.as_bytes()));
    parts.extend(element(kind, bytes));
    element(14, &parts)
}

#[test]
fn svhn_reads_whole_numbers_of_64_bits_and_passes_over_a_text() {
    let dir = folder();
    let folder = dir.path().join("svhn");
    fs::create_dir_all(&folder).unwrap();
    let pixels: Vec<u8> = (0..24_u64).flat_map(|i| (10 * i).to_le_bytes()).collect();
    let mut file = vec![b' '; 124];
    file.extend([0, 1, b'I', b'M']);
    file.extend(mat_array(4, "description", &[1, 5], 16, b"digit"));
    file.extend(mat_array(15, "X", &[2, 2, 3, 2], 13, &pixels));
    file.extend(mat_array(14, "y", &[2, 1], 12, &integers(&[10, 3])));
    file.extend(mat_array(1, "cells", &[1, 1], 14, &[0; 8]));
    for name in ["train_32x32.mat", "test_32x32.mat"] {
        fs::write(folder.join(name), &file).unwrap();
    }
    let data = named("svhn").load(Some(dir.path())).unwrap().train;
    assert_eq!((data.labels(), data.input(0)[1]), (&[0, 3][..], 40.0 / 255.0));
    let text = [&file[..128], &mat_array(4, "X", &[1, 5], 16, b"digit")].concat();
    fs::write(folder.join("train_32x32.mat"), text).unwrap();
    contains(&error(&named("svhn"), dir.path()), &["train_32x32.mat", "no array of numbers `X`"]);
    let flat = mat_array(15, "X", &[0, 2, 3, 2], 13, &[]);
    let flat = [&file[..128], &flat, &mat_array(14, "y", &[2, 1], 12, &integers(&[10, 3]))].concat();
    fs::write(folder.join("train_32x32.mat"), flat).unwrap();
    contains(&error(&named("svhn"), dir.path()), &["train_32x32.mat", "[0, 2, 3, 2]"]);
}

#[test]
fn svhn_names_what_is_broken() {
    let dir = folder();
    write_svhn(dir.path(), false, &[11, 3]);
    contains(&error(&named("svhn"), dir.path()), &["train_32x32.mat", "entry 1", "label 11"]);
    write_svhn(dir.path(), true, &[1, 3]);
    let path = dir.path().join("svhn/train_32x32.mat");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    contains(&error(&named("svhn"), dir.path()), &["train_32x32.mat", "cut off"]);
    fs::write(&path, b"MATLAB 7.3 file, which is HDF5").unwrap();
    contains(&error(&named("svhn"), dir.path()), &["train_32x32.mat", "MATLAB 5"]);
}

// Images and Omniglot

fn write_image(path: &Path, side: u32, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(side, side, image::Luma([value])).save(path).unwrap();
}

#[test]
fn a_folder_of_folders_is_a_data_set() {
    let dir = folder();
    for (class, value) in [("cat", 51), ("dog", 102)] {
        for i in 0..5 {
            write_image(&dir.path().join(format!("{class}/{i}.png")), 4, value);
        }
    }
    let config = DataConfig { resize: Some(2), color: Some(Color::Rgb), ..format("images", dir.path()) };
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (8, 2), "a fifth is held out");
    assert_eq!(splits.train.class_names(), ["cat", "dog"]);
    let value = |data: &Dataset, i: usize| if data.label(i) == 0 { 0.2 } else { 0.4 };
    for i in 0..8 {
        assert_eq!(splits.train.input(i).len(), 12);
        assert!(splits.train.input(i).iter().all(|x| (x - value(&splits.train, i)).abs() < 1e-6));
    }

    let name = dir.path().file_name().unwrap().to_str().unwrap();
    let counts = format!("{name}: 8 + 2 examples");
    assert_eq!(described(&config, None), (counts, name.to_string()));

    write_image(&dir.path().join("dog/9.png"), 5, 1);
    contains(&error(&format("images", dir.path()), dir.path()), &["9.png", "5x5", "4x4"]);
    fs::write(dir.path().join("dog/9.png"), b"no picture").unwrap();
    contains(&error(&format("images", dir.path()), dir.path()), &["9.png", "cannot be decoded"]);
    fs::remove_file(dir.path().join("dog/9.png")).unwrap();
    fs::create_dir(dir.path().join("emu")).unwrap();
    contains(&error(&format("images", dir.path()), dir.path()), &["emu", "no image"]);
}

#[test]
fn what_systems_leave_beside_pictures_is_passed_over() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    for i in 0..4 {
        write_image(&at(&format!("{}/{i}.png", ["cat", "dog"][i % 2])), 4, 7);
    }
    write_image(&at(".ipynb_checkpoints/0-checkpoint.png"), 4, 7);
    write_image(&at("__MACOSX/cat/0.png"), 4, 7);
    fs::create_dir(at(".cache")).unwrap();
    fs::write(at("cat/._0.png"), "resource fork").unwrap();
    fs::create_dir(at("cat/.thumbs")).unwrap();
    let data = format("images", dir.path()).load(None).unwrap().train;
    assert_eq!(data.class_names(), ["cat", "dog"]);
}

#[test]
fn a_folder_of_a_splits_name_is_a_class_where_there_is_no_train() {
    let dir = folder();
    for i in 0..6 {
        write_image(&dir.path().join(format!("{}/{i}.png", ["valid", "void", "test"][i % 3])), 4, 7);
    }
    let data = format("images", dir.path()).load(None).unwrap().train;
    assert_eq!(data.class_names(), ["test", "valid", "void"]);
}

#[test]
fn a_split_for_choices_is_the_test_split_where_there_is_none() {
    let dir = folder();
    let at = |name: &str| dir.path().join("pets").join(name);
    for i in 0..6 {
        write_image(&at(&format!("train/{}/{i}.png", ["cat", "dog", "emu"][i % 3])), 4, 7);
    }
    // A class may be missing in the test split, or be only there.
    for name in ["val/cat/0.png", "val/fox/1.png"] {
        write_image(&at(name), 4, 9);
    }
    let config = format("images", &dir.path().join("pets"));
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (6, 2));
    assert_eq!((splits.test.class_names(), splits.test.labels()), (splits.train.class_names(), &[0, 3][..]));
    assert_eq!(splits.train.class_names(), ["cat", "dog", "emu", "fox"]);
    write_image(&at("test/dog/0.png"), 4, 9);
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.labels()), (6, &[1][..]), "beside `test` it is passed over");
    fs::create_dir(at("test/cat")).unwrap();
    contains(&error(&config, dir.path()), &["test/cat", "no image", "webp", "remove it"]);
}

#[test]
fn pictures_of_several_sizes_and_formats_come_to_one_side() {
    let dir = folder();
    for (i, (side, format)) in [(4, "png"), (6, "webp"), (9, "bmp"), (5, "tiff")].into_iter().enumerate() {
        write_image(&dir.path().join(format!("{}/{i}.{format}", ["cat", "dog"][i % 2])), side, 51);
    }
    let config = DataConfig { resize: Some(3), color: Some(Color::Grey), ..format("images", dir.path()) };
    let splits = config.load(None).unwrap();
    assert_eq!(splits.train.shape(), InputShape::Image { height: 3, width: 3, channels: 1 });
    assert_eq!(splits.train.len() + splits.test.len(), 4);
    assert!(splits.train.inputs().iter().all(|pixel| (pixel - 0.2).abs() < 1e-6));
    let several = error(&format("images", dir.path()), dir.path());
    contains(&several, &["bring all images to one size, or set data.resize"]);
}

#[test]
fn transparent_pictures_are_laid_on_the_background() {
    let dir = folder();
    for (i, class) in ["cat", "dog", "cat", "dog"].into_iter().enumerate() {
        let path = dir.path().join(format!("{class}/{i}.png"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbaImage::from_fn(2, 2, |x, _| image::Rgba([0, 0, 0, 255 * x as u8])).save(path).unwrap();
    }
    let config = DataConfig { color: Some(Color::Grey), ..format("images", dir.path()) };
    assert_eq!(config.load(None).unwrap().train.input(0), [1.0, 0.0, 1.0, 0.0]);
    let background = Some("#000000".to_string().try_into().unwrap());
    let black = DataConfig { background, ..config };
    assert_eq!(black.load(None).unwrap().train.input(0), [0.0; 4]);
    let applies = DataConfig { background, ..named("glyphs") };
    contains(&error(&applies, dir.path()), &["data.background", "glyphs"]);
}

#[test]
fn a_folder_of_pictures_with_two_splits_has_its_own_name() {
    let dir = folder();
    let root = dir.path().join("pets");
    for (split, count) in [("train", 3), ("test", 2)] {
        for i in 0..2 * count {
            write_image(&root.join(format!("{split}/{}/{i}.png", i % 2)), 4, 7);
        }
    }
    let splits = format("images", &root).load(None).unwrap();
    assert_eq!((splits.train.name(), splits.test.name()), ("pets", "pets"));
    for path in [root.clone(), root.join("test/.."), root.join("train/../.")] {
        assert_eq!(described(&format("images", &path), None).0, "pets: 6 + 4 examples", "{}", path.display());
        assert_eq!(format("images", &path).load(None).unwrap().test.name(), "pets");
    }
}

#[test]
fn omniglot_has_a_class_for_every_character_and_holds_drawings_out() {
    let dir = folder();
    let root = dir.path().join("omniglot/images_background");
    for character in ["Greek/character01", "Greek/character02", "Latin/character01"] {
        for drawing in 1..=20 {
            write_image(&root.join(format!("{character}/{drawing:04}.png")), 4, 7);
        }
    }
    let splits = named("omniglot").load(Some(dir.path())).unwrap();
    assert_eq!(splits.train.class_names(), ["Greek/character01", "Greek/character02", "Latin/character01"]);
    assert_eq!((splits.train.len(), splits.test.len()), (48, 12));
    let unpacked = described(&named("omniglot"), Some(dir.path())).0;
    assert_eq!(unpacked, "Omniglot, not verified as the published files: 48 + 12 examples");
    let missing = error(&named("omniglot"), &dir.path().join("elsewhere"));
    contains(&missing, &["gpicl data fetch omniglot"]);
}

// NumPy

fn npy(kind: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    header.push_str(&" ".repeat((10 + header.len() + 1).next_multiple_of(64) - header.len() - 11));
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn write_npy(dir: &Path, values: &[f32], labels: &[i64]) {
    let n = labels.len();
    fs::write(dir.join("x.npy"), npy("<f4", &format!("({n}, {})", values.len() / n), &floats(values)))
        .unwrap();
    let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    fs::write(dir.join("y.npy"), npy("<i8", &format!("({n},)"), &labels)).unwrap();
}

#[test]
fn npy_and_npz_read_the_same() {
    let dir = folder();
    let values: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let labels: Vec<i64> = (0..10).map(|i| i % 2).collect();
    write_npy(dir.path(), &values, &labels);
    let from_npy = format("npy", dir.path()).load(None).unwrap();
    assert_eq!((from_npy.train.len(), from_npy.test.len(), from_npy.train.dim()), (8, 2, 2));

    let path = dir.path().join("both.npz");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for name in ["x.npy", "y.npy"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&fs::read(dir.path().join(name)).unwrap()).unwrap();
    }
    zip.finish().unwrap();
    let from_npz = format("npz", &path).load(None).unwrap();
    assert_eq!(from_npz.train.inputs(), from_npy.train.inputs());
}

#[test]
fn npy_names_what_is_broken() {
    let dir = folder();
    let config = format("npy", dir.path());
    write_npy(dir.path(), &[0.0; 4], &[0, 1, 0]);
    fs::write(dir.path().join("x.npy"), npy("<f4", "(2, 2)", &floats(&[0.0; 4]))).unwrap();
    contains(&error(&config, dir.path()), &["y", "3 entries for 2 rows"]);
    write_npy(dir.path(), &[0.0, 1.0, f32::NAN, 3.0], &[0, 1]);
    contains(&error(&config, dir.path()), &["row 1 holds NaN"]);
    write_npy(dir.path(), &[0.0; 4], &[3, 3]);
    let one = error(&config, dir.path());
    contains(&one, &["one class, `3`", "add examples of another class"]);
    fs::write(dir.path().join("y.npy"), npy("<f4", "(2,)", &floats(&[0.0, 0.5]))).unwrap();
    contains(&error(&config, dir.path()), &["entry 1 is 0.5", "whole number"]);
    fs::write(dir.path().join("x.npy"), npy("<f8", "(2, 1)", &doubles(&[0.0, 1e39]))).unwrap();
    let huge = error(&config, dir.path());
    contains(&huge, &["x", "row 1 holds 1000000", "scale"]);
    fs::write(dir.path().join("x.npy"), npy("<f4", "(2, 2)", &floats(&[0.0; 3]))).unwrap();
    contains(&error(&config, dir.path()), &["x.npy"]);
    fs::write(dir.path().join("x.npy"), npy("<c8", "(2,)", &[0; 16])).unwrap();
    contains(&error(&config, dir.path()), &["x.npy", "type"]);
    fs::write(dir.path().join("x.npy"), b"not numpy").unwrap();
    contains(&error(&config, dir.path()), &["x.npy", "no whole .npy"]);
}

fn write_npz(path: &Path, arrays: &[(&str, Vec<u8>)]) -> DataConfig {
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        let stored =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(format!("{name}.npy"), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    format("npz", path)
}

fn longs(values: &[i64]) -> Vec<u8> {
    npy("<i8", &format!("({},)", values.len()), &integers(values))
}

#[test]
fn labels_that_skip_numbers_are_the_classes_there_are() {
    let dir = folder();
    let config = format("npy", dir.path());
    let classes = |labels: &[i64]| {
        write_npy(dir.path(), &vec![0.5; labels.len()], labels);
        config.load(None).unwrap().train.class_names().to_vec()
    };
    assert_eq!(classes(&[1, 2, 3, 4]), ["1", "2", "3", "4"]);
    assert_eq!(classes(&[0, 1, 9999, 0, 1]), ["0", "1", "9999"]);
    assert_eq!(classes(&[1, -1, -1, 1]), ["-1", "1"]);
    // Also where a format has bytes for them.
    let folder = write_mnist(dir.path());
    fs::write(folder.join("train-labels-idx1-ubyte"), idx(2049, &[4], &[250, 3, 3, 5])).unwrap();
    fs::write(folder.join("t10k-labels-idx1-ubyte"), idx(2049, &[2], &[7, 3])).unwrap();
    let splits = named("mnist").load(Some(dir.path())).unwrap();
    assert_eq!(splits.train.class_names(), ["3", "5", "7", "250"]);
    assert_eq!((splits.train.labels(), splits.test.labels()), (&[3, 0, 0, 1][..], &[2, 0][..]));
}

/// That numbers `column` of the inputs have mean 0 and deviation 1, and those of the class `1` are the larger ones.
fn tells_the_classes_apart(train: &Dataset, column: usize) {
    let numbers: Vec<f64> = (0..train.len()).map(|i| f64::from(train.input(i)[column])).collect();
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / numbers.len() as f64;
    assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{column}: {mean} {variance}");
    let (mut early, mut late): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for (i, &x) in numbers.iter().enumerate() {
        let class = &train.class_names()[train.label(i) as usize];
        if class == "0" { early.push(x) } else { late.push(x) }
    }
    let top = early.into_iter().fold(f64::MIN, f64::max);
    assert!(late.into_iter().all(|x| x > top), "column {column} tells the classes apart");
}

#[test]
fn vectors_in_arrays_are_normalised_by_number_without_losing_digits() {
    let dir = folder();
    let time = |i: usize| (1_700_000_000 + 40 * (i % 2) + i % 7) as f64;
    let row = |i: usize| [time(i), (3 * (i % 2) + i % 3) as f64 * 1e-7, 5.0];
    let labels: Vec<i64> = (0..40).map(|i| i % 2).collect();
    let x = npy("<f8", "(40, 3)", &doubles(&(0..40).flat_map(row).collect::<Vec<_>>()));
    let automatic = |config: DataConfig| DataConfig { normalize: Normalize::Automatic, ..config };
    let npz = automatic(write_npz(&dir.path().join("f.npz"), &[("x", x.clone()), ("y", longs(&labels))]));
    fs::write(dir.path().join("x.npy"), x).unwrap();
    fs::write(dir.path().join("y.npy"), longs(&labels)).unwrap();
    for config in [&npz, &automatic(format("npy", dir.path()))] {
        let Splits { train, test } = config.load(None).unwrap();
        (0..2).for_each(|column| tells_the_classes_apart(&train, column));
        assert!((0..8).all(|i| test.input(i)[2] == 0.0), "a constant number tells nothing");
    }
    // What is said counts, and keeps the digits too.
    let said = |normalize| DataConfig { normalize, ..npz.clone() }.load(None).unwrap().train;
    assert!((said(Normalize::None).input(0)[0] - 1.7e9).abs() < 200.0);
    assert!(said(Normalize::Dataset).input(0)[0] > 1.0 && said(Normalize::Dataset).input(0)[1] < 0.0);
    assert_eq!(said(Normalize::Feature), npz.load(None).unwrap().train);
    // Images are as all images; which it is is known once they are read.
    let values: Vec<f32> = (0..160).map(|i| (i % 4 * 50 + i % 3) as f32).collect();
    let images = npy("<f4", "(40, 2, 2)", &floats(&values));
    let images = automatic(write_npz(&dir.path().join("g.npz"), &[("x", images), ("y", longs(&labels))]));
    let by_all = DataConfig { normalize: Normalize::Dataset, ..images.clone() };
    assert_eq!(images.load(None).unwrap().train, by_all.load(None).unwrap().train);
    assert_eq!((npz.normalization(), by_all.normalization()), (Normalize::Automatic, Normalize::Dataset));
    // Beside others, and others beside it, each is as is usual for it.
    let glyphs = DataConfig { normalize: Normalize::Dataset, ..named("glyphs") };
    assert_eq!(npz.clone().prepared_like(&glyphs).unwrap().normalize, Normalize::Automatic);
    for base in [&npz, &by_all] {
        assert_eq!(glyphs.clone().prepared_like(base).unwrap().normalization(), Normalize::Dataset);
    }
    let none = DataConfig { normalize: Normalize::None, ..npz.clone() };
    assert_eq!(glyphs.prepared_like(&none).unwrap().normalize, Normalize::None);
}

#[test]
fn a_label_that_doubles_do_not_tell_from_the_next_is_refused() {
    let dir = folder();
    let config = format("npy", dir.path());
    let largest = (1_i64 << 53) - 1;
    write_npy(dir.path(), &[0.5; 4], &[largest, 1, largest, 1]);
    assert_eq!(config.load(None).unwrap().train.class_names(), ["1", "9007199254740991"]);
    for label in [largest + 1, largest + 2, -largest - 2, i64::MAX] {
        write_npy(dir.path(), &[0.5; 4], &[0, 1, label, largest]);
        contains(&error(&config, dir.path()), &["y: entry 2 is", "whole number below 2^53"]);
    }
}

#[test]
fn npz_takes_the_usual_names_and_says_which_it_has() {
    let dir = folder();
    let path = dir.path().join("f.npz");
    let rows = |count: usize, first: f32| {
        let values: Vec<f32> = (0..2 * count).map(|i| first + i as f32).collect();
        npy("<f4", &format!("({count}, 2)"), &floats(&values))
    };
    let labels = || longs(&[4, 5, 4, 5]);
    for [x, y] in [["X", "y"], ["arr_0", "arr_1"], ["features", "labels"], ["data", "Labels"]] {
        let config = write_npz(&path, &[(x, rows(4, 0.0)), (y, labels()), ("__MACOSX/._x", vec![0])]);
        let splits = config.load(None).unwrap();
        assert_eq!((splits.train.len(), splits.test.len()), (3, 1), "{x}");
    }
    let keras = [
        ("x_train", rows(4, 0.0)),
        ("y_train", labels()),
        ("x_test", rows(2, 50.0)),
        ("y_test", longs(&[5, 6])),
    ];
    let splits = write_npz(&path, &keras).load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.inputs()), (4, &[50.0, 51.0, 52.0, 53.0][..]));
    assert_eq!((splits.test.labels(), splits.test.num_classes()), (&[1, 2][..], 3));

    let other = write_npz(&path, &[("pixels", rows(4, 0.0)), ("digits", labels())]);
    contains(
        &error(&other, dir.path()),
        &["f.npz", "only: digits, pixels", "numpy.savez", "x_train and y_train"],
    );
    // A folder of arrays is no other thing.
    for (name, bytes) in keras {
        fs::write(dir.path().join(format!("{name}.npy")), bytes).unwrap();
    }
    fs::write(dir.path().join("._x.npy"), "left by a system").unwrap();
    let folder = format("npy", dir.path()).load(None).unwrap();
    assert_eq!((folder.test.inputs(), folder.test.labels()), (splits.test.inputs(), splits.test.labels()));
}

#[test]
fn a_zip_with_a_wrong_checksum_is_bad_input() {
    let dir = folder();
    let path = dir.path().join("f.npz");
    let config =
        write_npz(&path, &[("x", npy("<f4", "(2, 1)", &floats(&[7.5, 7.5]))), ("y", longs(&[0, 1]))]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|four| four == 7.5_f32.to_le_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = config.load(None).unwrap_err();
    assert!(matches!(error, gpicl::Error::File { .. }), "bad input, not a failure of the system: {error:?}");
    contains(&error.to_string(), &["f.npz", "x.npy", "checksum"]);
}

#[test]
fn npy_reads_fortran_order_half_floats_and_booleans() {
    let dir = folder();
    let config = format("npy", dir.path());
    let fortran = |shape: &str, body: &[u8]| {
        let bytes = npy("<f4", shape, body);
        let header = bytes.windows(5).position(|word| word == b"False").unwrap();
        [&bytes[..header], b"True ", &bytes[header + 5..]].concat()
    };
    let inputs = |x: Vec<u8>, y: Vec<u8>| {
        fs::write(dir.path().join("x.npy"), x).unwrap();
        fs::write(dir.path().join("y.npy"), y).unwrap();
        let splits = config.load(None).unwrap();
        let by_first = |a: &Vec<f32>, b: &Vec<f32>| a[0].total_cmp(&b[0]);
        let rows = |data: &Dataset| (0..data.len()).map(|i| data.input(i).to_vec()).collect::<Vec<_>>();
        let mut all = [rows(&splits.train), rows(&splits.test)].concat();
        all.sort_by(by_first);
        all
    };
    let labels = || longs(&[0, 1, 0]);
    let columns = fortran("(3, 2)", &floats(&[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]));
    assert_eq!(inputs(columns, labels()), [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]);
    // The number of a pixel: 100 image + 10 row + column.
    let pixel = |i: usize| (100 * (i % 3) + 10 * (i / 3 % 2) + i / 6) as f32;
    let images = fortran("(3, 2, 2)", &floats(&(0..12).map(pixel).collect::<Vec<_>>()));
    let expected = [0.0, 100.0, 200.0].map(|image| [image, image + 1.0, image + 10.0, image + 11.0]);
    assert_eq!(inputs(images, labels()), expected);
    let halves: Vec<u8> = [0x0000_u16, 0x3800, 0xc000].iter().flat_map(|half| half.to_le_bytes()).collect();
    let booleans = npy("|b1", "(3,)", &[1, 0, 1]);
    assert_eq!(inputs(npy("<f2", "(3, 1)", &halves), booleans.clone()), [[-2.0], [0.0], [0.5]]);
    assert_eq!(inputs(npy("|b1", "(3, 1)", &[0, 1, 0]), booleans), [[0.0], [0.0], [1.0]]);
    let big_endian: Vec<u8> = [1.5_f64, -2.0, 3.0].iter().flat_map(|value| value.to_be_bytes()).collect();
    assert_eq!(inputs(npy(">f8", "(3, 1)", &big_endian), labels()), [[-2.0], [1.5], [3.0]]);
}

#[test]
fn a_header_of_npy_that_cannot_be_right_is_refused_before_it_is_believed() {
    let dir = folder();
    let config = format("npy", dir.path());
    write_npy(dir.path(), &[0.0; 2], &[0, 1]);
    let x = dir.path().join("x.npy");
    for (shape, problem) in [
        ("(2, 4294967296, 4294967296)", "too few for the shape"),
        ("(2, -1)", "too few for the shape"),
        ("((((((((((((2", "brackets in brackets"),
        ("2", "no shape"),
    ] {
        fs::write(&x, npy("<f4", shape, &floats(&[0.0; 2]))).unwrap();
        contains(&error(&config, dir.path()), &["x.npy", problem]);
    }
    let mut long = npy("<f4", "(2, 1)", &floats(&[0.0; 2]));
    long.splice(6..10, [2, 0, 0xff, 0xff, 0xff, 0xff]);
    fs::write(&x, long).unwrap();
    contains(&error(&config, dir.path()), &["x.npy", "ends in the header"]);
}

// CSV

fn write_csv(dir: &Path, text: &str) -> DataConfig {
    let path = dir.join("table.csv");
    fs::write(&path, text).unwrap();
    format("csv", &path)
}

#[test]
fn csv_reads_numbers_categories_and_text_labels() {
    let dir = folder();
    let mut text = String::from("size,colour,kind\n");
    for i in 0..10 {
        text.push_str(&format!("{i},{},{}\n", ["red", "blue"][i % 2], ["a", "b"][i / 5]));
    }
    let config = write_csv(dir.path(), &text);
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.dim(), splits.train.len()), (3, 8));
    assert_eq!(splits.train.class_names(), ["a", "b"]);
    for i in 0..8 {
        let row = splits.train.input(i);
        assert_eq!(
            row[1..],
            if (row[0] as u32).is_multiple_of(2) { [0.0, 1.0] } else { [1.0, 0.0] },
            "blue, red"
        );
    }
    let other = DataConfig { label_column: Some("colour".into()), ..config };
    assert_eq!(other.load(None).unwrap().train.class_names(), ["red", "blue"]);
}

#[test]
fn csv_names_line_and_column_of_what_is_broken() {
    let dir = folder();
    let broken = |text: &str| {
        let config = write_csv(dir.path(), text);
        error(&config, dir.path())
    };
    contains(&broken("x,y\n1,a\n2\n"), &["line 3", "1 cells", "2"]);
    contains(&broken("x,y\n1,a\n,b\n2,b\n"), &["line 3", "missing"]);
    contains(&broken("x,y\n1,a\n2,\n"), &["line 3", "label is empty"]);
    contains(&broken("x,x\n1,a\n"), &["`x` is there twice"]);
    contains(&broken("x,y\n"), &["no row"]);
    contains(&broken("x,y\n1,a\n2,inf\ninf,b\n"), &["table.csv: line 4, column `x`", "no finite number"]);
    contains(&broken("x,y\n1,a\n2,a\n"), &["column `y`", "1 different label", "another class"]);
    // As it is it has no place in single precision; normalised it has.
    contains(&broken("x,y\n1,a\n1e39,b\n"), &["line 3, column `x`", "too large"]);
    let config = DataConfig { label_column: Some("z".into()), ..write_csv(dir.path(), "x,y\n1,a\n") };
    contains(&error(&config, dir.path()), &["no column `z`", "x, y"]);
}

/// A table of columns of very different sizes, with the class in every one.
fn write_columns(dir: &Path) -> DataConfig {
    let mut text = String::from("time;small;empty;id;class\n");
    for i in 0..40 {
        let late = i % 2;
        let time = 1_700_000_000 + 40 * late + i % 7;
        text.push_str(&format!("{time};{}e-7;{};{};{late}\n", 3 * late + i % 3, 5, 1000 + i));
    }
    DataConfig { normalize: Normalize::Automatic, drop: vec!["id".into()], ..write_csv(dir, &text) }
}

#[test]
fn tables_are_normalised_by_column_without_losing_digits() {
    let dir = folder();
    let config = write_columns(dir.path());
    let splits = config.load(None).unwrap();
    assert_eq!(splits.train.len(), 32);
    (0..2).for_each(|column| tells_the_classes_apart(&splits.train, column));
    assert!((0..8).all(|i| splits.test.input(i)[2] == 0.0), "a constant column tells nothing");
    assert_eq!(splits.train.dim(), 3);
    // What is said counts: one mean and deviation over all.
    let one = DataConfig { normalize: Normalize::Dataset, ..config.clone() }.load(None).unwrap();
    assert!(one.train.input(0)[0] > 1.0 && one.train.input(0)[1] < 0.0, "{:?}", one.train.input(0));
    let raw = DataConfig { normalize: Normalize::None, ..config.clone() }.load(None).unwrap();
    assert_eq!(raw.train.input(0)[2], 5.0);
    assert_eq!(config.normalization(), Normalize::Feature);
    assert_eq!(DataConfig::default().normalization(), Normalize::Dataset);
    // Beside images, or images beside it, each as is usual for it.
    let images = DataConfig { normalize: Normalize::Dataset, ..named("glyphs") };
    assert_eq!(config.clone().prepared_like(&images).unwrap().normalization(), Normalize::Feature);
    assert_eq!(images.clone().prepared_like(&config).unwrap().normalization(), Normalize::Dataset);
    let none = DataConfig { normalize: Normalize::None, ..images };
    assert_eq!(config.prepared_like(&none).unwrap().normalization(), Normalize::None);
}

#[test]
fn a_runs_configuration_says_how_its_data_are_normalised() {
    let built = |text: &str| {
        let mut layers = gpicl::Layers::default();
        layers.text("run", text).unwrap();
        layers.build().unwrap()
    };
    let table = "[data]\nname = 'csv'\npath = 'a.csv'\ndelimiter = 'tab'\ndrop = ['id']\ncategorical = ['zip']\nmissing = ['?']\n";
    for (text, normalize) in [
        ("", "dataset"),
        ("[data]\nname = 'mnist'", "dataset"),
        (table, "feature"),
        ("[[mix]]\n[mix.data]\nname = 'csv'\npath = 'a.csv'", "feature"),
        ("[data]\nname = 'npz'\npath = 'a.npz'", "automatic"),
        ("[data]\nname = 'safetensors'\npath = 'a.safetensors'", "dataset"),
        ("[[eval.data]]\nname = 'csv'\npath = 'a.csv'\nnormalize = 'none'", "none"),
    ] {
        let config = built(text);
        let written = config.to_toml();
        assert!(written.contains(&format!("normalize = \"{normalize}\"")), "{written}");
        assert_eq!(built(&written), config);
    }
}

// All formats

#[test]
fn a_web_page_in_place_of_the_data_is_called_one() {
    let dir = folder();
    let page = "\n<!DOCTYPE HTML>\n<html><body>Sign in, please</body></html>\n";
    let path = dir.path().join("saved");
    fs::write(&path, page).unwrap();
    for name in ["npz", "safetensors", "csv"] {
        contains(
            &error(&format(name, &path), dir.path()),
            &["saved", "web page (HTML)", "download the file"],
        );
    }
    write_npy(dir.path(), &[0.0, 1.0], &[0, 1]);
    fs::write(dir.path().join("y.npy"), page).unwrap();
    contains(&error(&format("npy", dir.path()), dir.path()), &["y.npy", "web page (HTML)"]);
    let mnist = write_mnist(dir.path());
    fs::write(mnist.join("t10k-images-idx3-ubyte.gz"), page).unwrap();
    contains(&error(&named("mnist"), dir.path()), &["t10k-images-idx3-ubyte.gz", "web page (HTML)"]);
    fs::create_dir_all(dir.path().join("cifar10")).unwrap();
    fs::write(dir.path().join("cifar10/cifar-10-binary.tar.gz"), page).unwrap();
    contains(&error(&named("cifar10"), dir.path()), &["cifar-10-binary.tar.gz", "web page (HTML)"]);
    write_image(&dir.path().join("pets/cat/0.png"), 4, 1);
    fs::write(dir.path().join("pets/cat/1.png"), page).unwrap();
    contains(&error(&format("images", &dir.path().join("pets")), dir.path()), &["1.png", "web page (HTML)"]);
}

#[test]
fn no_message_has_a_name_of_the_programs_own_code() {
    let dir = folder();
    let mnist = write_mnist(dir.path());
    let short = idx(2049, &[4], &[0; 3]);
    fs::write(mnist.join("train-labels-idx1-ubyte"), short).unwrap();
    let sizes = error(&named("mnist"), dir.path());
    contains(&sizes, &["3 bytes follow, the sizes [4] need 4"]);
    let made = Dataset::new("toy", InputShape::Vector(2), vec![0.0; 3], vec![0, 1], vec!["a".into()]);
    let made = made.unwrap_err().to_string();
    contains(&made, &["data set: toy: 3 numbers"]);
    assert!([sizes, made].iter().all(|text| !text.contains("::") && !text.contains("Some(")));
}

// Configuration

#[test]
fn fields_that_do_not_apply_are_named() {
    let dir = folder();
    let check = |config: DataConfig, parts: &[&str]| contains(&error(&config, dir.path()), parts);
    check(named("nope"), &["data.name", "glyphs"]);
    check(DataConfig { classes: Some(3), ..named("mnist") }, &["data.classes", "mnist"]);
    check(named("csv"), &["data.path"]);
    check(named("glyphs@7"), &["data.name", "data.seed = 7"]);
    check(DataConfig { resize: Some(0), ..named("glyphs") }, &["data.resize"]);
    check(DataConfig { resize: Some(4), ..named("random") }, &["data.resize", "vectors"]);
    check(DataConfig { label_column: Some("y".into()), ..named("glyphs") }, &["data.label_column"]);
    check(DataConfig { drop: vec!["y".into()], ..named("glyphs") }, &["data.drop"]);
    check(DataConfig { missing: vec!["?".into()], ..named("npy") }, &["data.missing"]);
    assert!(DataConfig::from_spec("csv").is_err());
}

#[test]
fn a_made_data_set_can_be_asked_for_with_its_seed() {
    let other = DataConfig::from_spec("glyphs@7").unwrap();
    assert_eq!(other, DataConfig { seed: Some(7), ..DataConfig::default() });
    assert_eq!(other.short_form(), "glyphs@7");
    // Beside one at hand only the seed changes; a path is no seed.
    let other = DataConfig { classes: Some(3), ..other };
    assert_eq!(other.beside("glyphs").unwrap(), other);
    assert_eq!(other.beside("glyphs@8").unwrap(), DataConfig { seed: Some(8), ..other.clone() });
    let table = DataConfig { seed: Some(3), path: Some("a@b.csv".into()), ..named("csv") };
    assert_eq!(table.beside("csv:a@b.csv").unwrap(), table);
    for (spec, parts) in [
        ("glyphs@x", ["glyphs@x", "NAME@SEED"]),
        ("mnist@0", ["mnist", "made"]),
        ("nope@1", ["nope", "glyphs"]),
    ] {
        let error = DataConfig::from_spec(spec).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn a_made_data_set_says_what_it_is_made_of() {
    let glyphs =
        DataConfig { classes: Some(3), per_class: Some(8), ..DataConfig::from_spec("glyphs@7").unwrap() };
    let (long, short) = described(&glyphs, None);
    assert_eq!(long, "glyphs, drawn characters of seed 7: 3 classes, 24 + 6 examples");
    assert_eq!(short, "glyphs of seed 7");
    let random = DataConfig { noise: Some(2.0), size: Some(3), ..named("random") };
    assert_eq!(described(&random, None).1, "random of seed 0 and noise 2");
}

#[test]
fn a_data_set_beside_another_arrives_with_its_side_and_colour() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let image = |side: u32, channels: u32| {
        let config = format("images", &at(&format!("images{side}x{channels}")));
        for (class, i) in [("a", 0), ("a", 1), ("b", 2), ("b", 3)] {
            let path = config.path.as_ref().unwrap().join(format!("{class}/{i}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let image = image::RgbImage::from_pixel(side, side, image::Rgb([90, 90, 120]));
            let image = image::DynamicImage::ImageRgb8(image);
            let image = if channels == 1 { image.to_luma8().into() } else { image };
            image.save(path).unwrap();
        }
        config
    };
    fs::create_dir_all(at("vectors")).unwrap();
    write_npy(&at("vectors"), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &[0, 1, 0, 1]);
    fs::create_dir_all(at("arrays")).unwrap();
    let x = npy("<f4", "(4, 5, 5)", &floats(&[0.5; 100]));
    fs::write(at("arrays/x.npy"), x).unwrap();
    fs::copy(at("vectors/y.npy"), at("arrays/y.npy")).unwrap();
    let square = write_square_mnist(dir.path());
    let made = |config: DataConfig| DataConfig { classes: Some(2), per_class: Some(4), ..config };
    let paper = Some(gpicl::data::PreparedLayout::Paper);

    // Every kind of base, and how its images arrive.
    let images = [
        (made(named("glyphs")), 14, 1),
        (DataConfig { size: Some(9), ..made(named("glyphs")) }, 9, 1),
        (DataConfig { resize: Some(7), color: Some(Color::Rgb), ..made(named("glyphs")) }, 7, 3),
        (DataConfig { layout: paper, ..made(named("glyphs")) }, 32, 3),
        (square.clone(), 28, 1),
        (DataConfig { resize: Some(14), ..square.clone() }, 14, 1),
        (DataConfig { color: Some(Color::Rgb), ..square.clone() }, 28, 3),
        (image(6, 1), 6, 1),
        (image(6, 3), 6, 3),
        (DataConfig { resize: Some(3), ..image(6, 3) }, 3, 3),
        (format("idx", &at("mnist")), 28, 1),
        (format("npy", &at("arrays")), 5, 1),
    ];
    let small = DataConfig { size: Some(3), ..made(named("random")) };
    let vectors = [small, format("npy", &at("vectors"))];
    let load = |config: &DataConfig| config.load(Some(dir.path())).unwrap().test.shape();
    for (base, side, channels) in &images {
        let expected = InputShape::Image { height: *side, width: *side, channels: *channels };
        assert_eq!(load(base), expected, "{base:?}");
        for (set, ..) in &images {
            let beside = set.clone().prepared_like(base).unwrap();
            assert_eq!(load(&beside), expected, "{set:?} beside {base:?}");
            assert_eq!(beside.clone().prepared_like(base).unwrap(), beside, "it is prepared already");
        }
        for set in &vectors {
            assert_eq!(load(&set.clone().prepared_like(base).unwrap()), load(set), "{set:?} beside {base:?}");
            assert_eq!(load(&base.clone().prepared_like(set).unwrap()), expected, "{base:?} beside {set:?}");
        }
    }
    let like = made(named("glyphs")).prepared_like(&image(6, 1)).unwrap();
    assert_eq!((like.size, like.resize), (Some(6), None), "drawn at that side, not brought to it");
    let normalize = Normalize::Feature;
    let other = DataConfig { normalize, ..named("random") };
    assert_eq!(square.prepared_like(&other).unwrap().normalize, normalize);
    let gone = DataConfig { path: Some(at("gone")), ..image(6, 1) };
    contains(&named("glyphs").prepared_like(&gone).unwrap_err().to_string(), &["gone"]);
}

/// Few images of MNIST's own size, as `mnist`.
fn write_square_mnist(dir: &Path) -> DataConfig {
    let folder = dir.join("mnist");
    fs::create_dir_all(&folder).unwrap();
    for (split, count) in [("train", 4), ("t10k", 2)] {
        let body: Vec<u8> = (0..count * 784).map(|i| (i % 251) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        let write =
            |name: &str, bytes: Vec<u8>| fs::write(folder.join(format!("{split}-{name}")), bytes).unwrap();
        write("images-idx3-ubyte", idx(2051, &[count, 28, 28], &body));
        write("labels-idx1-ubyte", idx(2049, &[count], &labels));
    }
    named("mnist")
}

#[test]
fn the_papers_layout_is_32_by_32_in_colour() {
    let config = DataConfig {
        layout: Some(gpicl::data::PreparedLayout::Paper),
        per_class: Some(4),
        ..named("glyphs")
    };
    let data = config.load(None).unwrap().train;
    assert_eq!(data.shape(), InputShape::Image { height: 32, width: 32, channels: 3 });
}

/// Says, past the test's capture, that something was not tested.
fn skipped(why: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes()).unwrap();
}

#[test]
fn real_data_reads_as_its_readme_says() {
    let Some(dir) = std::env::var_os("GPICL_DATA_DIR").map(PathBuf::from) else {
        skipped("real_data_reads_as_its_readme_says: GPICL_DATA_DIR is not set");
        return;
    };
    for (name, train, test) in [("mnist", 8_000, 2_000), ("fashion-mnist", 60_000, 10_000)] {
        if !dir.join(name).is_dir() {
            skipped(&format!("{name} is not in {}", dir.display()));
            continue;
        }
        let splits =
            DataConfig { resize: Some(14), ..DataConfig::from_spec(name).unwrap() }.load(Some(&dir)).unwrap();
        // The published MNIST has 60,000 and 10,000; the project's test data is a subset.
        assert!(
            [(train, test), (60_000, 10_000)].contains(&(splits.train.len(), splits.test.len())),
            "{name}"
        );
        assert_eq!((splits.train.num_classes(), splits.train.dim()), (10, 196));
        let description = splits.train.description().unwrap();
        // What is not all there cannot be the published files.
        let whole = description.total() == 70_000;
        assert!(whole || (!description.official() && description.short().contains("a subset of 10,000")));
        let mean = splits.train.inputs().iter().map(|&x| f64::from(x)).sum::<f64>()
            / splits.train.inputs().len() as f64;
        assert!(mean.abs() < 1e-3, "{name}: normalised, mean {mean}");
    }
}

// Safetensors

fn safetensors_file(dir: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> DataConfig {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (*name, safetensors::tensor::TensorView::new(*dtype, shape.to_vec(), bytes).unwrap())
    });
    let path = dir.join("f.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    format("safetensors", &path)
}

fn integers(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn safetensors_reads_features_with_and_without_a_test_split() {
    let dir = folder();
    let rows: Vec<f32> = (0..20).map(|i| i as f32).collect();
    let inputs = ("features", Dtype::F32, &[10, 2][..], floats(&rows));
    let labels = ("labels", Dtype::I64, &[10][..], integers(&[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]));
    let config = safetensors_file(dir.path(), &[inputs.clone(), labels.clone()]);
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.len(), splits.train.dim()), (8, 2, 2));

    let bf16 = [0_u8, 63, 0, 192]; // 0.5 and -2
    let test = ("test_inputs", Dtype::BF16, &[1, 2][..], bf16.to_vec());
    let test_labels = ("test_labels", Dtype::U8, &[1][..], vec![2]);
    let config = safetensors_file(dir.path(), &[inputs, labels, test, test_labels]);
    let splits = config.load(None).unwrap();
    assert_eq!((splits.train.len(), splits.test.inputs()), (10, &[0.5, -2.0][..]));
    assert_eq!(splits.train.num_classes(), 3, "a class may stand in the test split only");

    // What is written reads back, classes' names included.
    let names = vec!["a".to_string(), "b".into(), "c".into()];
    let make = |rows: &[f32], labels: Vec<u32>| {
        Dataset::new("pets", InputShape::Vector(2), rows.to_vec(), labels, names.clone()).unwrap()
    };
    let splits = Splits { train: make(&[1.0, 2.0, 3.0, 4.0], vec![0, 2]), test: make(&[5.0, 6.0], vec![1]) };
    let path = dir.path().join("g.safetensors");
    write_features(&OutFile::new(&path).unwrap(), &splits).unwrap();
    let read = format("safetensors", &path).load(None).unwrap();
    assert_eq!((&read.train, &read.test), (&splits.train, &splits.test));
}

#[test]
fn safetensors_are_normalised_by_all_numbers_without_losing_digits() {
    let dir = folder();
    let labels: Vec<i64> = (0..20).map(|i| i % 2).collect();
    let load = |dtype: Dtype, width: usize, bytes: Vec<u8>| {
        let (rows, numbers) = ([20], [20, width]);
        let inputs = ("inputs", dtype, &numbers[..], bytes);
        let config =
            safetensors_file(dir.path(), &[inputs, ("labels", Dtype::I64, &rows[..], integers(&labels))]);
        let by = |normalize| DataConfig { normalize, ..config.clone() }.load(None).unwrap().train;
        let train = by(Normalize::Automatic);
        assert_eq!(train, by(Normalize::Dataset));
        train
    };
    let times: Vec<f64> = (0..20).map(|i| f64::from(1_700_000_000 + 40 * (i % 2) + i % 7)).collect();
    tells_the_classes_apart(&load(Dtype::F64, 1, doubles(&times)), 0);
    // Features of one network keep their proportions.
    let rows: Vec<f32> = (0..20).flat_map(|i| [i as f32, 10.0 * i as f32]).collect();
    let train = load(Dtype::F32, 2, floats(&rows));
    let step = |column: usize| (train.input(1)[column] - train.input(0)[column]).abs();
    assert!((step(1) / step(0) - 10.0).abs() < 1e-3, "{} {}", step(0), step(1));
}

#[test]
fn safetensors_names_what_is_broken() {
    let dir = folder();
    let inputs = ("inputs", Dtype::F32, &[2, 2][..], floats(&[0.0; 4]));
    let labels = ("labels", Dtype::I64, &[2][..], integers(&[0, 1]));
    let broken = |tensors: &[(&str, Dtype, &[usize], Vec<u8>)], parts: &[&str]| {
        let config = safetensors_file(dir.path(), tensors);
        contains(&error(&config, dir.path()), &[&["f.safetensors"], parts].concat());
    };
    broken(&[("weights", Dtype::U8, &[1], vec![0])], &["no tensor `inputs`", "weights"]);
    broken(std::slice::from_ref(&inputs), &["no tensor `labels`"]);
    broken(
        &[inputs.clone(), ("labels", Dtype::I64, &[1], integers(&[0]))],
        &["labels", "1 entries for 2 rows"],
    );
    broken(&[inputs.clone(), ("labels", Dtype::F32, &[2], floats(&[0.0, f32::NAN]))], &["entry 1 is NaN"]);
    broken(&[inputs.clone(), ("labels", Dtype::BOOL, &[2], vec![0, 1])], &["labels", "BOOL"]);
    let image = ("inputs", Dtype::F32, &[2, 2, 1][..], floats(&[0.0; 4]));
    broken(&[image, labels.clone()], &["inputs", "[2, 2, 1]"]);
    let narrow = ("test_inputs", Dtype::F32, &[1, 1][..], floats(&[0.0]));
    let one = ("test_labels", Dtype::I64, &[1][..], integers(&[0]));
    broken(&[inputs, labels, narrow, one], &["test_inputs", "1 numbers"]);
    let path = dir.path().join("f.safetensors");
    fs::write(&path, b"no tensors").unwrap();
    contains(&error(&format("safetensors", &path), dir.path()), &["f.safetensors", "no whole safetensors"]);
}
