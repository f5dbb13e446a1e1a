//! What the tests of single operations share.
#![allow(dead_code, unused_macros, unused_imports, reason = "every test file uses a part")]

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData};

/// Where the operations run: on the CPU, or on the device that `GPICL_TEST_DEVICE` names.
pub fn device() -> Device {
    let device = match std::env::var("GPICL_TEST_DEVICE").as_deref() {
        Err(_) | Ok("cpu") => Device::flex(),
        #[cfg(feature = "cuda")]
        Ok("cuda") => Device::cuda(0),
        #[cfg(feature = "wgpu")]
        Ok("wgpu") => Device::wgpu(Default::default()),
        Ok(name) => {
            panic!("GPICL_TEST_DEVICE={name}: expected `cuda` or `wgpu`, and that feature in the build")
        }
    };
    device.autodiff()
}

thread_local! {
    /// State of a SplitMix64 sequence. A test runs on a thread of its own, so it draws the same numbers every time.
    static SEQUENCE: Cell<u64> = const { Cell::new(0) };
}

/// Numbers in [-1, 1), others at every call, on that device.
pub fn drawn<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let number = |_| {
        SEQUENCE.set(SEQUENCE.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
        let bits = SEQUENCE.get();
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // A float holds 24 bits exactly.
        ((bits ^ (bits >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Numbers in [-1, 1), a leaf.
pub fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    drawn(shape, &device()).require_grad()
}

/// Largest difference, relative to the larger of one and the largest value.
#[track_caller]
pub fn close<const D: usize>(what: &str, found: Tensor<D>, expected: Tensor<D>, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let size = expected.clone().abs().max().into_scalar::<f32>().max(1.0);
    let error = (found - expected).abs().max().into_scalar::<f32>() / size;
    assert!(error <= tolerance, "{what}: off by {error:e}, allowed {tolerance:e}");
}

/// Runs `native` and `reference` on the same tensors and compares the values and the gradients of a weighted sum.
macro_rules! agree {
    ($what:expr, $tolerance:expr, [$($input:ident),+], $native:expr, $reference:expr) => {{
        let (native, reference) = ($native, $reference);
        let weights = Tensor::from_inner(drawn(native.dims(), &native.clone().inner().device()));
        close(&format!("{}: value", $what), native.clone().inner(), reference.clone().inner(), $tolerance);
        let found = (native * weights.clone()).sum().backward();
        let expected = (reference * weights).sum().backward();
        $(
            let what = format!("{}: gradient of {}", $what, stringify!($input));
            close(&what, $input.grad(&found).unwrap(), $input.grad(&expected).unwrap(), $tolerance);
        )+
    }};
}

pub(crate) use agree;

/// Numbers in [-1, 1) without structure.
pub fn numbers(count: usize, salt: usize) -> Vec<f64> {
    let hash = |i: usize| {
        ((i + 1000 * salt) as u32).wrapping_mul(0x9E37_79B9).rotate_left(13).wrapping_mul(0x85EB_CA6B)
    };
    (0..count).map(|i| f64::from(hash(i) as i32 as f32 / 2_147_483_648.0)).collect()
}

/// A leaf of these numbers.
pub fn leaf(values: &[f64]) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device()).require_grad()
}

/// A tensor's numbers.
pub fn host(x: Tensor<1>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// Compares `native` with `definition`: functions of the same flat inputs, whose sizes are given.
#[track_caller]
pub fn check(
    what: &str,
    sizes: &[usize],
    native: impl Fn(&[Tensor<1>]) -> Tensor<1>,
    definition: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let mut inputs: Vec<Vec<f64>> =
        sizes.iter().enumerate().map(|(salt, &size)| numbers(size, salt)).collect();
    let leaves: Vec<Tensor<1>> = inputs.iter().map(|values| leaf(values)).collect();
    let out = native(&leaves);
    let expected = definition(&inputs);
    let found = host(out.clone().inner());
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
        assert!((f64::from(found) - expected).abs() < 2e-5, "{what}: value {at}: {found} {expected}");
    }
    let weights = numbers(expected.len(), 77);
    let grads = (out * leaf(&weights).detach()).sum().backward();
    let loss = |inputs: &[Vec<f64>]| definition(inputs).iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>();
    for input in 0..inputs.len() {
        let gradient = host(leaves[input].grad(&grads).expect("a gradient"));
        for (at, &found) in gradient.iter().enumerate() {
            let value = inputs[input][at];
            let mut beside = |step: f64| {
                inputs[input][at] = value + step;
                loss(&inputs)
            };
            let slope = (beside(1e-5) - beside(-1e-5)) / 2e-5;
            inputs[input][at] = value;
            assert!(
                (f64::from(found) - slope).abs() < 5e-5 * slope.abs().max(1.0),
                "{what}: gradient {at} of input {input}: {found} {slope}"
            );
        }
    }
}

/// Panics unless tensors have the same bits on one thread, on two and on three.
pub fn threads_change_no_bit(what: &str, run: impl Fn() -> Vec<TensorData> + Send + Sync) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(&run)
    };
    let one = on(1);
    for threads in [2, 3] {
        assert!(on(threads) == one, "{what}: other bits on {threads} threads");
    }
}

/// Runs this binary's tests whose names contain one of `names` on every vector extension. The kernels choose theirs once
/// a process, so each is tried in a process of its own.
pub fn on_every_vector_extension(names: &[&str]) {
    let tests = std::env::current_exe().expect("this test's path");
    for level in ["scalar", "avx2", "avx512"] {
        let run = std::process::Command::new(&tests)
            .args(names)
            .args(["--skip", "every_vector_extension"])
            .env("GPICL_CPU", level)
            .env_remove("GPICL_TEST_DEVICE")
            .output()
            .expect("the tests to start");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && !said.contains("ok. 0 passed"), "{level}: {said}");
    }
}
