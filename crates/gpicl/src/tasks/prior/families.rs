//! Every family, a line each, with its weight.

use serde::{Deserialize, Serialize};

use super::function::Make;
use super::{additive, causal, factors, gaussians, interactions, linear, network, prototypes, smooth, trees};

/// Declares the families: their weights in a configuration, and what makes them.
macro_rules! families {
    ($(#[doc = $doc:literal] $name:ident = $weight:literal,)*) => {
        /// How often a task is of a family, relative to the others. In a table that names some, the others have none.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Families {
            $(#[doc = $doc] #[serde(default)] pub $name: f64,)*
        }

        impl Default for Families {
            fn default() -> Self {
                Self { $($name: $weight,)* }
            }
        }

        impl Families {
            /// The names of all.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// What each is, in the order of the names.
            pub const SUMMARIES: &'static [&'static str] = &[$($doc.trim_ascii()),*];

            /// One family alone; none if there is none of that name.
            pub fn only(name: &str) -> Option<Self> {
                Self::NAMES.contains(&name).then(|| {
                    let weight = |own: &str| if own == name { 1.0 } else { 0.0 };
                    Self { $($name: weight(stringify!($name)),)* }
                })
            }

            /// In the order of the names.
            pub(super) fn weights(&self) -> Vec<f64> {
                vec![$(self.$name),*]
            }
        }

        /// In the order of the names.
        pub(super) const MAKERS: &[Make] = &[$($name::make),*];
    };
}

// Tables are mostly measured effects of common causes, cut by rules; borders that are straight or bend are rarer. Families
// that few tables have alone are there so that nobody is surprised.
families! {
    /// Sparse structural causal models.
    causal = 3.0,
    /// Random trees and forests.
    trees = 2.5,
    /// Random networks.
    network = 2.0,
    /// Smooth functions.
    smooth = 1.5,
    /// Parities, tables, conditions, products.
    interactions = 1.5,
    /// Classes that are Gaussians.
    gaussians = 1.5,
    /// Linear and logistic rules.
    linear = 1.25,
    /// Sums of functions of one feature each.
    additive = 2.0,
    /// Features that share large causes.
    factors = 3.0,
    /// Nearest prototypes.
    prototypes = 0.75,
}
