//! `gpicl data show prior`: made tables, as numbers and as a picture.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use gpicl::data::Split;
use gpicl::tasks::{Draw, Families, MadeTable, Prior, PriorConfig, Source as _};
use gpicl::{Error, OutFile};
use gpicl_lab::figures::clouds::{Cloud, Clouds};
use serde_json::json;

use crate::args::split_among;
use crate::output::Output;

/// What is shown of the prior of tables.
#[derive(Debug, Args)]
pub struct PriorArgs {
    /// Which made table, with `prior`: each number is another one.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Whose tables: those of meta-training, or of a split that it never meets.
    #[arg(long, value_name = "SPLIT", value_parser = split_among(&Split::ALL))]
    split: Option<Split>,
    /// Rows of a made table; default: those of an episode, or 70 of a picture.
    #[arg(long, value_name = "COUNT")]
    rows: Option<usize>,
    /// Features of a made table: a number, or the least and the most of them, as in 33:64 [default: 2:20].
    #[arg(long, value_name = "LEAST:MOST", value_parser = features)]
    features: Option<[usize; 2]>,
    /// Instead of printing a made table, draw a dozen of two features; `-` is standard output.
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
}

/// Tables of a picture.
const DOZEN: u64 = 12;
/// Points of each: as many as leave the file below 100 KB.
const POINTS: usize = 70;

/// Most cells of a made table.
const MOST_CELLS: usize = 1 << 28;

/// The family that `spec` names after `prior:`, empty for all; none if it is a data set's.
pub fn family(spec: &str) -> Option<&str> {
    match spec.strip_prefix("prior")? {
        "" => Some(""),
        rest => rest.strip_prefix(':'),
    }
}

impl PriorArgs {
    /// For a data set, which none of these apply to.
    ///
    /// # Errors
    /// [`Error::Config`] naming the argument.
    pub fn refuse(&self) -> Result<()> {
        let given = [
            ("--seed", self.seed.is_some()),
            ("--split", self.split.is_some()),
            ("--rows", self.rows.is_some()),
            ("--features", self.features.is_some()),
            ("--plot", self.plot.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                Err(Error::config(*name, "is for made tables", "leave it out, or show prior or prior:FAMILY")
                    .into())
            }
            None => Ok(()),
        }
    }

    /// Prints a table of `family`, of any if that is empty, or draws a dozen.
    ///
    /// # Errors
    /// A family that there is not, arguments that do not fit, or a file that cannot be written.
    pub fn show(&self, family: &str, sheet: bool, output: &Output) -> Result<ExitCode> {
        if sheet {
            return Err(Error::config("--sheet", "is for images", "give --plot to see made tables").into());
        }
        if self.rows == Some(0) {
            return Err(Error::config("--rows", "is 0", "give at least 1").into());
        }
        let families = match family {
            "" => Families::default(),
            name => Families::only(name).ok_or_else(|| {
                let fix = format!("give one of {}", Families::NAMES.join(", "));
                Error::config("data", format!("there is no family `{name}`"), fix)
            })?,
        };
        let widest = self.features.map_or(PriorConfig::default().input_dim, |[_, most]| most);
        if let Some(rows) = self.rows
            && rows > MOST_CELLS / widest.max(1)
        {
            let fix = format!("give at most {}", MOST_CELLS / widest.max(1));
            return Err(Error::config("--rows", format!("is {rows}: too many for a machine"), fix).into());
        }
        let mut config = PriorConfig { families, ..PriorConfig::default() };
        if let Some([least, most]) = self.features {
            (config.least_features, config.input_dim) = (least, most);
        }
        match &self.plot {
            Some(_) if self.features.is_some() => {
                let problem = "is for tables that are printed; a picture's have two";
                Err(Error::config("--features", problem, "leave it out").into())
            }
            Some(plot) if plot.extension().is_some_and(|name| !name.eq_ignore_ascii_case("svg")) => {
                let problem = format!("`{}`: pictures of made tables are SVG", plot.display());
                Err(Error::config("--plot", problem, "give a name that ends with .svg").into())
            }
            Some(plot) => self.draw(family, &config, &OutFile::new(plot)?, output),
            None => self.print(&config, output),
        }
    }

    fn split(&self) -> Split {
        self.split.unwrap_or(Split::Train)
    }

    fn print(&self, config: &PriorConfig, output: &Output) -> Result<ExitCode> {
        let prior = Prior::new(config, self.split()).map_err(|error| match error {
            // All else is at its default.
            Error::Config { problem, fix, .. } => Error::config("--features", problem, fix),
            other => other,
        })?;
        let MadeTable { family, columns, labels } =
            made(&prior, self.seed.unwrap_or_default(), self.rows.unwrap_or(config.episode_length));
        let names: Vec<String> = (1..=columns.len()).map(|number| format!("x{number}")).collect();
        output.note(format!(
            "a table of the family `{family}`: {} rows, {} features",
            labels.len(),
            columns.len()
        ));
        output.json(&json!({"family": family, "features": names, "columns": columns, "labels": labels}));
        // A missing cell is an empty one.
        let cell = |x: f32| if x.is_nan() { String::new() } else { x.to_string() };
        let mut text = format!("{},label\n", names.join(","));
        for (row, label) in labels.iter().enumerate() {
            columns.iter().for_each(|column| text += &format!("{},", cell(column[row])));
            text += &format!("{label}\n");
        }
        output.text(text.trim_end());
        Ok(ExitCode::SUCCESS)
    }

    fn draw(&self, family: &str, config: &PriorConfig, out: &OutFile, output: &Output) -> Result<ExitCode> {
        let output = output.beside(out, "--plot")?;
        let of = |family: &str| {
            let families = Families::only(family).unwrap_or_else(|| config.families.clone());
            // Two columns, both there in every row.
            let flat =
                PriorConfig { input_dim: 2, least_features: 2, missing: false, families, ..config.clone() };
            Prior::new(&flat, self.split())
        };
        let first = self.seed.unwrap_or_default();
        let mut clouds = Vec::new();
        for (number, name) in (first..first.saturating_add(DOZEN)).zip(Families::NAMES.iter().cycle()) {
            let MadeTable { family, columns, labels } = made(
                &of(if family.is_empty() { name } else { family })?,
                number,
                self.rows.unwrap_or(POINTS),
            );
            let points = columns[0].iter().zip(&columns[1]).map(|(&x, &y)| (f64::from(x), f64::from(y)));
            clouds.push(Cloud { title: family.into(), points: points.collect(), classes: labels });
        }
        let title = "Made tables of two features; a colour a class".into();
        out.write(Clouds { title, columns: 4, clouds }.svg()?.as_bytes())?;
        output.note(format!("wrote {out}"));
        Ok(ExitCode::SUCCESS)
    }
}

/// `20`, or `2:20`.
fn features(text: &str) -> std::result::Result<[usize; 2], String> {
    let (least, most) = text.split_once(':').unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) if least <= most => Ok([least, most]),
        _ => Err("give a number, or the least and the most, as in 2:20".into()),
    }
}

/// The table that `number` names.
fn made(prior: &Prior, number: u64, rows: usize) -> MadeTable {
    let draw = Draw::new(number, 0);
    prior.table(prior.seen_task(draw), draw, rows)
}
