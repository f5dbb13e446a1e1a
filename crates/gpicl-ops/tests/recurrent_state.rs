//! Recurrent operations from and to a state: against the plain scans, and against their references.
#![cfg(feature = "flex")]

mod common;

use burn::tensor::{Device, Int, Tensor, TensorData};
use common::{close, drawn, threads_change_no_bit};
use gpicl_ops::{
    LstmState, OuterProductState, Precision, TokenLayout, Vsml, VsmlNet, VsmlState, gru, gru_queries,
    gru_with_state, lstm, lstm_queries, lstm_with_state, outer_product_lstm, outer_product_lstm_queries,
    outer_product_lstm_with_state, reference, vsml, vsml_queries, vsml_read,
};

/// Episodes, examples, queries, units.
const SIZES: [[usize; 4]; 4] = [[1, 1, 1, 1], [3, 4, 5, 7], [2, 3, 300, 16], [50, 3, 2, 19]];
/// With how far off their results may be.
const PRECISIONS: [(Precision, f32); 2] = [(Precision::Fp32, 2e-5), (Precision::Bf16, 2e-2)];

/// Without automatic differentiation: there the native versions are.
fn device() -> Device {
    common::device().inner()
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    drawn(shape, &device())
}

/// One operation: tokens in, outputs out, a state in between.
struct Scan<'a, State> {
    what: String,
    start: State,
    tolerance: f32,
    /// The plain operation in the paired layout.
    plain: &'a dyn Fn(Tensor<3>) -> Tensor<3>,
    /// Native version and reference.
    with_state: [&'a dyn Fn(Tensor<3>, State) -> (Tensor<3>, State); 2],
    queries: [&'a dyn Fn(Tensor<3>, State) -> Tensor<3>; 2],
    parts: &'a dyn Fn(State) -> Vec<Tensor<2>>,
}

impl<State: Clone> Scan<'_, State> {
    /// After `j` examples, read a token at a time, a query gives what query `j` of the plain scan does; a state is all that
    /// is needed to go on; and the references agree.
    fn check(&self, contexts: Tensor<3>, queries: Tensor<3>) {
        let (what, tolerance) = (&self.what, self.tolerance);
        let ([batch, examples, width], [_, count, _]) = (contexts.dims(), queries.dims());
        let whole = self.with_state[0](contexts.clone(), self.start.clone());
        let mut state = self.start.clone();
        for read in 0..examples {
            let [found, expected] = self.queries.map(|ask| ask(queries.clone(), state.clone()));
            for query in [0, count / 2, count - 1] {
                let one = queries.clone().narrow(1, query, 1);
                let asked = contexts.zeros_like().slice_assign([0..batch, read..read + 1, 0..width], one);
                let plain = (self.plain)(Tensor::cat(vec![contexts.clone(), asked], 1));
                let found = found.clone().narrow(1, query, 1);
                let what = format!("{what}: query {query} after {read}");
                close(&what, found, plain.narrow(1, examples + read, 1), tolerance);
            }
            close(&format!("{what}: queries after {read}"), found, expected, tolerance);
            let next = contexts.clone().narrow(1, read, 1);
            let [(out, after), expected] = self.with_state.map(|step| step(next.clone(), state.clone()));
            close(&format!("{what}: output {read}"), out.clone(), expected.0, tolerance);
            self.same(&format!("after {read}"), after.clone(), expected.1);
            close(
                &format!("{what}: output {read} of all"),
                whole.0.clone().narrow(1, read, 1),
                out,
                tolerance,
            );
            state = after;
        }
        self.same("last", whole.1, state);
    }

    fn same(&self, which: &str, found: State, expected: State) {
        let parts = (self.parts)(found).into_iter().zip((self.parts)(expected));
        for (part, (found, expected)) in parts.enumerate() {
            let what = format!("{}: state {which}, part {part}", self.what);
            close(&what, found, expected, self.tolerance);
        }
    }
}

