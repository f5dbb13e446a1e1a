//! Small valid files of every format.

use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

use gpicl::models::Dims;
use gpicl::provenance::Provenance;
use gpicl::train::{CheckpointInfo, Layers, save_weights};
use gpicl::{DeviceKind, RunConfig};
use gpicl_lab::presets::{COMPARISONS, SWEEPS};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::Files;

/// Side of the pictures.
pub const SIDE: u32 = 6;
/// Sizes of the models.
const DIMS: Dims = Dims { input_dim: 5, classes: 3, episode_length: 9 };
/// Small architectures, a `[model]` table each.
const MODELS: [&str; 10] = [
    "kind = 'transformer'\nd_model = 8\nlayers = 1\nheads = 2\nd_ff = 8\nlayout = 'paired'",
    "kind = 'fast-weights'\nd_model = 8\nlayers = 1\nheads = 2\nd_ff = 8",
    "kind = 'delta-net'\nd_model = 8\nlayers = 1\nheads = 2\nd_ff = 8",
    "kind = 'mlstm'\nd_model = 8\nlayers = 1\nheads = 2\nd_ff = 8",
    "kind = 'gla'\nd_model = 8\nlayers = 1\nheads = 2\nd_ff = 8",
    "kind = 'lstm'\nhidden = 4\nlayers = 1",
    "kind = 'gru'\nhidden = 4\nlayers = 1",
    "kind = 'outer-product-lstm'\nsize = 4\nheads = 1\nlayers = 1",
    "kind = 'vsml'\nhidden = 3\nunits = [2]\nshared = false",
    "kind = 'mlp'\nhidden = 4\nlayers = 1",
];

fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> Files {
    files.into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect()
}

/// A data set in MNIST's layout: 4 + 2 images of 2x3.
pub fn idx() -> Vec<Files> {
    let file = |magic: u32, dims: &[u32], body: Vec<u8>| {
        let mut bytes = magic.to_be_bytes().to_vec();
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(body);
        bytes
    };
    let images = |count: u32| file(2051, &[count, 2, 3], (0..count as u8 * 6).map(|i| i * 10).collect());
    let labels = |count: u32| file(2049, &[count], (0..count as u8).map(|i| 2 * (i % 2)).collect());
    vec![files([
        ("train-images-idx3-ubyte", images(4)),
        ("train-labels-idx1-ubyte", labels(4)),
        ("t10k-images-idx3-ubyte", images(2)),
        ("t10k-labels-idx1-ubyte", labels(2)),
    ])]
}

/// One record in every file.
pub fn cifar() -> Vec<Files> {
    let record = |label: u8| [vec![label], vec![label * 20; 3072]].concat();
    let name = |name: String| format!("cifar10/cifar-10-batches-bin/{name}.bin");
    let train = (1..=5).map(|i| (name(format!("data_batch_{i}")), record(i)));
    vec![train.chain([(name("test_batch".into()), record(9))]).collect()]
}

/// SVHN's arrays, of bytes and compressed, of 64 bits with a text beside them.
pub fn mat() -> Vec<Files> {
    let element = |kind: u32, data: &[u8]| {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    let array = |class: u8, name: &str, dims: &[i32], kind: u32, data: &[u8]| {
        let mut parts = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
        parts.extend(element(5, &dims.iter().flat_map(|dim| dim.to_le_bytes()).collect::<Vec<_>>()));
        parts.extend(element(1, name.as_bytes()));
        parts.extend(element(kind, data));
        element(14, &parts)
    };
    let compressed = |array: Vec<u8>| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&array).expect("writing to memory does not fail");
        let packed = encoder.finish().expect("writing to memory does not fail");
        [&15_u32.to_le_bytes()[..], &(packed.len() as u32).to_le_bytes(), &packed].concat()
    };
    let header = [vec![b' '; 124], vec![0, 1, b'I', b'M']].concat();
    let pixels: Vec<u8> = (0..24).map(|i| i * 10).collect();
    let longs: Vec<u8> = pixels.iter().flat_map(|&pixel| i64::from(pixel).to_le_bytes()).collect();
    let (x, y) = (array(9, "X", &[2, 2, 3, 2], 2, &pixels), array(9, "y", &[2, 1], 2, &[10, 3]));
    let plain = [header.clone(), x.clone(), y.clone()].concat();
    let packed = [header.clone(), compressed(x), compressed(y.clone())].concat();
    let wide = array(14, "X", &[2, 2, 3, 2], 12, &longs);
    let wide = [header, array(4, "text", &[1, 5], 16, b"digit"), wide, y].concat();
    let both = |file: Vec<u8>| files([("svhn/train_32x32.mat", file.clone()), ("svhn/test_32x32.mat", file)]);
    vec![both(plain), both(packed), both(wide)]
}

/// Inputs and labels as NumPy's arrays, in several types and orders.
pub fn npy() -> Vec<Files> {
    let array = |kind: &str, order: &str, shape: &str, body: Vec<u8>| {
        let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(body);
        bytes
    };
    let floats: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let halves: Vec<u8> = (0..12_u16).flat_map(|i| (i << 10).to_le_bytes()).collect();
    let labels: Vec<u8> = [3_i64, 5, 3, 5].into_iter().flat_map(i64::to_le_bytes).collect();
    let y = array("<i8", "False", "(4,)", labels);
    vec![
        files([("x.npy", array("<f4", "False", "(4, 3)", floats.clone())), ("y.npy", y.clone())]),
        files([("X.npy", array("<f4", "True", "(4, 3, 1)", floats.clone())), ("y.npy", y.clone())]),
        files([
            ("x_train.npy", array("<f2", "False", "(4, 3)", halves.clone())),
            ("y_train.npy", y.clone()),
            ("x_test.npy", array(">f2", "True", "(4, 3)", halves)),
            ("y_test.npy", array("|b1", "False", "(4, 1)", vec![0, 1, 1, 0])),
        ]),
    ]
}

