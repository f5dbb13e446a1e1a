//! Against the definition in f64, its gradient by finite differences, and across vector extensions and threads.

use super::*;

/// Those of a sequence: a context as well that is short, and one that is whole.
fn masks(time: usize) -> Vec<AttentionMask> {
    let paired = time.is_multiple_of(2).then_some(AttentionMask::Paired);
    let contexts = [time / 3, time - 1, time].map(|examples| AttentionMask::Context(examples.max(1)));
    [AttentionMask::Causal].into_iter().chain(paired).chain(contexts).collect()
}

/// Values in `-1..1` from a linear congruence: the tests need variety, not chance.
fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn definition(qkv: &[f64], sizes: Sizes) -> Vec<f64> {
    let Sizes { time, heads, d_head, mask, .. } = sizes;
    let d_model = heads * d_head;
    let mut out = vec![0.0; qkv.len() / 3];
    for (qkv, out) in qkv.chunks(3 * time * d_model).zip(out.chunks_mut(time * d_model)) {
        for h in 0..heads {
            let at = |position, part, d| qkv[offset(sizes, position, part, h) + d];
            for i in 0..time {
                let seen: Vec<usize> = (0..time).filter(|&j| mask.sees(i, j, time)).collect();
                let weight = |&j: &usize| {
                    let score: f64 = (0..d_head).map(|d| at(i, 0, d) * at(j, 1, d)).sum();
                    (score / (d_head as f64).sqrt()).exp()
                };
                let weights: Vec<f64> = seen.iter().map(weight).collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..d_head {
                    let mixed: f64 = seen.iter().zip(&weights).map(|(&j, w)| w * at(j, 2, d)).sum();
                    out[i * d_model + h * d_head + d] = mixed / sum;
                }
            }
        }
    }
    out
}

struct Results {
    out: Vec<f32>,
    dqkv: Vec<f32>,
}

