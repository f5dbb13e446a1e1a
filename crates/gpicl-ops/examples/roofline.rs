//! What this machine can do at most, and how near the matrix products of a meta-training step come to it.
//!
//! `cargo run --release --package gpicl-ops --example roofline` prints the limits in `docs/performance.md`. Every figure
//! is the best of several repetitions: what else runs on the machine can only make it lower.

use std::hint::black_box;
use std::time::Instant;

use gpicl_ops::Precision;
use gpicl_ops::cpu::gemm::{Finish, MatRef, Start, gemm};
use gpicl_ops::cpu::{affine, dispatch};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Sums in registers at once: enough to hide the latency of an addition.
const SUMS: usize = 12;
const ROUNDS: usize = 4_000_000;

fn main() {
    let threads = rayon::current_num_threads();
    rayon::scope(|_| table(threads));
}

/// On a thread of the pool, as in a training step.
fn table(threads: usize) {
    println!("| what | threads | GFLOP/s or GB/s |\n| --- | ---: | ---: |");
    let row = |what: &str, rate: f64| println!("| {what} | {threads} | {:.0} |", rate / 1e9);
    row("fused multiply-adds in registers, fp32", peak(|| dispatch::run(MultiplyAdds)));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bf16") {
        // SAFETY: the machine has the extension.
        row("products of bf16 pairs in registers", peak(|| unsafe { bf16_dots() }));
    }
    row("memory, read two and write one (GB/s)", triad());
    let tokens = 6400;
    let shapes = [
        ("x W, queries keys values", [tokens, 256, 768]),
        ("x W, feed-forward up", [tokens, 256, 1024]),
        ("x W, feed-forward down", [tokens, 1024, 256]),
        ("x^T dy, feed-forward up", [256, tokens, 1024]),
    ];
    for (what, shape) in shapes {
        for precision in [Precision::Fp32, Precision::Bf16] {
            let [m, k, n] = shape;
            row(&format!("{what}: {m} x {k} x {n}, {precision:?}"), product(shape, precision));
        }
    }
}

/// Operations a second of `work` on every thread, which returns how many it did.
fn peak(work: impl Fn() -> f64 + Sync) -> f64 {
    let threads = rayon::current_num_threads();
    best(|| (0..threads).into_par_iter().with_max_len(1).map(|_| work()).sum())
}

/// The best rate of several repetitions; `work` returns how much it did.
fn best(work: impl Fn() -> f64) -> f64 {
    (0..12)
        .map(|_| {
            let start = Instant::now();
            let amount = work();
            amount / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let (a, b) = (simd.splat_f32s(black_box(1.0)), simd.splat_f32s(black_box(1e-9)));
        let mut sums = [b; SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_f32s(a, *sum, b);
            }
        }
        black_box(sums);
        (ROUNDS * SUMS * 2 * S::F32_LANES) as f64
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bf16_dots() -> f64 {
    use std::arch::x86_64::*;
    let pairs = _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(0.5)));
    let mut sums = [_mm512_setzero_ps(); SUMS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = _mm512_dpbf16_ps(*sum, pairs, pairs);
        }
    }
    black_box(sums);
    (ROUNDS * SUMS * 4 * 16) as f64
}

/// Bytes a second of `a = b + s c` over arrays that no cache holds.
fn triad() -> f64 {
    let count = 1 << 24;
    let mut a = vec![0.0_f32; count];
    let (b, c) = (vec![1.0_f32; count], vec![2.0_f32; count]);
    (0..8)
        .map(|_| {
            let start = Instant::now();
            let piece = count / 64;
            let pieces = (a.par_chunks_mut(piece), b.par_chunks(piece), c.par_chunks(piece));
            pieces.into_par_iter().for_each(|(a, b, c)| {
                a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = b + 3.0 * c);
            });
            black_box(&a);
            (3 * count * size_of::<f32>()) as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// Operations a second of a product of `[m, k]` and `[k, n]`; where `k` is the number of tokens, it is the gradient of a
/// weight.
fn product([m, k, n]: [usize; 3], precision: Precision) -> f64 {
    let (a, b) = (vec![0.5; m * k], vec![0.25; k * n]);
    let c = std::cell::RefCell::new(vec![0.0; m * n]);
    best(|| {
        let c = &mut *c.borrow_mut();
        if k > m {
            affine::weight_gradient(&a, &b, n, c, precision);
        } else {
            let (a, b) = (MatRef::row_major(&a, m, k), MatRef::row_major(&b, k, n));
            gemm(a, b, c, Start::Zero, Finish::Nothing, precision);
        }
        (2 * m * k * n) as f64
    })
}
