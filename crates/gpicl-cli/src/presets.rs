//! `gpicl presets`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::models::ModelConfig;
use gpicl::train::Preset;
use gpicl::{Error, Layers};
use gpicl_lab::presets::{find_experiment, names};
use serde_json::json;

use crate::output::Output;

/// Arguments of `gpicl presets`.
#[derive(Debug, Args)]
pub struct PresetsArgs {
    /// Print this preset with every field, ready for `--config`; or the file of a sweep or comparison: sweep/NAME,
    /// compare/NAME, or NAME where no run goes by it.
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// Print every field with what it is where nothing says otherwise, and the [model] table of every architecture.
    #[arg(long, conflicts_with = "show")]
    defaults: bool,
}

/// Lists the presets, or prints one.
pub fn presets(args: &PresetsArgs, output: &Output) -> Result<ExitCode> {
    if let Some(name) = &args.show {
        if let Some(file) = find_experiment(name) {
            output.text(file.toml.trim_end());
            output.json(&json!({"name": name, "toml": file.toml}));
            return Ok(ExitCode::SUCCESS);
        }
        let preset = of_a_run(name)?;
        let mut layers = Layers::default();
        preset.apply(&mut layers)?;
        let config = layers.build()?;
        output.text(format!("{}\n\n{}", preset.about(), config.to_toml().trim_end()));
        output.json(&config);
        return Ok(ExitCode::SUCCESS);
    }
    if args.defaults {
        let config = Layers::default().build()?;
        output.text(config.to_toml().trim_end());
        for kind in ModelConfig::KINDS.iter().filter(|&&kind| kind != config.model.kind()) {
            let mut layers = Layers::default();
            layers.set(&format!("model={{ kind = \"{kind}\" }}"))?;
            let text = layers.build()?.to_toml();
            // With the tables in it; [train] comes next.
            let (_, model) = text.split_once("\n[model]").unwrap_or_default();
            let (model, _) = model.split_once("\n[train]").unwrap_or((model, ""));
            output.text(format!("\n# or\n[model]{}", model.trim_end()));
        }
        let mut layers = Layers::default();
        layers.set("mix=[{}]")?;
        let text = layers.build()?.to_toml();
        let (_, mix) = text.split_once("\n[[mix]]").unwrap_or_default();
        let (mix, _) = mix.split_once("\n[model]").unwrap_or((mix, ""));
        output.text(format!(
            "\n# in place of [data] and [tasks], once for each source\n[[mix]]{}",
            mix.trim_end()
        ));
        output.json(&config);
        return Ok(ExitCode::SUCCESS);
    }
    for (name, preset) in names() {
        output.text(format!("{name:<22} {}", preset.summary()));
        output.json(&json!({"name": name, "summary": preset.summary()}));
    }
    Ok(ExitCode::SUCCESS)
}

/// The preset of a run.
fn of_a_run(name: &str) -> gpicl::Result<&'static Preset> {
    Preset::find(name).map_err(|_| {
        let all: Vec<String> = names().map(|(name, _)| name).collect();
        Error::config("--show", format!("`{name}` is none"), format!("choose one of {}", all.join(", ")))
    })
}
