//! The prior of tables as it is configured: `[mix.prior]`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Prior;
use super::families::Families;
use crate::data::{DataConfig, Library, Split};
use crate::error::{Error, Result};
use crate::tasks::kind::{Loaded, SourceKind};
use crate::tasks::source::Source;
use crate::tasks::splits::SourceSplits;

/// A prior of tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorConfig {
    /// Seed of all functions.
    pub seed: u64,
    /// Rows of an episode, N.
    pub episode_length: usize,
    /// Most features of a table, and the length of an input: absent columns follow a table's own.
    pub input_dim: usize,
    /// Fewest features.
    pub least_features: usize,
    /// Label slots, and most classes of a table.
    pub classes: usize,
    /// Whether cells can be missing and absent columns are NaN; else nothing is missing, and absent columns are 0.
    pub missing: bool,
    /// How often tasks are of which family.
    pub families: Families,
}

impl Default for PriorConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            episode_length: 368,
            input_dim: 20,
            least_features: 2,
            classes: 10,
            missing: true,
            families: Families::default(),
        }
    }
}

impl PriorConfig {
    /// Most features and most classes that a table can have: what a task needs grows with their product.
    const MOST: usize = 1000;
}

impl SourceKind for PriorConfig {
    fn name(&self) -> String {
        self.table().into()
    }

    fn long_name(&self) -> String {
        format!("{}@{}", self.table(), self.seed)
    }

    fn table(&self) -> &'static str {
        "prior"
    }

    fn count(&self) -> String {
        "unlimited".into()
    }

    fn episode_length(&self) -> usize {
        self.episode_length
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    fn clear_seeds(&mut self) {
        self.seed = 0;
    }

    fn data(&self) -> Option<&DataConfig> {
        None
    }

    fn missing(&self) -> bool {
        self.missing
    }

    fn validate(&self) -> Result<()> {
        let Self { episode_length, input_dim, least_features, classes, families, .. } = self;
        let fail = |field: &str, problem: String, fix: &str| {
            Err(Error::config(format!("prior.{field}"), problem, fix))
        };
        if *episode_length < 2 {
            return fail("episode_length", format!("is {episode_length}"), "give at least 2 rows");
        }
        if !(1..=Self::MOST).contains(input_dim) {
            let fix = format!("give 1 to {} features", Self::MOST);
            return fail("input_dim", format!("is {input_dim}"), &fix);
        }
        if !(1..=*input_dim).contains(least_features) {
            let fix = format!("give 1 to {input_dim}, which is prior.input_dim");
            return fail("least_features", format!("is {least_features}"), &fix);
        }
        if !(2..=Self::MOST).contains(classes) {
            return fail("classes", format!("is {classes}"), &format!("give 2 to {}", Self::MOST));
        }
        let weights = families.weights();
        if let Some(wrong) = weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            let field = format!("families.{}", Families::NAMES[wrong]);
            return fail(&field, format!("is {}", weights[wrong]), "give a number from 0");
        }
        let total: f64 = weights.iter().sum();
        if !(total > 0.0 && total.is_finite()) {
            let fix = format!("give one of them a weight: {}", Families::NAMES.join(", "));
            return fail("families", format!("have weights with the sum {total}"), &fix);
        }
        Ok(())
    }

    fn load(&self, _: &Library) -> Result<Loaded> {
        self.validate()?;
        let config = self.clone();
        let make = move |name: &str, input_dim: Option<usize>, slots: usize| {
            let over = |split| -> Result<Arc<dyn Source>> {
                Ok(Arc::new(Prior::sized(&config, split, input_dim, slots)?.named(name)))
            };
            let (train, validation, test) =
                (over(Split::Train)?, over(Split::Validation)?, over(Split::Test)?);
            Ok(SourceSplits { place: String::new(), weight: 1.0, train, validation, test })
        };
        Ok(Loaded { name: self.name(), classes: self.classes, make: Box::new(make) })
    }
}