#[test]
fn lstm_from_a_state() {
    for (precision, tolerance) in PRECISIONS {
        for [batch, examples, queries, hidden] in SIZES {
            let weight = random([hidden, 4 * hidden]);
            Scan {
                what: format!("lstm [{batch}, {examples}], {queries} queries, {hidden} units, {precision:?}"),
                start: LstmState::start(batch, hidden, &device()),
                tolerance,
                plain: &|x| lstm(x, weight.clone(), TokenLayout::Paired, precision),
                with_state: [
                    &|x, state| lstm_with_state(x, weight.clone(), state, precision),
                    &|x, state| reference::lstm_with_state(x, weight.clone(), state, precision),
                ],
                queries: [&|x, state| lstm_queries(x, weight.clone(), state, precision), &|x, state| {
                    reference::lstm_queries(x, weight.clone(), state, precision)
                }],
                parts: &|state| vec![state.h, state.c],
            }
            .check(random([batch, examples, 4 * hidden]), random([batch, queries, 4 * hidden]));
        }
    }
}

#[test]
fn gru_from_a_state() {
    for (precision, tolerance) in PRECISIONS {
        for [batch, examples, queries, hidden] in SIZES {
            let (weight, bias) = (random([hidden, 3 * hidden]), random([3 * hidden]));
            let weights = || (weight.clone(), bias.clone());
            Scan {
                what: format!("gru [{batch}, {examples}], {queries} queries, {hidden} units, {precision:?}"),
                start: Tensor::zeros([batch, hidden], &device()),
                tolerance,
                plain: &|x| {
                    let (weight, bias) = weights();
                    gru(x, weight, bias, TokenLayout::Paired, precision)
                },
                with_state: [
                    &|x, state| {
                        let (weight, bias) = weights();
                        gru_with_state(x, weight, bias, state, precision)
                    },
                    &|x, state| {
                        let (weight, bias) = weights();
                        reference::gru_with_state(x, weight, bias, state, precision)
                    },
                ],
                queries: [
                    &|x, state| {
                        let (weight, bias) = weights();
                        gru_queries(x, weight, bias, state, precision)
                    },
                    &|x, state| {
                        let (weight, bias) = weights();
                        reference::gru_queries(x, weight, bias, state, precision)
                    },
                ],
                parts: &|state| vec![state],
            }
            .check(random([batch, examples, 3 * hidden]), random([batch, queries, 3 * hidden]));
        }
    }
}

#[test]
fn outer_product_lstm_from_a_state() {
    // Inside the scan there is no bfloat16 but the reference's.
    for (precision, tolerance) in PRECISIONS {
        for [batch, examples, queries, heads, size] in
            [[1, 1, 1, 1, 1], [3, 4, 5, 2, 5], [2, 3, 300, 2, 16], [9, 5, 3, 3, 19]]
        {
            let recurrent = random([heads * size, heads * 8 * size]) * 0.5;
            let width = heads * 8 * size;
            Scan {
                what: format!(
                    "[{batch}, {examples}], {queries} queries, {heads} heads of {size}, {precision:?}"
                ),
                start: OuterProductState::start(batch, heads, size, &device()),
                tolerance,
                plain: &|x| outer_product_lstm(x, recurrent.clone(), heads, TokenLayout::Paired, precision),
                with_state: [
                    &|x, state| outer_product_lstm_with_state(x, recurrent.clone(), state, heads, precision),
                    &|x, state| {
                        reference::outer_product_lstm_with_state(
                            x,
                            recurrent.clone(),
                            state,
                            heads,
                            precision,
                        )
                    },
                ],
                queries: [
                    &|x, state| outer_product_lstm_queries(x, recurrent.clone(), state, heads, precision),
                    &|x, state| {
                        reference::outer_product_lstm_queries(x, recurrent.clone(), state, heads, precision)
                    },
                ],
                parts: &|state| vec![state.h, state.memory.reshape([batch, heads * size * size])],
            }
            .check(random([batch, examples, width]) * 2.0, random([batch, queries, width]) * 2.0);
        }
    }
}

