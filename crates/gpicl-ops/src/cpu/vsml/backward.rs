//! The backward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::forward::{Episodes, step};
use super::tick::{AfterGradient, Before, BeforeGradient, Place, Scratch, tick_backward};
use super::{LANES, Net, Record, Span, Weights, WeightsMut, pack, tell_backward, unpack};
use crate::TokenLayout;
use crate::cpu::{buffer::Buffer, dispatch::run, sum};

/// Values of the tasks' gradients that are in memory at a time: of all tasks at once where the weights are shared and
/// few. Else there are as many as threads.
const PARTIAL: usize = 1 << 20;

/// Writes the gradients of inputs and weights given that of the logits, and what [`super::forward`] was given and kept.
#[allow(clippy::too_many_arguments, reason = "data, weights, records, and the gradients of all")]
pub fn backward(
    inputs: &[f32],
    labels: &[usize],
    weights: Weights<'_>,
    kept: &[f32],
    dout: &[f32],
    dinputs: &mut [f32],
    dweights: WeightsMut<'_>,
    net: Net<'_>,
) {
    let packed = &*pack(net, weights);
    let transposed = &*transpose(net, packed);
    let examples = net.episodes() * net.time;
    // Every task has a gradient of all weights for itself. They are added in the order of the tasks, however many are
    // made at a time.
    let tasks = labels.len().div_ceil(examples);
    let together = (PARTIAL / packed.len()).max(rayon::current_num_threads()).min(tasks).max(1);
    let mut partial = Buffer::stale(together * packed.len());
    let mut total = Buffer::zeros(packed.len());
    let waves = inputs
        .chunks(together * examples * net.widths[0])
        .zip(labels.chunks(together * examples))
        .zip(kept.chunks(together * net.episodes() * net.kept()))
        .zip(dout.chunks(together * examples * net.classes()))
        .zip(dinputs.chunks_mut(together * examples * net.widths[0]));
    for ((((inputs, labels), kept), dout), dinputs) in waves {
        let partial = &mut partial[..labels.len().div_ceil(examples) * packed.len()];
        let parts = (
            inputs.par_chunks(examples * net.widths[0]),
            labels.par_chunks(examples),
            kept.par_chunks(net.episodes() * net.kept()),
            dout.par_chunks(examples * net.classes()),
            dinputs.par_chunks_mut(examples * net.widths[0]),
            partial.par_chunks_mut(packed.len()),
        );
        parts.into_par_iter().for_each(|(inputs, labels, kept, dout, dinputs, dpacked)| {
            dinputs.fill(0.0);
            dpacked.fill(0.0);
            let episodes = Episodes { inputs, labels, net };
            run(Backward { episodes, packed, transposed, kept, dout, dinputs, dpacked });
        });
        sum::add_rows(partial, &mut total);
    }
    unpack(net, &total, dweights);
}

/// Every set's weights of the gates `[4 * row, inputs]`, rows in whole vectors.
fn transpose(net: Net<'_>, packed: &[f32]) -> Buffer {
    let (columns, width) = (4 * net.row(), net.inputs().next_multiple_of(LANES));
    let mut transposed = Buffer::zeros(net.sets() * columns * width);
    let sets = packed.chunks_exact(net.set()).zip(transposed.chunks_exact_mut(columns * width));
    for (set, transposed) in sets.take(net.sets()) {
        for (row, values) in set.chunks_exact(columns).take(net.inputs()).enumerate() {
            for (column, &value) in values.iter().enumerate() {
                transposed[column * width + row] = value;
            }
        }
    }
    transposed
}

/// A few episodes.
struct Backward<'a> {
    episodes: Episodes<'a>,
    packed: &'a [f32],
    transposed: &'a [f32],
    kept: &'a [f32],
    dout: &'a [f32],
    dinputs: &'a mut [f32],
    dpacked: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (net, count) = (self.episodes.net, self.episodes.count());
        let length = count * net.record();
        let mut records = Buffer::zeros((net.interval() + 1) * length);
        let (mut dbefore, mut dafter) = (Buffer::stale(length), Buffer::zeros(length));
        let mut scratch = Scratch::new(net, count);
        for (stretch, kept) in self.kept.chunks_exact(length).enumerate().rev() {
            let first = stretch * net.interval();
            let last = net.steps().min(first + net.interval());
            records[..length].copy_from_slice(kept);
            for at in first..last {
                let (before, after) = records.split_at_mut((at + 1 - first) * length);
                let before = &before[(at - first) * length..];
                step(simd, self.episodes, self.packed, at, before, &mut after[..length], &mut scratch);
            }
            for at in (first..last).rev() {
                let [before, after] = [at, at + 1].map(|at| &records[(at - first) * length..][..length]);
                dbefore.fill(0.0);
                self.step(simd, at, before, after, &mut dafter, &mut dbefore, &mut scratch);
                std::mem::swap(&mut dbefore, &mut dafter);
            }
        }
        let dcells = Record::of(net, &dafter, count).c.chunks_exact(count * net.row());
        let dinitial = &mut self.dpacked[net.sets() * net.set()..];
        for (dcells, dinitial) in dcells.zip(dinitial.chunks_exact_mut(net.row())) {
            sum::add_rows(dcells, dinitial);
        }
    }
}

