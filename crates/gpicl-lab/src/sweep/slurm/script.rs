//! The batch script of a job array: `slurm/array-N.sbatch`.

use std::path::{Path, absolute};

use crate::program::Program;
use crate::sweep::SlurmSpec;
use crate::workers::{BUSY, INTERRUPTED};
use gpicl::{Error, Result};

/// What a batch script is made from.
pub(super) struct Script<'a> {
    /// What every task asks for.
    pub spec: &'a SlurmSpec,
    /// Name of the job.
    pub name: &'a str,
    /// Number of the array, whose runs are in `slurm/runs-NUMBER.txt`.
    pub number: usize,
    /// Number of tasks.
    pub tasks: usize,
    /// Most tasks at a time.
    pub at_a_time: Option<usize>,
    /// The `gpicl` program.
    pub program: &'a Program,
    /// Where the data sets are.
    pub data_dir: Option<&'a Path>,
}

/// Options that the script sets itself, as `sbatch` spells them.
const RESERVED: [&str; 13] = [
    "--array",
    "-a",
    "--chdir",
    "-D",
    "--job-name",
    "-J",
    "--no-requeue",
    "--open-mode",
    "--output",
    "-o",
    "--requeue",
    "--signal",
    "--wrap",
];
/// Seconds before its time limit at which a task is told.
const SECONDS_TO_SAVE: u32 = 120;
/// Exit code of a run that was told to stop before it could listen: 128 + SIGTERM.
const TERMINATED: i32 = 143;
/// Times that a task puts itself back into the queue; then the waiting command, or the next one, submits it anew.
const RESTARTS: u32 = 100;

impl SlurmSpec {
    /// Checks what can be checked without a cluster.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        for (field, count) in [("cpus", self.cpus), ("max_parallel", self.max_parallel)] {
            if count == Some(0) {
                return Err(Error::config(
                    format!("slurm.{field}"),
                    "is 0",
                    "give at least 1, or leave it out",
                ));
            }
        }
        for (field, value) in [("partition", &self.partition), ("time", &self.time), ("memory", &self.memory)]
        {
            if let Some(value) =
                value.as_ref().filter(|value| value.is_empty() || value.contains(char::is_whitespace))
            {
                let problem = format!("{value:?} is no value of an option");
                return Err(Error::config(
                    format!("slurm.{field}"),
                    problem,
                    "write it as `sbatch` takes it",
                ));
            }
        }
        for (i, option) in self.extra.iter().enumerate() {
            let name = option.split(['=', ' ']).next().unwrap_or_default();
            let (problem, fix) = if !option.starts_with('-') || option.contains('\n') {
                (format!("{option:?} is no option"), "write it like \"--account=lab\"")
            } else if RESERVED.contains(&name) {
                (format!("`{name}` is for the sweep to set"), "leave it out")
            } else {
                continue;
            };
            return Err(Error::config(format!("slurm.extra[{i}]"), problem, fix));
        }
        Ok(())
    }

    /// The error of a job array that `sbatch` refuses, saying `said`.
    pub(super) fn refused(&self, said: &str) -> Error {
        let problem = format!("sbatch refuses the job array: {said}");
        match &self.partition {
            Some(partition) if said.contains("artition") => Error::config(
                "slurm.partition",
                format!("is `{partition}`: {problem}"),
                "choose one that `sinfo` lists",
            ),
            _ => Error::config("slurm", problem, "change the table [slurm] of the sweep"),
        }
    }

    /// The options of `sbatch`, one each.
    fn options(&self) -> Vec<String> {
        let mut options = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("--{name}={value}")));
        };
        option("partition", self.partition.clone());
        option("time", self.time.clone());
        option("gpus", self.gpus.filter(|&gpus| gpus > 0).map(|gpus| gpus.to_string()));
        option("mem", self.memory.clone());
        option("cpus-per-task", self.cpus.map(|cpus| cpus.to_string()));
        options.extend(self.extra.iter().cloned());
        options
    }
}

impl Script<'_> {
    /// The text. It is run in the sweep's folder.
    ///
    /// # Errors
    /// [`Error::File`] for a path that is no text.
    pub fn text(&self) -> Result<String> {
        let Self { name, number, tasks, .. } = self;
        let limit = self.at_a_time.map(|runs| format!("%{runs}")).unwrap_or_default();
        let mut options = vec![format!("--job-name={name}"), format!("--array=0-{}{limit}", tasks - 1)];
        options.extend(self.spec.options());
        options.extend([
            "--requeue".into(),
            "--open-mode=append".into(),
            format!("--signal=B:USR1@{SECONDS_TO_SAVE}"),
            "--output=logs/slurm-%A_%a.log".into(),
        ]);
        let options: String = options.iter().map(|option| format!("#SBATCH {option}\n")).collect();
        let words = self.program.words().iter().map(|text| format!(" {}", word(text)));
        let program = format!("{}{}", quoted(self.program.file())?, words.collect::<String>());
        let data_dir = match self.data_dir {
            Some(dir) => format!(" --data-dir {}", quoted(dir)?),
            None => String::new(),
        };
        Ok(format!(
            r#"#!/bin/bash
# Made by `gpicl sweep`. Task N of the array meta-trains the run on line N + 1 of slurm/runs-{number}.txt.
{options}
run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" slurm/runs-{number}.txt)
log=logs/$run.log
if [ -e "runs/$run/results.json" ]; then
    exit 0
fi
export RAYON_NUM_THREADS="${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}"
touch "$log"
before=$(wc -c < "$log")
{program} resume "runs/$run"{data_dir} > /dev/null 2>> "$log" &
child=$!

# SIGUSR1 tells this shell that the time limit is near. Where Slurm ends the task, the run gets SIGTERM as well as
# this shell does. Either way the run saves its step. A trap cuts `wait` short, which the second time gives the status
# of the run, or 127 if it has given that already.
signalled=
trap 'signalled=1; kill -TERM "$child"' USR1
trap 'signalled=1' TERM
wait "$child"
status=$?
while [ "$signalled" ]; do
    signalled=
    wait "$child"
    again=$?
    if [ "$again" -ne 127 ]; then status=$again; fi
done

task=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
case $status in
0) ;;
{BUSY}) # Another process has the run.
    status=0
    ;;
{INTERRUPTED} | {TERMINATED})
    # A task that Slurm ends is not RUNNING any more, and it is for Slurm to requeue it or not.
    if [ "${{SLURM_RESTART_COUNT:-0}}" -lt {RESTARTS} ] &&
        [ "$(squeue --noheader --jobs="$task" --format=%T)" = RUNNING ]; then
        scontrol requeue "$task"
    fi
    ;;
