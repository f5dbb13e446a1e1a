//! Functions of one number that networks and causal models bend columns with.

use super::chance::pick;
use crate::rng::Rng;

/// One of them.
pub(super) type Activation = fn(f32) -> f32;

const ALL: [Activation; 10] = [
    identity,
    libm::tanhf,
    |x| x.max(0.0),
    libm::sinf,
    |x| if x > 0.0 { 1.0 } else { -1.0 },
    |x| x * x,
    f32::abs,
    |x| libm::expf(-x * x),
    // A leaky unit.
    |x| if x > 0.0 { x } else { 0.1 * x },
    // The part behind the point: a saw.
    |x| x - x.floor(),
];

fn identity(x: f32) -> f32 {
    x
}

/// A random one.
pub(super) fn activation(rng: &mut Rng) -> Activation {
    pick(rng, &ALL)
}
