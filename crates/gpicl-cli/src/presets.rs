//! `gpicl presets`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::Layers;
use gpicl::presets::{PRESETS, Preset};
use serde_json::json;

use crate::output::Output;

/// Arguments of `gpicl presets`.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Print this preset with every field, ready for `--config`.
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
}

/// Lists the presets, or prints one.
pub fn presets(args: &PresetsArgs, output: &Output) -> Result<ExitCode> {
    if let Some(name) = &args.show {
        let preset = Preset::find(name)?;
        let mut layers = Layers::default();
        preset.apply(&mut layers)?;
        let config = layers.build()?;
        output.text(format!("# {}\n\n{}", preset.summary(), config.to_toml().trim_end()));
        output.json(&config);
        return Ok(ExitCode::SUCCESS);
    }
    for preset in PRESETS {
        output.text(format!("{:<12} {}", preset.name, preset.summary()));
        output.json(&json!({"name": preset.name, "summary": preset.summary()}));
    }
    Ok(ExitCode::SUCCESS)
}
