//! One tick of one layer, and its gradients.
#![allow(clippy::needless_range_loop, reason = "see `simd::update`")]

use pulp::Simd;

use super::{BLOCK, LANES, Layer, Net};
use crate::cpu::buffer::Buffer;
use crate::cpu::simd::{sigmoid, slope_of_tanh, tanh, update};
use crate::cpu::tile::{Factor, product};

/// What a tick reads: outputs and cells of the layer's LSTMs, forward messages of its inputs, and backward messages of
/// its outputs or none, which counts as zeros.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub h: &'a [f32],
    pub c: &'a [f32],
    pub m: &'a [f32],
    pub n: Option<&'a [f32]>,
}

/// What a tick makes, as far as it is wanted: the next outputs and cells, the forward messages of the layer's outputs,
/// the backward messages to its inputs.
#[derive(Default)]
pub struct After<'a> {
    pub state: Option<[&'a mut [f32]; 2]>,
    pub forward: Option<&'a mut [f32]>,
    pub backward: Option<&'a mut [f32]>,
}

/// Gradients of [`After`]; what was not made has none.
#[derive(Clone, Copy, Default)]
pub struct AfterGradient<'a> {
    pub state: Option<[&'a [f32]; 2]>,
    pub forward: Option<&'a [f32]>,
    pub backward: Option<&'a [f32]>,
}

/// Gradients of [`Before`], added to.
pub struct BeforeGradient<'a> {
    pub h: &'a mut [f32],
    pub c: &'a mut [f32],
    pub m: &'a mut [f32],
    pub n: Option<&'a mut [f32]>,
}

/// One layer among the rows of a task.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub net: Net<'a>,
    pub layer: Layer,
    pub episodes: usize,
}

/// The rows of a block: row `i` of it belongs to connection `(first + i) / episodes` of the layer.
#[derive(Clone, Copy)]
struct Rows {
    first: usize,
    count: usize,
    /// Which of the weights they have.
    set: usize,
}

/// Units and episode of a row: its forward message comes from `from`, its backward message from `to`, both counted
/// with the episode.
#[derive(Clone, Copy)]
struct Ends {
    from: usize,
    to: usize,
}

impl Place<'_> {
    fn blocks(self) -> impl Iterator<Item = Rows> {
        let Self { net, layer, episodes } = self;
        let rows = layer.connections() * episodes;
        let block = if net.shared { BLOCK } else { episodes };
        (0..rows).step_by(block).map(move |first| Rows {
            first,
            count: block.min(rows - first),
            set: if net.shared { 0 } else { layer.before + first / episodes },
        })
    }

    fn ends(self, rows: Rows) -> impl Iterator<Item = Ends> {
        let Self { layer, episodes, .. } = self;
        let fan_out = layer.fan_out;
        let mut episode = rows.first % episodes;
        let mut to = rows.first / episodes % fan_out;
        let mut from = rows.first / episodes / fan_out;
        (0..rows.count).map(move |_| {
            let ends = Ends { from: from * episodes + episode, to: to * episodes + episode };
            episode += 1;
            if episode == episodes {
                (episode, to) = (0, to + 1);
            }
            if to == fan_out {
                (to, from) = (0, from + 1);
            }
            ends
        })
    }

    /// What messages are multiplied with, so that sums over many connections stay in range: forward, backward.
    fn scales(self) -> [f32; 2] {
        [self.layer.fan_in, self.layer.fan_out].map(|count| 1.0 / (count as f32).sqrt())
    }
}

/// Memory of a block, used again and again.
pub struct Scratch {
    /// `[BLOCK, inputs]`, rows in whole vectors, and its gradient.
    u: Buffer,
    du: Buffer,
    /// Gates, `[BLOCK, 4, row]`.
    z: Buffer,
    /// Next outputs, cells and their tanh, and gradients of the first two, `[BLOCK, row]`.
    h: Buffer,
    c: Buffer,
    tanh_c: Buffer,
    dh: Buffer,
    dc: Buffer,
    /// Sums of rows that become messages, `[unit, episode, number, row]`.
    sums: [Buffer; 2],
}