*)
    # Killed, for want of memory for example, it is tried again by the command that waits, or the next one.
    if [ "$status" -gt 128 ]; then exit "$status"; fi
    error=$(tail -c "+$((before + 1))" "$log" | sed -n -e 's/^error: //p' -e '/panicked at/p' | tail -n 1)
    echo "${{error:-the training process ended with status $status}}" > "failures/.partial-$run.txt"
    mv "failures/.partial-$run.txt" "failures/$run.txt"
    ;;
esac
exit "$status"
"#
        ))
    }
}

/// An absolute path as a word of the shell.
fn quoted(path: &Path) -> Result<String> {
    let path = absolute(path).map_err(Error::io("find", path))?;
    let text = path.to_str().filter(|text| !text.contains('\n'));
    let fix = "move it to a path of letters and digits";
    let text = text.ok_or_else(|| Error::file(&path, "cannot be written into a batch script", fix))?;
    Ok(word(text))
}

/// A text as a word of the shell.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    static PROGRAM: OnceLock<Program> = OnceLock::new();

    fn spec() -> SlurmSpec {
        SlurmSpec {
            partition: Some("gpu".into()),
            time: Some("1:00:00".into()),
            gpus: Some(1),
            memory: Some("4G".into()),
            cpus: Some(2),
            max_parallel: Some(8),
            extra: vec!["--account=lab".into()],
        }
    }

    fn script<'a>(spec: &'a SlurmSpec, at_a_time: Option<usize>) -> Script<'a> {
        Script {
            spec,
            name: "gpicl-maps-0a1b2c3d.2",
            number: 2,
            tasks: 12,
            at_a_time,
            program: PROGRAM.get_or_init(|| Program::new("/opt/it's/gpicl", ["-m"])),
            data_dir: Some(Path::new("/data")),
        }
    }

    #[test]
    fn the_script_asks_for_what_the_spec_says_and_resumes_a_run() {
        let spec = spec();
        let text = script(&spec, spec.max_parallel).text().unwrap();
        let options: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#SBATCH ")).collect();
        assert_eq!(
            options,
            [
                "--job-name=gpicl-maps-0a1b2c3d.2",
                "--array=0-11%8",
                "--partition=gpu",
                "--time=1:00:00",
                "--gpus=1",
                "--mem=4G",
                "--cpus-per-task=2",
                "--account=lab",
                "--requeue",
                "--open-mode=append",
                "--signal=B:USR1@120",
                "--output=logs/slurm-%A_%a.log",
            ]
        );
        assert!(text.starts_with("#!/bin/bash\n"));
        let resume =
            r#"'/opt/it'\''s/gpicl' '-m' resume "runs/$run" --data-dir '/data' > /dev/null 2>> "$log" &"#;
        assert!(text.lines().any(|line| line == resume), "{text}");
        assert_eq!(text.matches("slurm/runs-2.txt").count(), 2, "{text}");
    }

    #[test]
    fn what_the_spec_leaves_open_is_for_the_cluster_to_decide() {
        let spec = SlurmSpec { gpus: Some(0), ..SlurmSpec::default() };
        let text = script(&spec, None).text().unwrap();
        assert!(text.contains("#SBATCH --array=0-11\n#SBATCH --requeue\n"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn bash_can_read_the_script() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("array.sbatch");
        std::fs::write(&path, script(&spec(), Some(8)).text().unwrap()).unwrap();
        let Ok(output) = std::process::Command::new("bash").arg("-n").arg(&path).output() else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_spec_that_cannot_be_asked_for_is_refused_by_its_field() {
        let with = |change: &dyn Fn(&mut SlurmSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.validate().unwrap_err().to_string()
        };
        assert!(spec().validate().is_ok() && SlurmSpec::default().validate().is_ok());
        for (error, part) in [
            (with(&|spec| spec.cpus = Some(0)), "`slurm.cpus`: is 0"),
            (with(&|spec| spec.max_parallel = Some(0)), "`slurm.max_parallel`: is 0"),
            (with(&|spec| spec.time = Some("1 hour".into())), "`slurm.time`: \"1 hour\""),
            (with(&|spec| spec.partition = Some(String::new())), "`slurm.partition`: \"\""),
            (with(&|spec| spec.extra = vec!["account=lab".into()]), "`slurm.extra[0]`: \"account=lab\""),
            (with(&|spec| spec.extra.push("--array=0-3".into())), "`slurm.extra[1]`: `--array`"),
        ] {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
    }
}
