//! Slurm's commands: `sbatch`, `squeue`, `scontrol`.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use super::record::Record;
use gpicl::{Error, Result};

/// A task of an array, as the queue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    /// Number of the array in [`Record`].
    pub array: usize,
    /// The array's job id.
    pub job: String,
    /// Index in the array, from 0.
    pub index: usize,
    /// Slurm's name for its state, such as `RUNNING`.
    pub state: String,
    /// Why it is in that state, such as `Resources`.
    pub reason: String,
}

impl Task {
    /// Whether it is one that has been, and that Slurm does not go on with.
    pub fn over(&self) -> bool {
        const OVER: [&str; 10] = [
            "BOOT_FAIL",
            "CANCELLED",
            "COMPLETED",
            "DEADLINE",
            "FAILED",
            "NODE_FAIL",
            "OUT_OF_MEMORY",
            "PREEMPTED",
            "REVOKED",
            "TIMEOUT",
        ];
        OVER.contains(&self.state.as_str())
    }

    /// The state, and the reason where it says something.
    pub fn label(&self) -> String {
        let Self { state, reason, .. } = self;
        if matches!(reason.as_str(), "" | "None") || state == "RUNNING" {
            return state.clone();
        }
        format!("{state} ({reason})")
    }

    /// Reads a line of `squeue` in [`Task::FORMAT`]; none if it is no task of `record`.
    fn parse(line: &str, record: &Record) -> Option<Self> {
        let mut parts = line.splitn(5, '|');
        let mut next = || parts.next().map(str::trim);
        let array = record.array_number(next()?)?;
        let (job, index) = (next()?.to_string(), next()?.parse().ok()?);
        Some(Self { array, job, index, state: next()?.to_string(), reason: next()?.to_string() })
    }

    /// Name, array job id, index, state, reason.
    const FORMAT: &str = "--format=%j|%F|%K|%T|%r";
}

/// What a command printed, or its complaint.
type Answer = Result<String, String>;

/// All tasks of `record` that Slurm knows of, with those that are over for some minutes.
///
/// # Errors
/// Where there is no `squeue`.
pub(super) fn tasks(record: &Record) -> Result<Result<Vec<Task>, String>> {
    let names = record.array_names();
    if names.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let mut command = Command::new("squeue");
    // The user's own defaults for squeue would hide some.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("SQUEUE_") {
            command.env_remove(variable);
        }
    }
    command.args(["--noheader", "--array", "--all", "--states=all", Task::FORMAT]);
    command.arg(format!("--name={}", names.join(",")));
    let read = |text: String| text.lines().filter_map(|line| Task::parse(line, record)).collect();
    Ok(ask(command)?.map(read))
}

/// Submits the script `script` from the folder `dir`. Returns the job's id. As long as `sbatch` lives, it holds `lock`,
/// even if this process is killed meanwhile.
///
/// # Errors
/// Where there is no `sbatch`.
pub(super) fn submit(dir: &Path, script: &Path, lock: &File) -> Result<Answer> {
    let mut command = Command::new("sbatch");
    // These come before what the script says.
    for variable in
        ["JOB_NAME", "ARRAY_INX", "OUTPUT", "OPEN_MODE", "SIGNAL", "REQUEUE", "NO_REQUEUE", "WAIT"]
    {
        command.env_remove(format!("SBATCH_{variable}"));
    }
    command.arg("--parsable").arg(script).current_dir(dir);
    command.stdin(Stdio::from(lock.try_clone().map_err(Error::io("pass on", dir.join("slurm/.lock")))?));
    // A cluster's name can follow the id.
    let id = |text: String| text.trim().split(';').next().unwrap_or_default().to_string();
    Ok(ask(command)?.map(id))
}

/// Whether what `sbatch` said leaves open that the job is in the queue: it had no answer. Such an array keeps its name, by
/// which the queue is asked for it.
pub(super) fn left_open(said: &str) -> bool {
    let said = said.to_lowercase();
    ["timed out", "zero bytes", "connection reset", "transport endpoint"]
        .iter()
        .any(|part| said.contains(part))
}

/// Most tasks of an array; Slurm's default where the cluster does not say.
///
/// # Errors
/// Where there is no `scontrol`.
pub(super) fn longest_array() -> Result<usize> {
    const DEFAULT: usize = 1001;
    let mut command = Command::new("scontrol");
    command.args(["show", "config"]);
    let text = ask(command)?.unwrap_or_default();
    let mut values = text.lines().filter_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1));
    Ok(values.next().and_then(|value| value.trim().parse().ok()).filter(|&most| most > 0).unwrap_or(DEFAULT))
}

fn ask(mut command: Command) -> Result<Answer> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Ctrl-C in a terminal is for this process: an `sbatch` cut short would leave open whether it has submitted.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let fix = "run this on a machine of the cluster, or meta-train here with --executor local";
            return Err(Error::file(
                program,
                "is not on this machine, so it cannot reach a Slurm cluster",
                fix,
            ));
        }
        Err(error) => return Err(Error::io("start", program)(error)),
    };
    if output.status.success() {
        return Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    if output.status.code().is_none() {
        return Err(Error::file(
            program,
            format!("was killed ({})", output.status),
            "give the same command again",
        ));
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let prefixes = [format!("{program}: error: "), format!("{program}: ")];
    let said = stderr
        .lines()
        .map(|line| prefixes.iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line));
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    Ok(Err(if said.is_empty() { output.status.to_string() } else { said.join("; ") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_did_not_come_is_not_a_refusal() {
        assert!(left_open("Batch job submission failed: Socket timed out on send/recv operation"));
        assert!(!left_open("Batch job submission failed: Invalid partition name specified"));
    }

    #[test]
    fn lines_of_squeue_are_read_and_those_of_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::open(dir.path(), dir.path()).unwrap();
        record.begin(record.next(), dir.path()).unwrap();
        let name = record.array_name(1);
        let task = Task::parse(&format!("{name}|17|3|PENDING|Resources"), &record).unwrap();
        assert_eq!((task.array, &*task.job, task.index, task.over()), (1, "17", 3, false));
        assert_eq!(task.label(), "PENDING (Resources)");
        let task = Task::parse(&format!("{name}|17|0|TIMEOUT|TimeLimit"), &record).unwrap();
        assert!(task.over());
        let task = Task::parse(&format!("{name}|17|0|RUNNING|JobArrayTaskLimit"), &record).unwrap();
        assert_eq!(task.label(), "RUNNING", "the reason is that of the time before");
        for other in [
            "",
            "x|1|0|RUNNING|None",
            &format!("{name}0|1|0|RUNNING|None"),
            &format!("{name}|1|N/A|RUNNING|None"),
        ] {
            assert_eq!(Task::parse(other, &record), None, "{other}");
        }
    }
}
