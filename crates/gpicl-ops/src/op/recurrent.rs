//! What the recurrent operations share.

#[cfg(feature = "flex")]
pub mod native;

use burn::tensor::Tensor;

use super::check;
use crate::TokenLayout;

/// Checks the parts of a state, each `[batch, hidden]`, against checked gates.
#[track_caller]
pub fn check_state(what: &str, blocks: usize, gates: &Tensor<3>, state: &[&Tensor<2>]) {
    let [batch, _, width] = gates.dims();
    for part in state {
        check::shape(&format!("{what}: state"), &[batch, width / blocks], &part.dims());
    }
}

/// Checks the arguments of a scan over `blocks` gates.
#[track_caller]
pub fn check(
    what: &str,
    blocks: usize,
    gates: &Tensor<3>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    layout: TokenLayout,
) {
    let [_, tokens, width] = gates.dims();
    check::filled(&format!("{what}: gates"), &gates.dims());
    let units = width > 0 && width.is_multiple_of(blocks);
    check::that(
        units,
        &format!("{what}: gates"),
        &format!("a last axis of {blocks} gates * hidden"),
        &gates.dims(),
    );
    let whole = layout == TokenLayout::Shifted || tokens.is_multiple_of(2);
    check::that(
        whole,
        &format!("{what}: gates"),
        "an even token axis (contexts, then queries)",
        &gates.dims(),
    );
    check::shape(&format!("{what}: weight"), &[width / blocks, width], &weight.dims());
    if let Some(bias) = bias {
        check::shape(&format!("{what}: bias"), &[width], &bias.dims());
    }
}