impl Backward<'_> {
    /// One step: from the gradient of the record after it to that of the record before, which starts as zeros.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "both records and their gradients")]
    fn step<S: Simd>(
        &mut self,
        simd: S,
        at: usize,
        before: &[f32],
        after: &[f32],
        dafter: &mut [f32],
        dbefore: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (net, count) = (self.episodes.net, self.episodes.count());
        let (before, after) = (Record::of(net, before, count), Record::of(net, after, count));
        let (dafter, dbefore) = (Record::of_mut(net, dafter, count), Record::of_mut(net, dbefore, count));
        let Record { h: dnext_h, c: dnext_c, m: dm, n: dn } = dafter;
        let (logits, last) =
            (Span::forward(net, net.layers(), count), Span::backward(net, net.layers(), count));
        let place = |l| Place { net, layer: net.layer(l), episodes: count };
        let states = |l: usize| {
            let (layer, row) = (net.layer(l), count * net.row());
            layer.before * row..(layer.before + layer.connections()) * row
        };
        if net.layout == TokenLayout::Paired {
            for l in 0..net.layers() {
                let (dtold, rest) = Span::backward(net, l + 1, count).with_span_before(dn);
                let read = Before {
                    h: &before.h[states(l)],
                    c: &before.c[states(l)],
                    m: Span::forward(net, l, count).of(after.m),
                    n: Some(Span::backward(net, l + 1, count).of(after.n)),
                };
                let dmade = AfterGradient {
                    state: Some([&dnext_h[states(l)], &dnext_c[states(l)]]),
                    forward: None,
                    backward: (l > 0).then(|| Span::backward(net, l, count).of(rest)),
                };
                let dread = BeforeGradient {
                    h: &mut dbefore.h[states(l)],
                    c: &mut dbefore.c[states(l)],
                    m: Span::forward(net, l, count).of_mut(dm),
                    n: Some(dtold),
                };
                let (packed, transposed) = (self.packed, self.transposed);
                tick_backward(simd, place(l), packed, transposed, read, dmade, dread, self.dpacked, scratch);
            }
        }
        if net.is_told(at) {
            tell_backward(net, logits.of(after.m), last.of(dn), logits.of_mut(dm), count);
        } else {
            last.of_mut(dbefore.n).copy_from_slice(last.of(dn));
        }
        if net.predicts(at) {
            for (unit, dlogit) in logits.of_mut(dm).chunks_exact_mut(net.forward).enumerate() {
                let (class, episode) = (unit / count, unit % count);
                dlogit[0] += self.dout[(episode * net.time + at / net.ticks) * net.classes() + class];
            }
        }
        for l in (0..net.layers()).rev() {
            let (dto, rest) = Span::forward(net, l + 1, count).with_span_before(dm);
            let dfrom = Span::forward(net, l, count).of_mut(rest);
            let told = Span::backward(net, l + 1, count);
            let shifted = net.layout == TokenLayout::Shifted;
            let read = Before {
                h: &before.h[states(l)],
                c: &before.c[states(l)],
                m: Span::forward(net, l, count).of(after.m),
                n: shifted.then(|| told.of(before.n)),
            };
            let dmade = AfterGradient {
                state: shifted.then(|| [&dnext_h[states(l)], &dnext_c[states(l)]]),
                forward: Some(dto),
                backward: (shifted && l > 0).then(|| Span::backward(net, l, count).of(dn)),
            };
            let dread = BeforeGradient {
                h: &mut dbefore.h[states(l)],
                c: &mut dbefore.c[states(l)],
                m: dfrom,
                n: shifted.then(|| told.of_mut(dbefore.n)),
            };
            let (packed, transposed) = (self.packed, self.transposed);
            tick_backward(simd, place(l), packed, transposed, read, dmade, dread, self.dpacked, scratch);
        }
        let inputs = Span::forward(net, 0, count).of(dm).chunks_exact(net.forward);
        for (unit, dm) in inputs.enumerate() {
            let (unit, episode) = (unit / count, unit % count);
            self.dinputs[(episode * net.time + at / net.ticks) * net.widths[0] + unit] += dm[0];
        }
    }
}
