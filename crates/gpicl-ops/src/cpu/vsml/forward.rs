//! The forward pass.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::tick::{After, Before, Place, Scratch, tick};
use super::{Net, Record, Span, Weights, pack, tell};
use crate::TokenLayout;
use crate::cpu::{buffer::Buffer, dispatch::run};

/// Writes the logits `out` `[batch, time, classes]` given inputs `[batch, time, widths[0]]` and labels `[batch, time]`;
/// `kept` becomes what the backward pass needs, [`Net::kept`] values an episode.
pub fn forward(
    inputs: &[f32],
    labels: &[usize],
    weights: Weights<'_>,
    out: &mut [f32],
    kept: &mut [f32],
    net: Net<'_>,
) {
    let packed = &*pack(net, weights);
    let examples = net.episodes() * net.time;
    let tasks = (
        inputs.par_chunks(examples * net.widths[0]),
        labels.par_chunks(examples),
        out.par_chunks_mut(examples * net.classes()),
        kept.par_chunks_mut(net.episodes() * net.kept()),
    );
    tasks.into_par_iter().for_each(|(inputs, labels, out, kept)| {
        run(Forward { episodes: Episodes { inputs, labels, net }, packed, out, kept });
    });
}

/// The data of one task.
#[derive(Clone, Copy)]
pub struct Episodes<'a> {
    pub inputs: &'a [f32],
    pub labels: &'a [usize],
    pub net: Net<'a>,
}

impl Episodes<'_> {
    pub fn count(self) -> usize {
        self.labels.len() / self.net.time
    }

    /// One example of every episode: its input as messages, whose first number it is.
    fn feed(self, example: usize, m: &mut [f32]) {
        let (net, count) = (self.net, self.count());
        m.fill(0.0);
        for (at, m) in m.chunks_exact_mut(net.forward).enumerate() {
            let (unit, episode) = (at / count, at % count);
            m[0] = self.inputs[(episode * net.time + example) * net.widths[0] + unit];
        }
    }

    /// Its labels.
    fn labels(self, example: usize) -> impl Iterator<Item = usize> {
        self.labels.chunks_exact(self.net.time).map(move |labels| labels[example])
    }
}

/// A few episodes.
struct Forward<'a> {
    episodes: Episodes<'a>,
    packed: &'a [f32],
    out: &'a mut [f32],
    kept: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { episodes, packed, out, kept } = self;
        let (net, count) = (episodes.net, episodes.count());
        let (mut before, mut after) = (start(net, packed, count), Buffer::zeros(count * net.record()));
        let mut scratch = Scratch::new(net, count);
        for at in 0..net.steps() {
            if at % net.interval() == 0 {
                kept[at / net.interval() * before.len()..][..before.len()].copy_from_slice(&before);
            }
            step(simd, episodes, packed, at, &before, &mut after, &mut scratch);
            std::mem::swap(&mut before, &mut after);
            if net.predicts(at) {
                let logits = Span::forward(net, net.layers(), count).of(Record::of(net, &before, count).m);
                for (unit, logit) in logits.chunks_exact(net.forward).enumerate() {
                    let (class, episode) = (unit / count, unit % count);
                    out[(episode * net.time + at / net.ticks) * net.classes() + class] = logit[0];
                }
            }
        }
    }
}

/// The record before the first step.
pub fn start(net: Net<'_>, packed: &[f32], episodes: usize) -> Buffer {
    let mut record = Buffer::zeros(episodes * net.record());
    let initial = packed[net.sets() * net.set()..].chunks_exact(net.row());
    let cells = Record::of_mut(net, &mut record, episodes).c.chunks_exact_mut(episodes * net.row());
    for (initial, cells) in initial.zip(cells) {
        cells.chunks_exact_mut(net.row()).for_each(|cell| cell.copy_from_slice(initial));
    }
    record
}

/// One step: from the record before it to the one after.
#[inline(always)]
pub fn step<S: Simd>(
    simd: S,
    episodes: Episodes<'_>,
    packed: &[f32],
    at: usize,
    before: &[f32],
    after: &mut [f32],
    scratch: &mut Scratch,
) {
    let (net, count) = (episodes.net, episodes.count());
    let (before, after) = (Record::of(net, before, count), Record::of_mut(net, after, count));
    let Record { h: next_h, c: next_c, m, n } = after;
    let last = Span::backward(net, net.layers(), count);
    episodes.feed(at / net.ticks, Span::forward(net, 0, count).of_mut(m));
    // In the paired layout the states of this sweep are thrown away.
    let next =
        (net.layout == TokenLayout::Shifted).then_some(Next { h: &mut *next_h, c: &mut *next_c, n: &mut *n });
    sweep(simd, net, count, packed, &before, m, next, scratch);
    if net.is_told(at) {
        let logits = Span::forward(net, net.layers(), count).of(m);
        tell(net, episodes.labels(at / net.ticks), logits, last.of_mut(n));
    } else {
        last.of_mut(n).copy_from_slice(last.of(before.n));
    }
    if net.layout == TokenLayout::Shifted {
        return;
    }
    for l in (0..net.layers()).rev() {
        let (layer, place) = (net.layer(l), Place { net, layer: net.layer(l), episodes: count });
        let states =
            layer.before * count * net.row()..(layer.before + layer.connections()) * count * net.row();
        let (told, rest) = Span::backward(net, l + 1, count).with_span_before(n);
        let read = Before {
            h: &before.h[states.clone()],
            c: &before.c[states.clone()],
            m: Span::forward(net, l, count).of(m),
            n: Some(told),
        };
        let made = After {
            state: Some([&mut next_h[states.clone()], &mut next_c[states]]),
            forward: None,
            backward: (l > 0).then(|| Span::backward(net, l, count).of_mut(rest)),
        };
        tick(simd, place, packed, read, made, scratch);
    }
}

/// What a sweep leaves to the next, as in a [`Record`].
pub struct Next<'a> {
    pub h: &'a mut [f32],
    pub c: &'a mut [f32],
    pub n: &'a mut [f32],
}

/// The layers one after another, first to last: with the input's messages in `m`, writes all others there, the logits
/// among them; and what comes `next`, where somebody wants it.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "what is read, and where each result goes")]
pub fn sweep<S: Simd>(
    simd: S,
    net: Net<'_>,
    count: usize,
    packed: &[f32],
    before: &Record<&[f32]>,
    m: &mut [f32],
    mut next: Option<Next<'_>>,
    scratch: &mut Scratch,
) {
    for l in 0..net.layers() {
        let (layer, place) = (net.layer(l), Place { net, layer: net.layer(l), episodes: count });
        let states =
            layer.before * count * net.row()..(layer.before + layer.connections()) * count * net.row();
        let (to, rest) = Span::forward(net, l + 1, count).with_span_before(m);
        let told = Span::backward(net, l + 1, count).of(before.n);
        let read = Before {
            h: &before.h[states.clone()],
            c: &before.c[states.clone()],
            m: Span::forward(net, l, count).of(rest),
            n: (net.layout == TokenLayout::Shifted).then_some(told),
        };
        let mut made = After { forward: Some(to), ..After::default() };
        if let Some(Next { h, c, n }) = &mut next {
            made.state = Some([&mut h[states.clone()], &mut c[states]]);
            made.backward = (l > 0).then(|| Span::backward(net, l, count).of_mut(n));
        }
        tick(simd, place, packed, read, made, scratch);
    }
}