fn attend(qkv: &[f32], dout: &[f32], sizes: Sizes) -> Results {
    let d_model = sizes.d_model();
    let mut out = vec![f32::NAN; qkv.len() / 3];
    let mut log_denominators = vec![f32::NAN; qkv.len() / (3 * d_model) * sizes.heads];
    let mut dqkv = vec![f32::NAN; qkv.len()];
    forward(qkv, &mut out, &mut log_denominators, sizes);
    let saved = Saved { qkv, out: &out, log_denominators: &log_denominators };
    backward(saved, dout, &mut dqkv, sizes);
    Results { out, dqkv }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[test]
fn values_and_gradients_of_the_definition() {
    for (batch, time, heads, d_head) in
        [(1, 2, 1, 1), (2, 6, 2, 3), (1, 10, 1, 17), (1, 38, 2, 5), (2, 4, 1, 33)]
    {
        for mask in masks(time) {
            let sizes = Sizes { time, heads, d_head, mask, apart: 1 };
            let qkv = values(batch * time * 3 * heads * d_head, 1);
            let dout = values(qkv.len() / 3, 2);
            let found = attend(&qkv, &dout, sizes);
            let mut wide = widen(&qkv);
            for (truth, &found) in definition(&wide, sizes).iter().zip(&found.out) {
                assert!((truth - f64::from(found)).abs() < 1e-6, "{sizes:?}: {found}, not {truth}");
            }
            let loss = |qkv: &[f64]| -> f64 {
                definition(qkv, sizes).iter().zip(&dout).map(|(out, &dout)| out * f64::from(dout)).sum()
            };
            // Every eleventh value: a finite difference costs two passes.
            for at in (0..qkv.len()).step_by(11) {
                let value = wide[at];
                wide[at] = value + 1e-5;
                let above = loss(&wide);
                wide[at] = value - 1e-5;
                let truth = (above - loss(&wide)) / 2e-5;
                wide[at] = value;
                let found = f64::from(found.dqkv[at]);
                assert!((truth - found).abs() < 2e-6, "{sizes:?}, gradient {at}: {found}, not {truth}");
            }
        }
    }
}

/// More rows than a block has, of all heights of a tile, and more sequences than one.
#[test]
fn values_and_gradients_of_long_sequences() {
    for (batch, time, heads, d_head) in [(2, 100, 2, 32), (1, 101, 1, 7), (1, 400, 1, 16)] {
        for mask in masks(time) {
            let sizes = Sizes { time, heads, d_head, mask, apart: 1 };
            let qkv: Vec<f32> =
                values(batch * time * 3 * heads * d_head, 11).iter().map(|x| 3.0 * x).collect();
            let dout = values(qkv.len() / 3, 12);
            let found = attend(&qkv, &dout, sizes);
            let mut wide = widen(&qkv);
            for (truth, &found) in definition(&wide, sizes).iter().zip(&found.out) {
                assert!((truth - f64::from(found)).abs() < 5e-6, "{sizes:?}: {found}, not {truth}");
            }
            // A finite difference needs two passes over its sequence: a few, of every head and part.
            let len = qkv.len() / batch;
            for at in (0..qkv.len()).step_by(qkv.len() / 23) {
                let sequence = at / len;
                let mut loss = |change: f64| -> f64 {
                    let value = wide[at];
                    wide[at] += change;
                    let out = definition(&wide[sequence * len..][..len], sizes);
                    wide[at] = value;
                    let dout = &dout[sequence * len / 3..];
                    out.iter().zip(dout).map(|(out, &dout)| out * f64::from(dout)).sum()
                };
                let truth = (loss(1e-5) - loss(-1e-5)) / 2e-5;
                let found = f64::from(found.dqkv[at]);
                assert!((truth - found).abs() < 2e-5, "{sizes:?}, gradient {at}: {found}, not {truth}");
            }
        }
    }
}

#[test]
fn one_position_attends_to_itself() {
    let sizes = Sizes { time: 1, heads: 2, d_head: 4, mask: AttentionMask::Causal, apart: 1 };
    let qkv = values(24, 3);
    let found = attend(&qkv, &values(8, 4), sizes);
    assert_eq!(found.out, qkv[16..]);
    assert!(found.dqkv[..16].iter().all(|gradient| gradient.abs() < 1e-6));
    assert_eq!(found.dqkv[16..], values(8, 4));
}

#[test]
fn hidden_positions_change_nothing() {
    for mask in masks(40) {
        let sizes = Sizes { time: 40, heads: 2, d_head: 8, mask, apart: 1 };
        let width = 3 * sizes.d_model();
        let qkv = values(40 * width, 5);
        let before = attend(&qkv, &values(40 * 16, 6), sizes).out;
        for changed in 0..40 {
            let mut qkv = qkv.clone();
            qkv[changed * width..(changed + 1) * width].fill(9.0);
            let after = attend(&qkv, &values(40 * 16, 6), sizes).out;
            for (position, (before, after)) in before.chunks(16).zip(after.chunks(16)).enumerate() {
                let same = !mask.sees(position, changed, 40);
                assert_eq!(before == after, same, "{mask:?}: position {changed} seen from {position}");
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let sizes = Sizes { time: 36, heads: 3, d_head: 16, mask: AttentionMask::Paired, apart: 1 };
    let (qkv, dout) = (values(5 * 36 * 144, 7), values(5 * 36 * 48, 8));
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| attend(&qkv, &dout, sizes))
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(one.out, two.out);
    assert_eq!(one.dqkv, two.dqkv);
}

#[test]
fn nan_is_not_hidden() {
    let sizes = Sizes { time: 8, heads: 1, d_head: 4, mask: AttentionMask::Causal, apart: 1 };
    let mut qkv = values(8 * 12, 9);
    qkv[3 * 12] = f32::NAN;
    let out = attend(&qkv, &values(32, 10), sizes).out;
    assert!(out[3 * 4..4 * 4].iter().all(|value| value.is_nan()));
    assert!(out[..3 * 4].iter().all(|value| value.is_finite()));
}

/// Across columns: every row of a group is a sequence of its own, which is copied out of the columns here.
#[test]
fn across_is_attention_of_rows() {
    let (heads, d_head, rows, groups) = (2, 5, 7, [1, 3, 14]);
    let (d_model, columns) = (heads * d_head, groups.iter().sum::<usize>());
    let sizes = across::AcrossSizes { groups: &groups, rows, heads, d_head };
    let (qkv, dout) = (values(columns * rows * 3 * d_model, 13), values(columns * rows * d_model, 14));
    let mut found = Results { out: vec![f32::NAN; dout.len()], dqkv: vec![f32::NAN; qkv.len()] };
    let mut log_denominators = vec![f32::NAN; columns * rows * heads];
    across::forward(&qkv, &mut found.out, &mut log_denominators, sizes);
    let saved = Saved { qkv: &qkv, out: &found.out, log_denominators: &log_denominators };
    across::backward(saved, &dout, &mut found.dqkv, sizes);
    let mut first = 0;
    for group in groups {
        for row in 0..rows {
            let copied = |from: &[f32], width: usize| -> Vec<f32> {
                let at = |column: usize| ((first + column) * rows + row) * width;
                (0..group).flat_map(|column| from[at(column)..][..width].to_vec()).collect()
            };
            let mask = AttentionMask::Context(group);
            let expected = attend(
                &copied(&qkv, 3 * d_model),
                &copied(&dout, d_model),
                Sizes { time: group, heads, d_head, mask, apart: 1 },
            );
            assert_eq!(copied(&found.out, d_model), expected.out);
            assert_eq!(copied(&found.dqkv, 3 * d_model), expected.dqkv);
        }
        first += group;
    }
}