#[test]
fn vsml_from_a_state() {
    const TOLERANCE: f32 = 2e-5;
    for layout in [TokenLayout::Shifted, TokenLayout::Paired] {
        for (widths, shared, [batch, queries, ticks, forward, backward, hidden]) in [
            (vec![3, 2], true, [1, 1, 1, 1, 2, 2]),
            (vec![5, 4], true, [3, 70, 3, 2, 1, 8]),
            (vec![4, 3, 2], true, [2, 5, 2, 2, 3, 17]),
            (vec![4, 3, 2], false, [6, 7, 2, 2, 2, 3]),
        ] {
            let net = VsmlNet { widths: widths.clone(), forward, ticks, label_scale: 1.5, layout };
            let connections: usize = widths.windows(2).map(|ends| ends[0] * ends[1]).sum();
            let (sets, messages) = (if shared { 1 } else { connections }, forward + backward);
            let weights = Vsml {
                weight: random([sets, messages + hidden, 4 * hidden]) * 0.4,
                bias: random([sets, 4 * hidden]),
                read: random([sets, messages, hidden]),
                initial: random([connections, hidden]),
            };
            let (examples, classes) = (4, widths[widths.len() - 1]);
            let inputs = random([batch, examples, widths[0]]);
            let asked = random([batch, queries, widths[0]]);
            let labels = (0..batch * examples).map(|at| ((at * 7 + at / 3) % classes) as i32).collect();
            let labels = TensorData::new::<i32, _>(labels, [batch, examples]);
            let labels = Tensor::<2, Int>::from_data(labels, &device());
            let what = format!("vsml {net:?}, shared {shared}");
            let same = |what: &str, found: VsmlState, expected: VsmlState| {
                close(&format!("{what}: h"), found.h, expected.h, TOLERANCE);
                close(&format!("{what}: c"), found.c, expected.c, TOLERANCE);
                assert_eq!(found.told.is_some(), layout == TokenLayout::Shifted, "{what}");
                assert_eq!(expected.told.is_some(), layout == TokenLayout::Shifted, "{what}");
                if let (Some(found), Some(expected)) = (found.told, expected.told) {
                    close(&format!("{what}: told"), found, expected, TOLERANCE);
                }
            };
            let start = VsmlState::start(&weights, &net, batch);
            let mut state = start.clone();
            for read in 0..examples {
                let found = vsml_queries(asked.clone(), weights.clone(), state.clone(), net.clone());
                for query in [0, queries / 2, queries - 1] {
                    let one = asked.clone().narrow(1, query, 1);
                    let place = [0..batch, read..read + 1, 0..widths[0]];
                    let episode = inputs.clone().slice_assign(place, one);
                    let plain =
                        vsml(episode, labels.clone(), weights.clone(), net.clone()).narrow(1, read, 1);
                    let found = found.clone().narrow(1, query, 1);
                    close(&format!("{what}: query {query} after {read}"), found, plain, TOLERANCE);
                }
                let expected =
                    reference::vsml_queries(asked.clone(), weights.clone(), state.clone(), net.clone());
                close(&format!("{what}: queries after {read}"), found, expected, TOLERANCE);
                let (x, y) = (inputs.clone().narrow(1, read, 1), labels.clone().narrow(1, read, 1));
                let expected =
                    reference::vsml_read(x.clone(), y.clone(), weights.clone(), state.clone(), net.clone());
                state = vsml_read(x, y, weights.clone(), state, net.clone());
                same(&format!("{what}: after {read}"), state.clone(), expected);
            }
            same(&what, vsml_read(inputs, labels, weights, start, net), state);
        }
    }
}