/// Numbers, categories, quotes and dates.
pub fn csv() -> Vec<Files> {
    let table = |text: &str| files([("table.csv", text.as_bytes().to_vec())]);
    vec![
        table("x,y,label\n1,2.5,a\n2,3.5,b\n3,-4e2,a\n4,5,b\n5,6,a\n"),
        table("size,\"colour, or none\",kind\r\n1,red,0\r\n2,\"bl\"\"ue\",1\r\n3,red,0\r\n4,blue,1\r\n"),
        table("when,on,kind\n1700000000,True,early\n1700000001,False,late\n1700000002,True,late\n"),
    ]
}

/// Two classes: pictures of every format in one, a plain one in the other.
pub fn images() -> Vec<Files> {
    let file = |image: &DynamicImage, format: ImageFormat| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("writing to memory does not fail");
        bytes.into_inner()
    };
    let value = |x: u32, y: u32| (x * 37 + y * 71) as u8;
    let colour = RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([value(x, y), value(y, x), 9])).into();
    let clear = RgbaImage::from_fn(SIDE, SIDE, |x, y| Rgba([9, 9, value(x, y), value(y, x)])).into();
    let wide: DynamicImage =
        ImageBuffer::<Luma<u16>, _>::from_fn(SIDE, SIDE, |x, y| Luma([u16::from(value(x, y))])).into();
    let plain = file(&wide, ImageFormat::Png);
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let jpeg = file(&colour, ImageFormat::Jpeg);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let turned = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
    let pictures = [
        ("png", file(&clear, ImageFormat::Png)),
        ("png", plain.clone()),
        ("jpg", turned),
        ("gif", file(&clear, ImageFormat::Gif)),
        ("bmp", file(&colour, ImageFormat::Bmp)),
        ("tif", file(&wide, ImageFormat::Tiff)),
        ("webp", file(&clear, ImageFormat::WebP)),
    ];
    let folder = |(format, bytes): (&str, Vec<u8>)| {
        // Twice, so that there is one to hold out.
        let others = [("dog/0.png", plain.clone()), ("dog/1.png", plain.clone())];
        [files([(&*format!("cat/0.{format}"), bytes)]), files(others)].concat()
    };
    pictures.into_iter().map(folder).collect()
}

/// Features with and without a test split, and with names.
pub fn safetensors() -> Vec<Files> {
    let floats: Vec<u8> = (0..8).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let longs: Vec<u8> = [1_i64, 0, 1, 0].into_iter().flat_map(i64::to_le_bytes).collect();
    let view = |dtype, shape: &[usize], bytes| {
        TensorView::new(dtype, shape.to_vec(), bytes).expect("the sizes agree")
    };
    let train = [("inputs", view(Dtype::F32, &[4, 2], &floats)), ("labels", view(Dtype::I64, &[4], &longs))];
    let test = [
        ("test_features", view(Dtype::BF16, &[8, 2], &floats)),
        ("test_labels", view(Dtype::U8, &[8], &longs[..8])),
    ];
    let names = "{\"name\":\"pets\",\"classes\":[\"cat\",\"dog\"]}".to_string();
    let names = Some(HashMap::from([("gpicl".to_string(), names)]));
    let file = |tensors: &[(&str, TensorView<'_>)], names| {
        let bytes = safetensors::serialize(tensors.to_vec(), names).expect("plain tensors serialise");
        files([("f.safetensors", bytes)])
    };
    vec![file(&train, None), file(&[train.to_vec(), test.to_vec()].concat(), names)]
}

/// Every architecture as it was initialised.
pub fn checkpoints() -> Vec<Files> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("f.safetensors");
    let device = DeviceKind::Cpu.device().expect("there is a CPU");
    let checkpoint = |model: &str| {
        let config = run_config(&format!("[model]\n{model}"));
        let (precision, seed) = (config.precision, config.seed);
        let model = config.model.init(DIMS, precision, seed, &device).expect("the sizes are right");
        let info = CheckpointInfo {
            step: 7,
            dims: DIMS,
            config,
            data: Default::default(),
            provenance: Provenance::current(),
        };
        save_weights(&path, &info, &model).expect("the folder can be written to");
        files([("f.safetensors", std::fs::read(&path).expect("it was written"))])
    };
    MODELS.map(checkpoint).into()
}

fn run_config(text: &str) -> RunConfig {
    let mut layers = Layers::default();
    layers.text(Path::new("seed"), text).expect("it is TOML");
    layers.build().expect("it is right")
}

fn toml(text: &str) -> Files {
    files([("f.toml", text.as_bytes().to_vec())])
}

/// Complete ones of every architecture, and a mixture.
pub fn configs() -> Vec<Files> {
    let whole = MODELS.map(|model| toml(&run_config(&format!("[model]\n{model}")).to_toml()));
    let mixture = "[[mix]]\nweight = 1\ndata = { name = \"glyphs\" }\ntasks = { count = \"2^10\", input_dim = 9 }\n\
                   [[mix]]\nweight = 3\ndata = { name = \"random\", size = 50 }\ntasks = { input_dim = 9 }\n";
    whole.into_iter().chain([toml(mixture)]).collect()
}

/// Those that come with the program.
pub fn sweeps() -> Vec<Files> {
    SWEEPS.iter().map(|preset| toml(preset.toml)).collect()
}

/// Those that come with the program.
pub fn comparisons() -> Vec<Files> {
    COMPARISONS.iter().map(|preset| toml(preset.toml)).collect()
}
