//! Every kind of source, a line each.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use super::distribution::TasksConfig;
use super::kind::SourceKind;
use super::prior::PriorConfig;
use super::projected::ProjectedConfig;
use crate::data::DataConfig;

/// Declares the kinds beside tasks over a data set: the table of `[[mix]]` that configures one, and what that is read to.
macro_rules! sources {
    ($($(#[$doc:meta])* $table:ident => $kind:ident($config:ty),)*) => {
        /// Which source, with what configures it. In `[[mix]]` its kind is the name of its table.
        #[allow(clippy::large_enum_variant, reason = "a run has few sources")]
        #[derive(Clone, Debug, PartialEq)]
        pub enum SourceConfig {
            /// Tasks over a data set, in the two tables `data` and `tasks`.
            Projected(ProjectedConfig),
            $($(#[$doc])* $kind($config),)*
        }

        impl Deref for SourceConfig {
            type Target = dyn SourceKind;

            fn deref(&self) -> &Self::Target {
                match self {
                    Self::Projected(config) => config,
                    $(Self::$kind(config) => config,)*
                }
            }
        }

        impl DerefMut for SourceConfig {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    Self::Projected(config) => config,
                    $(Self::$kind(config) => config,)*
                }
            }
        }

        /// An element of `[[mix]]` as it is written: a weight, and the tables of one kind.
        #[derive(Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Element {
            #[serde(default = "one")]
            weight: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<DataConfig>,
            #[serde(skip_serializing_if = "Option::is_none")]
            tasks: Option<TasksConfig>,
            $(#[serde(skip_serializing_if = "Option::is_none")] $table: Option<$config>,)*
        }

        impl Element {
            /// With the tables of `source`.
            pub(super) fn of(weight: f64, source: SourceConfig) -> Self {
                let mut element = Self { weight, data: None, tasks: None, $($table: None,)* };
                match source {
                    SourceConfig::Projected(ProjectedConfig { data, tasks }) => {
                        (element.data, element.tasks) = (Some(data), Some(tasks));
                    }
                    $(SourceConfig::$kind(config) => element.$table = Some(config),)*
                }
                element
            }

            /// Its weight and its source, which is over the default data set where no table is given. Tables of two
            /// kinds are an error.
            pub(super) fn read(self) -> Result<(f64, SourceConfig), String> {
                let Self { weight, data, tasks, $($table,)* } = self;
                let over_data = (data.is_some() || tasks.is_some()).then(|| {
                    let (data, tasks) = (data.unwrap_or_default(), tasks.unwrap_or_default());
                    ("data, tasks", SourceConfig::Projected(ProjectedConfig { data, tasks }))
                });
                let kinds = [over_data, $($table.map(|it| (stringify!($table), SourceConfig::$kind(it))),)*];
                let mut given: Vec<_> = kinds.into_iter().flatten().collect();
                match given.pop() {
                    None => Ok((weight, SourceConfig::default())),
                    Some((_, source)) if given.is_empty() => Ok((weight, source)),
                    Some((last, _)) => {
                        let first = given[0].0;
                        Err(format!("has tables of two sources, {first} and {last}; give each its own element"))
                    }
                }
            }
        }

        impl Default for SourceConfig {
            fn default() -> Self {
                Self::Projected(ProjectedConfig::default())
            }
        }
    };
}

sources! {
    /// Made tables.
    prior => Prior(PriorConfig),
}

/// The weight of a source that says nothing of it.
fn one() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Library;
    use crate::error::Result as Loading;
    use crate::tasks::Loaded;

    /// A kind that makes its tasks.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct MadeConfig {
        seed: u64,
    }

    impl SourceKind for MadeConfig {
        fn name(&self) -> String {
            "made".into()
        }

        fn long_name(&self) -> String {
            format!("made@{}", self.seed)
        }

        fn table(&self) -> &'static str {
            "made"
        }

        fn count(&self) -> String {
            "unlimited".into()
        }

        fn episode_length(&self) -> usize {
            16
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

        fn validate(&self) -> Loading<()> {
            Ok(())
        }

        fn load(&self, _: &Library) -> Loading<Loaded> {
            unreachable!("nothing is loaded here")
        }
    }

    sources! {
        /// Made.
        made => Made(MadeConfig),
    }

    fn element(text: &str) -> Result<(f64, SourceConfig), String> {
        toml::from_str::<Element>(text).map_err(|error| error.to_string())?.read()
    }

    #[test]
    fn a_kind_of_one_line_is_read_asked_and_written() {
        let (weight, mut source) = element("weight = 2.0\nmade = { seed = 7 }").unwrap();
        assert_eq!((weight, source.name().as_str(), source.seed()), (2.0, "made", 7));
        assert_eq!((source.tasks().seed, source.tasks().episode_length), (7, 16));
        source.set_seed(9);
        let text = toml::to_string(&Element::of(weight, source.clone())).unwrap();
        assert_eq!(text, "weight = 2.0\n\n[made]\nseed = 9\n");
        assert_eq!(element(&text).unwrap(), (2.0, source));
    }

    #[test]
    fn an_element_is_over_a_data_set_unless_it_says_otherwise() {
        assert_eq!(element("").unwrap(), (1.0, SourceConfig::default()));
        let (_, source) = element("tasks = { seed = 3 }").unwrap();
        assert_eq!((source.seed(), source.data()), (3, Some(&DataConfig::default())));
    }

    #[test]
    fn an_element_of_two_kinds_or_of_none_that_is_known_is_an_error() {
        let error = |text: &str| element(text).unwrap_err();
        assert!(error("made = { seed = 7 }\ndata = {}").contains("data, tasks and made"));
        assert!(error("maid = { seed = 7 }").contains("unknown field `maid`"));
        assert!(error("made = { sed = 7 }").contains("unknown field `sed`"));
    }
}
