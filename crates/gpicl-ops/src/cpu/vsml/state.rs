//! What an example leaves to the next one, outside of a scan: an episode after the other, without padding.

use super::{Net, Record};
use crate::cpu::buffer::Buffer;

/// The state of every episode.
#[derive(Clone, Copy)]
pub struct State<'a> {
    /// Outputs of the LSTMs, `[batch, connections, hidden]`.
    pub h: &'a [f32],
    /// Their cells, of the same shape.
    pub c: &'a [f32],
    /// Backward messages to the outputs of every layer, `[batch, units, backward]`.
    pub n: &'a [f32],
}

/// [`State`], to write.
pub struct StateMut<'a> {
    /// See [`State`].
    pub h: &'a mut [f32],
    /// See [`State`].
    pub c: &'a mut [f32],
    /// See [`State`].
    pub n: &'a mut [f32],
}

impl Net<'_> {
    /// Units that backward messages go to: all but the input's.
    pub fn told(self) -> usize {
        self.widths[1..].iter().sum()
    }
}

impl State<'_> {
    /// The state of one episode.
    pub fn episode(self, net: Net<'_>, episode: usize) -> Self {
        let (states, messages) = (net.connections() * net.hidden, net.told() * net.backward);
        Self {
            h: &self.h[episode * states..][..states],
            c: &self.c[episode * states..][..states],
            n: &self.n[episode * messages..][..messages],
        }
    }

    /// The record of a step that left this to `count` episodes; of one episode, it is for each of them.
    pub fn to_record(self, net: Net<'_>, count: usize) -> Buffer {
        let mut record = Buffer::zeros(count * net.record());
        let Record { h, c, n, .. } = Record::of_mut(net, &mut record, count);
        spread(self.h, net.hidden, h, net.row(), count);
        spread(self.c, net.hidden, c, net.row(), count);
        spread(self.n, net.backward, n, net.backward, count);
        record
    }
}

impl StateMut<'_> {
    /// Takes what the record of the last step leaves.
    pub fn take(self, net: Net<'_>, record: &[f32], count: usize) {
        let Record { h, c, n, .. } = Record::of(net, record, count);
        collect(h, net.row(), self.h, net.hidden, count);
        collect(c, net.row(), self.c, net.hidden, count);
        collect(n, net.backward, self.n, net.backward, count);
    }
}

/// `[episode, place, width]` to `[place, episode, row]`; `from` may hold one episode for all.
fn spread(from: &[f32], width: usize, to: &mut [f32], row: usize, count: usize) {
    let places = to.len() / (count * row);
    let episodes = from.len() / (places * width);
    for (at, to) in to.chunks_exact_mut(row).enumerate() {
        let (place, episode) = (at / count, at % count % episodes);
        to[..width].copy_from_slice(&from[(episode * places + place) * width..][..width]);
    }
}

/// The inverse of [`spread`].
fn collect(from: &[f32], row: usize, to: &mut [f32], width: usize, count: usize) {
    let places = from.len() / (count * row);
    for (at, from) in from.chunks_exact(row).enumerate() {
        let (place, episode) = (at / count, at % count);
        to[(episode * places + place) * width..][..width].copy_from_slice(&from[..width]);
    }
}