impl Scratch {
    pub fn new(net: Net<'_>, episodes: usize) -> Self {
        let widest = net.widths.iter().copied().max().unwrap_or(0) * episodes;
        let inputs = BLOCK * net.inputs().next_multiple_of(LANES);
        let rows = || Buffer::stale(BLOCK * net.row());
        Self {
            u: Buffer::stale(inputs),
            du: Buffer::stale(inputs),
            z: Buffer::stale(4 * BLOCK * net.row()),
            h: rows(),
            c: rows(),
            tanh_c: rows(),
            dh: rows(),
            dc: rows(),
            sums: [net.forward, net.backward].map(|numbers| Buffer::stale(widest * numbers * net.row())),
        }
    }
}

/// Ticks a layer whose weights are among the packed ones.
#[inline(always)]
pub fn tick<S: Simd>(
    simd: S,
    place: Place<'_>,
    packed: &[f32],
    before: Before<'_>,
    mut after: After<'_>,
    scratch: &mut Scratch,
) {
    let net = place.net;
    let row = net.row();
    for sums in &mut scratch.sums {
        sums.fill(0.0);
    }
    for rows in place.blocks() {
        let set = &packed[rows.set * net.set()..][..net.set()];
        let (weight, reads) = set.split_at(4 * net.inputs() * row);
        gather(place, rows, before, &mut scratch.u);
        gates(simd, net, rows, weight, before.c, scratch);
        let (forward, backward) = reads.split_at(net.forward * row);
        let [forward_sums, backward_sums] = &mut scratch.sums;
        for (ends, h) in place.ends(rows).zip(scratch.h.chunks_exact(row)) {
            if after.forward.is_some() {
                read(simd, h, forward, &mut forward_sums[ends.to * forward.len()..]);
            }
            if after.backward.is_some() {
                read(simd, h, backward, &mut backward_sums[ends.from * backward.len()..]);
            }
        }
        if let Some([h, c]) = &mut after.state {
            let place = rows.first * row..(rows.first + rows.count) * row;
            h[place.clone()].copy_from_slice(&scratch.h[..rows.count * row]);
            c[place].copy_from_slice(&scratch.c[..rows.count * row]);
        }
    }
    let messages = [after.forward, after.backward].into_iter().zip(place.scales()).zip(&scratch.sums);
    for ((message, scale), sums) in messages {
        for (number, sums) in message.into_iter().flatten().zip(sums.chunks_exact(row)) {
            let (vectors, _) = S::as_simd_f32s(sums);
            let mut total = vectors[0];
            for v in 1..vectors.len() {
                total = simd.add_f32s(total, vectors[v]);
            }
            *number = scale * simd.reduce_sum_f32s(total);
        }
    }
}

/// Given the gradients of what a tick made, adds those of what it read, and to `dpacked` those of the weights.
/// `transposed`: every set's `[4 * row, inputs]`, rows in whole vectors.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "values and gradients of what is read, made and learnt")]
pub fn tick_backward<S: Simd>(
    simd: S,
    place: Place<'_>,
    packed: &[f32],
    transposed: &[f32],
    before: Before<'_>,
    dafter: AfterGradient<'_>,
    mut dbefore: BeforeGradient<'_>,
    dpacked: &mut [f32],
    scratch: &mut Scratch,
) {
    let net = place.net;
    let (row, inputs) = (net.row(), net.inputs());
    let padded_inputs = inputs.next_multiple_of(LANES);
    let [forward_scale, backward_scale] = place.scales();
    for rows in place.blocks() {
        let set = &packed[rows.set * net.set()..][..net.set()];
        let (weight, reads) = set.split_at(4 * inputs * row);
        let (dweight, dreads) = dpacked[rows.set * net.set()..][..net.set()].split_at_mut(4 * inputs * row);
        gather(place, rows, before, &mut scratch.u);
        gates(simd, net, rows, weight, before.c, scratch);
        let values = rows.first * row..(rows.first + rows.count) * row;
        let count = rows.count * row;
        match dafter.state {
            Some([dh, dc]) => {
                scratch.dh[..count].copy_from_slice(&dh[values.clone()]);
                scratch.dc[..count].copy_from_slice(&dc[values.clone()]);
            }
            None => {
                scratch.dh[..count].fill(0.0);
                scratch.dc[..count].fill(0.0);
            }
        }
        let (forward, backward) = reads.split_at(net.forward * row);
        let (dforward, dbackward) = dreads.split_at_mut(net.forward * row);
        let rows_of = scratch.h.chunks_exact(row).zip(scratch.dh.chunks_exact_mut(row));
        for (ends, (h, dh)) in place.ends(rows).zip(rows_of) {
            if let Some(d) = dafter.forward {
                let d = &d[ends.to * net.forward..][..net.forward];
                read_backward(simd, d, forward_scale, h, forward, dh, dforward);
            }
            if let Some(d) = dafter.backward {
                let d = &d[ends.from * net.backward..][..net.backward];
                read_backward(simd, d, backward_scale, h, backward, dh, dbackward);
            }
        }
        gates_backward(simd, net, rows, before.c, &mut dbefore.c[values.clone()], scratch);
        let dz = Factor { data: &scratch.z, row: 4 * row, column: 1 };
        let transposed = &transposed[rows.set * 4 * row * padded_inputs..];
        let shape = [rows.count, 4 * row, padded_inputs];
        product::<S, false>(simd, dz, transposed, padded_inputs, &mut scratch.du, padded_inputs, shape);
        let u = Factor { data: &scratch.u, row: 1, column: padded_inputs };
        let shape = [inputs, rows.count, 4 * row];
        product::<S, true>(simd, u, &scratch.z, 4 * row, dweight, 4 * row, shape);
        let rows_of = scratch.du.chunks_exact(padded_inputs).zip(dbefore.h[values].chunks_exact_mut(row));
        for (ends, (du, dh)) in place.ends(rows).zip(rows_of) {
            let (dm, rest) = du[1..inputs].split_at(net.forward);
            let (dn, dh_own) = rest.split_at(net.backward);
            add(dm, &mut dbefore.m[ends.from * net.forward..][..net.forward]);
            if let Some(to) = &mut dbefore.n {
                add(dn, &mut to[ends.to * net.backward..][..net.backward]);
            }
            update!(simd: S, [d in dh_own], [sum in &mut dh[..net.hidden]] {
                sum = simd.add_f32s(sum, d);
            });
        }
    }
}

