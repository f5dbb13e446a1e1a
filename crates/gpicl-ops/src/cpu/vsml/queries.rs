//! Predictions for many inputs that all come after the same examples: queries.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::forward::{Next, sweep};
use super::state::State;
use super::tick::Scratch;
use super::{Net, Record, Span, Weights, pack};
use crate::TokenLayout;
use crate::cpu::{buffer::Buffer, dispatch::run};

/// Queries of a task: enough that laying out the state for it is little beside them.
const QUERIES: usize = 32;

/// Writes the logits `out` `[batch, time, classes]` of inputs `[batch, time, widths[0]]`, each the next one after what
/// left its episode's `state`, which nothing writes to.
pub fn queries(inputs: &[f32], weights: Weights<'_>, state: State<'_>, out: &mut [f32], net: Net<'_>) {
    let packed = &*pack(net, weights);
    let (fan_in, classes) = (net.widths[0], net.classes());
    let episodes = inputs.par_chunks(net.time * fan_in).zip(out.par_chunks_mut(net.time * classes));
    episodes.enumerate().for_each(|(episode, (inputs, out))| {
        let state = state.episode(net, episode);
        let tasks = inputs.par_chunks(QUERIES * fan_in).zip(out.par_chunks_mut(QUERIES * classes));
        tasks.for_each(|(inputs, out)| run(Queries { inputs, packed, state, out, net }));
    });
}

/// Some queries of one episode.
struct Queries<'a> {
    inputs: &'a [f32],
    packed: &'a [f32],
    state: State<'a>,
    out: &'a mut [f32],
    net: Net<'a>,
}

impl WithSimd for Queries<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { inputs, packed, state, out, net } = self;
        // As many at a time as a scan takes episodes; in the last ones' place there may be none.
        let count = net.episodes();
        let start = state.to_record(net, count);
        let mut m = Buffer::zeros(Span::forward(net, net.layers(), count).end());
        let mut scratch = Scratch::new(net, count);
        // The example's other ticks come before the one that predicts, or after it.
        let ticks = if net.layout == TokenLayout::Shifted { net.ticks } else { 1 };
        let records = || Buffer::zeros(if ticks > 1 { start.len() } else { 0 });
        let (mut before, mut after) = (records(), records());
        let (fan_in, classes) = (net.widths[0], net.classes());
        let told = Span::backward(net, net.layers(), count);
        for (inputs, out) in inputs.chunks(count * fan_in).zip(out.chunks_mut(count * classes)) {
            for (query, input) in inputs.chunks_exact(fan_in).enumerate() {
                for (unit, &x) in input.iter().enumerate() {
                    m[(unit * count + query) * net.forward] = x;
                }
            }
            for tick in 0..ticks {
                let found = Record::of(net, if tick == 0 { &start } else { &before }, count);
                let next = (tick + 1 < ticks).then(|| {
                    let Record { h, c, n, .. } = Record::of_mut(net, &mut after, count);
                    // The label of the example before is told until the query is over.
                    told.of_mut(n).copy_from_slice(told.of(found.n));
                    Next { h, c, n }
                });
                sweep(simd, net, count, packed, &found, &mut m, next, &mut scratch);
                std::mem::swap(&mut before, &mut after);
            }
            let logits = Span::forward(net, net.layers(), count).of(&m);
            for (query, out) in out.chunks_exact_mut(classes).enumerate() {
                for (class, out) in out.iter_mut().enumerate() {
                    *out = logits[(class * count + query) * net.forward];
                }
            }
        }
    }
}
