//! Arguments that several subcommands take.

use std::path::PathBuf;

use clap::Args;

/// Where data sets are.
#[derive(Debug, Args)]
pub struct DataDirArgs {
    /// Folder with the data sets, one folder each; default: the cache folder that `gpicl data fetch` fills.
    #[arg(long, value_name = "DIR", env = "GPICL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}