/// The inputs of the LSTMs of a block: one, forward message, backward message, own output.
#[inline(always)]
fn gather(place: Place<'_>, rows: Rows, before: Before<'_>, u: &mut [f32]) {
    let net = place.net;
    let width = net.inputs().next_multiple_of(LANES);
    let h = before.h[rows.first * net.row()..].chunks_exact(net.row());
    for (ends, (u, h)) in place.ends(rows).zip(u.chunks_exact_mut(width).zip(h)) {
        u[0] = 1.0;
        let (m, rest) = u[1..].split_at_mut(net.forward);
        copy(&before.m[ends.from * net.forward..][..net.forward], m);
        let (n, own) = rest.split_at_mut(net.backward);
        match before.n {
            Some(from) => copy(&from[ends.to * net.backward..][..net.backward], n),
            None => n.fill(0.0),
        }
        own[..net.hidden].copy_from_slice(&h[..net.hidden]);
    }
}

/// A few values: less than a call to copy them.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

#[inline(always)]
fn add(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// From the inputs in the scratch and the cells before: gates, next cells, their tanh, next outputs.
#[inline(always)]
fn gates<S: Simd>(simd: S, net: Net<'_>, rows: Rows, weight: &[f32], c: &[f32], scratch: &mut Scratch) {
    let row = net.row();
    let width = net.inputs().next_multiple_of(LANES);
    let u = Factor { data: &scratch.u, row: width, column: 1 };
    let shape = [rows.count, net.inputs(), 4 * row];
    product::<S, false>(simd, u, weight, 4 * row, &mut scratch.z, 4 * row, shape);
    let vectors = row / S::F32_LANES;
    let count = rows.count * vectors;
    let z = &mut S::as_mut_simd_f32s(&mut scratch.z).0[..4 * count];
    let before = &S::as_simd_f32s(&c[rows.first * row..][..rows.count * row]).0[..count];
    let c = &mut S::as_mut_simd_f32s(&mut scratch.c).0[..count];
    let tanh_c = &mut S::as_mut_simd_f32s(&mut scratch.tanh_c).0[..count];
    let h = &mut S::as_mut_simd_f32s(&mut scratch.h).0[..count];
    for at in 0..count {
        // Row `at / vectors`, whose four gates lie one after the other.
        let z = &mut z[at / vectors * 3 * vectors + at..][..3 * vectors + 1];
        let (input, forget) = (sigmoid(simd, z[0]), sigmoid(simd, z[vectors]));
        let (value, output) = (tanh(simd, z[2 * vectors]), sigmoid(simd, z[3 * vectors]));
        (z[0], z[vectors], z[2 * vectors], z[3 * vectors]) = (input, forget, value, output);
        let next = simd.mul_add_e_f32s(forget, before[at], simd.mul_f32s(input, value));
        (c[at], tanh_c[at]) = (next, tanh(simd, next));
        h[at] = simd.mul_f32s(output, tanh_c[at]);
    }
}

/// Turns the gates in the scratch into the gradients of what they were made of, and adds to that of the cells before.
#[inline(always)]
fn gates_backward<S: Simd>(
    simd: S,
    net: Net<'_>,
    rows: Rows,
    c: &[f32],
    dc_before: &mut [f32],
    scratch: &mut Scratch,
) {
    let row = net.row();
    let vectors = row / S::F32_LANES;
    let count = rows.count * vectors;
    let z = &mut S::as_mut_simd_f32s(&mut scratch.z).0[..4 * count];
    let before = &S::as_simd_f32s(&c[rows.first * row..][..rows.count * row]).0[..count];
    let dc_before = &mut S::as_mut_simd_f32s(dc_before).0[..count];
    let tanh_c = &S::as_simd_f32s(&scratch.tanh_c).0[..count];
    let dh = &S::as_simd_f32s(&scratch.dh).0[..count];
    let dc = &S::as_simd_f32s(&scratch.dc).0[..count];
    for at in 0..count {
        let z = &mut z[at / vectors * 3 * vectors + at..][..3 * vectors + 1];
        let (input, forget, value, output) = (z[0], z[vectors], z[2 * vectors], z[3 * vectors]);
        let d = simd.mul_f32s(simd.mul_f32s(dh[at], output), slope_of_tanh(simd, tanh_c[at]));
        let d = simd.add_f32s(d, dc[at]);
        z[0] = simd.mul_f32s(simd.mul_f32s(d, value), slope_of_sigmoid(simd, input));
        z[vectors] = simd.mul_f32s(simd.mul_f32s(d, before[at]), slope_of_sigmoid(simd, forget));
        z[2 * vectors] = simd.mul_f32s(simd.mul_f32s(d, input), slope_of_tanh(simd, value));
        z[3 * vectors] = simd.mul_f32s(simd.mul_f32s(dh[at], tanh_c[at]), slope_of_sigmoid(simd, output));
        dc_before[at] = simd.mul_add_e_f32s(d, forget, dc_before[at]);
    }
}

/// Adds `h` times every read-out to its sum; both are of the length of a row, times the numbers of a message.
#[inline(always)]
fn read<S: Simd>(simd: S, h: &[f32], reads: &[f32], sums: &mut [f32]) {
    let (h, _) = S::as_simd_f32s(h);
    let (reads, _) = S::as_simd_f32s(reads);
    let sums = &mut S::as_mut_simd_f32s(sums).0[..reads.len()];
    for (reads, sums) in reads.chunks_exact(h.len()).zip(sums.chunks_exact_mut(h.len())) {
        for v in 0..h.len() {
            sums[v] = simd.mul_add_e_f32s(h[v], reads[v], sums[v]);
        }
    }
}

/// Given the gradient `d` of a message, adds the share of one row to the gradients of its output and of the read-outs.
#[inline(always)]
fn read_backward<S: Simd>(
    simd: S,
    d: &[f32],
    scale: f32,
    h: &[f32],
    reads: &[f32],
    dh: &mut [f32],
    dreads: &mut [f32],
) {
    let (h, _) = S::as_simd_f32s(h);
    let (dh, _) = S::as_mut_simd_f32s(dh);
    let (reads, _) = S::as_simd_f32s(reads);
    let (dreads, _) = S::as_mut_simd_f32s(dreads);
    let numbers = reads.chunks_exact(h.len()).zip(dreads.chunks_exact_mut(h.len()));
    for (&d, (reads, dreads)) in d.iter().zip(numbers) {
        let d = simd.splat_f32s(scale * d);
        for v in 0..h.len() {
            dh[v] = simd.mul_add_e_f32s(d, reads[v], dh[v]);
            dreads[v] = simd.mul_add_e_f32s(d, h[v], dreads[v]);
        }
    }
}

/// `y (1 - y)`, the slope where the sigmoid is `y`.
#[inline(always)]
fn slope_of_sigmoid<S: Simd>(simd: S, y: S::f32s) -> S::f32s {
    simd.mul_f32s(y, simd.sub_f32s(simd.splat_f32s(1.0), y))
}
