//! Arguments that several subcommands take.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use gpicl::data::Split;

/// Where data sets are.
#[derive(Debug, Args)]
pub struct DataDirArgs {
    /// Folder with the data sets, one folder each; default: the cache folder that `gpicl data fetch` fills.
    #[arg(long, value_name = "DIR", env = "GPICL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Reads the name of one of `splits`.
pub fn split_among(splits: &'static [Split]) -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(splits.iter().map(|split| split.name()))
        .try_map(|name| Split::among(splits, &name))
}
