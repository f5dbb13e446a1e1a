//! Reading a context: the steps of the forward pass, of which only what the last one leaves is kept.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::forward::{Episodes, step};
use super::state::{State, StateMut};
use super::tick::Scratch;
use super::{Net, Weights, pack};
use crate::cpu::{buffer::Buffer, dispatch::run};

/// Turns the `state` before the first example into the one after the last, given inputs `[batch, time, widths[0]]` and
/// labels `[batch, time]`.
pub fn read(inputs: &[f32], labels: &[usize], weights: Weights<'_>, state: StateMut<'_>, net: Net<'_>) {
    let packed = &*pack(net, weights);
    let examples = net.episodes() * net.time;
    let states = net.episodes() * net.connections() * net.hidden;
    let tasks = (
        inputs.par_chunks(examples * net.widths[0]),
        labels.par_chunks(examples),
        state.h.par_chunks_mut(states),
        state.c.par_chunks_mut(states),
        state.n.par_chunks_mut(net.episodes() * net.told() * net.backward),
    );
    tasks.into_par_iter().for_each(|(inputs, labels, h, c, n)| {
        run(Read { episodes: Episodes { inputs, labels, net }, packed, state: StateMut { h, c, n } });
    });
}

/// A few episodes.
struct Read<'a> {
    episodes: Episodes<'a>,
    packed: &'a [f32],
    state: StateMut<'a>,
}

impl WithSimd for Read<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { episodes, packed, state } = self;
        let (net, count) = (episodes.net, episodes.count());
        let mut before = State { h: state.h, c: state.c, n: state.n }.to_record(net, count);
        let (mut after, mut scratch) = (Buffer::zeros(before.len()), Scratch::new(net, count));
        for at in 0..net.steps() {
            step(simd, episodes, packed, at, &before, &mut after, &mut scratch);
            std::mem::swap(&mut before, &mut after);
        }
        state.take(net, &before, count);
    }
}