/// Contexts that are read, and more queries than a task takes.
#[test]
fn threads_do_not_change_a_bit() {
    let (batch, queries, hidden) = (5, 400, 32);
    for (precision, _) in PRECISIONS {
        let (tokens, asked) = (random([batch, 9, 4 * hidden]), random([batch, queries, 4 * hidden]));
        let weight = random([hidden, 4 * hidden]);
        threads_change_no_bit(&format!("lstm, {precision:?}"), || {
            let start = LstmState::start(batch, hidden, &device());
            let (out, state) = lstm_with_state(tokens.clone(), weight.clone(), start, precision);
            let answers = lstm_queries(asked.clone(), weight.clone(), state.clone(), precision);
            vec![out.into_data(), state.h.into_data(), state.c.into_data(), answers.into_data()]
        });

        let (tokens, asked) = (random([batch, 9, 3 * hidden]), random([batch, queries, 3 * hidden]));
        let (weight, bias) = (random([hidden, 3 * hidden]), random([3 * hidden]));
        threads_change_no_bit(&format!("gru, {precision:?}"), || {
            let start = Tensor::zeros([batch, hidden], &device());
            let (weight, bias) = (weight.clone(), bias.clone());
            let (out, state) = gru_with_state(tokens.clone(), weight.clone(), bias.clone(), start, precision);
            let answers = gru_queries(asked.clone(), weight, bias, state.clone(), precision);
            vec![out.into_data(), state.into_data(), answers.into_data()]
        });

        let (heads, size) = (2, 8);
        let width = heads * 8 * size;
        let (tokens, asked) = (random([batch, 9, width]), random([batch, queries, width]));
        let recurrent = random([heads * size, width]);
        threads_change_no_bit(&format!("outer-product lstm, {precision:?}"), || {
            let start = OuterProductState::start(batch, heads, size, &device());
            let recurrent = recurrent.clone();
            let (out, state) =
                outer_product_lstm_with_state(tokens.clone(), recurrent.clone(), start, heads, precision);
            let answers =
                outer_product_lstm_queries(asked.clone(), recurrent, state.clone(), heads, precision);
            vec![out.into_data(), state.h.into_data(), state.memory.into_data(), answers.into_data()]
        });
    }
}

#[test]
fn threads_do_not_change_a_bit_of_vsml() {
    let (batch, examples, queries, hidden, widths) = (9, 6, 150, 8, vec![5, 4, 3]);
    let layouts = [TokenLayout::Shifted, TokenLayout::Paired];
    for (layout, shared) in layouts.into_iter().flat_map(|layout| [(layout, true), (layout, false)]) {
        let net = VsmlNet { widths: widths.clone(), forward: 2, ticks: 2, label_scale: 1.5, layout };
        let connections: usize = widths.windows(2).map(|ends| ends[0] * ends[1]).sum();
        let sets = if shared { 1 } else { connections };
        let weights = Vsml {
            weight: random([sets, 4 + hidden, 4 * hidden]),
            bias: random([sets, 4 * hidden]),
            read: random([sets, 4, hidden]),
            initial: random([connections, hidden]),
        };
        let (inputs, asked) = (random([batch, examples, 5]), random([batch, queries, 5]));
        let labels: Vec<i32> = (0..batch * examples).map(|at| (at * 7 % 3) as i32).collect();
        let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [batch, examples]), &device());
        threads_change_no_bit(&format!("vsml, {layout:?}, shared {shared}"), || {
            let start = VsmlState::start(&weights, &net, batch);
            let state = vsml_read(inputs.clone(), labels.clone(), weights.clone(), start, net.clone());
            let answers = vsml_queries(asked.clone(), weights.clone(), state.clone(), net.clone());
            let parts = [Some(state.h), Some(state.c), state.told, Some(answers)];
            parts.into_iter().flatten().map(Tensor::into_data).collect()
        });
    }
}

#[test]
fn every_vector_extension_agrees() {
    common::on_every_vector_extension(&["from_a_state"]);
}

#[test]
#[should_panic(expected = "lstm_queries: state: expected shape [2, 4], found [2, 3]")]
fn a_wrong_state_is_named() {
    let state = LstmState { h: random([2, 4]), c: random([2, 3]) };
    lstm_queries(random([2, 5, 16]), random([4, 16]), state, Precision::Fp32);
}
