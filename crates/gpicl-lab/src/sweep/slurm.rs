//! A sweep on a cluster, through Slurm: a job array with a task a run, over a folder that all nodes share.
//!
//! `slurm/array-N.sbatch` is the script of the N-th submission, `slurm/runs-N.txt` its runs, one a task, and
//! `slurm/job.json` says what was submitted. A task does `gpicl resume` on its run, as a local process would. Before
//! its time limit it saves the step and goes back into the queue; pre-empted, Slurm puts it back. Nobody has to wait
//! for the tasks, as all they do is in the run folders. Which runs have a task, the queue itself says: whenever the
//! waiting command is killed, its successor submits nothing twice.

mod queue;
mod record;
mod script;

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::queue::Task;
use self::record::Record;
use self::script::Script;
use super::{Executor, PlannedRun, RunState, SlurmSpec, Sweep, Watch};
use gpicl::fs::{create_folder, lock, write_atomic};
use gpicl::{Error, Result};

/// Meta-trains the runs of a sweep as tasks of Slurm job arrays. Raising the stop flag leaves the tasks running.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slurm {
    /// Return when the runs are submitted, instead of waiting for them.
    pub detach: bool,
    /// Runs at a time, instead of the spec's `slurm.max_parallel`.
    pub at_a_time: Option<usize>,
}

/// Times in a row that a run's task may end with neither results nor an error nor a new checkpoint.
const TRIES: usize = 3;
/// Time between two looks at the queue while things happen, and when nothing has happened for long.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];

impl Executor for Slurm {
    fn execute(&self, sweep: &Sweep, pending: &[&PlannedRun], watch: &Watch<'_>) -> Result<()> {
        let mut campaign = Campaign::new(sweep, pending, self.at_a_time, watch)?;
        let mut shown = String::new();
        let mut pause = PAUSES[0];
        while let Some(round) = campaign.round()? {
            let text = round.to_string();
            pause = (pause * 3 / 2).min(PAUSES[1]);
            if text != shown {
                (watch.note)(text.clone());
                (shown, pause) = (text, PAUSES[0]);
            }
            if campaign.open.is_empty() {
                return Ok(());
            }
            if self.detach {
                break;
            }
            let until = Instant::now() + pause;
            while Instant::now() < until && !watch.stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if !campaign.jobs.is_empty() {
            let jobs: Vec<&str> = campaign.jobs.iter().map(String::as_str).collect();
            let cancel = format!("scancel {}", jobs.join(" "));
            (watch.note)(format!(
                "the tasks go on without this command, and the same command waits for them; to cancel them: {cancel}"
            ));
        }
        Ok(())
    }
}

/// The runs of one command, from their submission to their ends.
struct Campaign<'a> {
    sweep: &'a Sweep,
    spec: SlurmSpec,
    watch: &'a Watch<'a>,
    /// `slurm/`.
    folder: PathBuf,
    /// The runs that have not come to an end.
    open: Vec<&'a PlannedRun>,
    /// Jobs with tasks in the queue.
    jobs: BTreeSet<String>,
    /// For each run, the step of its newest checkpoint when it was submitted, and how many times it was from there.
    tries: HashMap<&'a str, (u64, usize)>,
    /// For each run, the array of its task at the last look or submitted since, and whether it waited there.
    queued: HashMap<&'a str, (usize, bool)>,
    /// How things stand; none before the queue was asked.
    last: Option<Round>,
}

/// How things stand.
#[derive(Clone, Debug, Default)]
struct Round {
    runs: usize,
    finished: usize,
    failed: usize,
    cancelled: usize,
    /// Number of tasks in each state of the queue, such as `RUNNING` or `PENDING (Resources)`.
    tasks: BTreeMap<String, usize>,
    /// What Slurm refused.
    trouble: Option<String>,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} runs finished", self.finished, self.runs)?;
        for (count, what) in [(self.failed, "failed"), (self.cancelled, "cancelled")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        for (i, (state, count)) in self.tasks.iter().enumerate() {
            write!(f, "{} {count} {state}", if i == 0 { "; in Slurm:" } else { "," })?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, "; {trouble}; trying again"),
            None => Ok(()),
        }
    }
}

impl<'a> Campaign<'a> {
    fn new(
        sweep: &'a Sweep,
        pending: &[&'a PlannedRun],
        at_a_time: Option<usize>,
        watch: &'a Watch<'a>,
    ) -> Result<Self> {
        let mut spec = sweep.spec().slurm.clone();
        spec.max_parallel = at_a_time.or(spec.max_parallel);
        spec.validate()?;
        let folder = sweep.dir().join("slurm");
        create_folder(&folder)?;
        let open = pending.to_vec();
        Ok(Self {
            sweep,
            spec,
            watch,
            folder,
            open,
            jobs: BTreeSet::new(),
            tries: HashMap::new(),
            queued: HashMap::new(),
            last: None,
        })
    }

    /// Looks at the queue and at the run folders, and submits the runs that neither are over nor have a task. None if
    /// the stop flag is raised.
    fn round(&mut self) -> Result<Option<Round>> {
        // One process at a time looks and submits, so that the next one finds in the queue what this one submits.
        let going_on = || !self.watch.stop.load(Ordering::Relaxed);
        let Some(lock) = lock(&self.folder.join(".lock"), going_on)? else { return Ok(None) };
        let mut record = Record::open(&self.folder, self.sweep.dir())?;
        // The queue before the folders: what a task did before it left the one is in the other.
        let tasks = match queue::tasks(&record)? {
            Ok(tasks) => tasks,
            Err(problem) => {
                let Some(last) = &self.last else {
                    let fix = "see that Slurm's commands work here";
                    return Err(Error::file("squeue", format!("fails: {problem}"), fix));
                };
                return Ok(Some(Round { trouble: Some(format!("squeue fails: {problem}")), ..last.clone() }));
            }
        };
        record.learn(tasks.iter().map(|task| (task.array, task.job.as_str())), &self.folder)?;
        let (mut round, missing) = self.sort_out(&newest(tasks, &self.folder)?)?;
        self.submit(&missing, &mut record, &lock, &mut round)?;
        self.last = Some(round.clone());
        Ok(Some(round))
    }

    /// Takes the runs that have come to an end from those that are open, and counts the tasks of the others. Returns
    /// the runs that need a task as well.
    fn sort_out(&mut self, tasks: &HashMap<String, Task>) -> Result<(Round, Vec<Missing<'a>>)> {
        let mut missing = Vec::new();
        let mut round = match &self.last {
            Some(last) => Round { tasks: BTreeMap::new(), trouble: None, ..last.clone() },
            None => Round { runs: self.open.len(), ..Round::default() },
        };
        self.jobs.clear();
        for run in std::mem::take(&mut self.open) {
            let task = tasks.get(&run.id);
            let live = task.filter(|task| !task.over());
            match self.sweep.state(run)? {
                RunState::Finished => {
                    (self.watch.note)(format!("{}: done", run.id));
                    round.finished += 1;
                    continue;
                }
                RunState::Failed { error } => {
                    (self.watch.note)(format!("{}: {error}", run.id));
                    round.failed += 1;
                    continue;
                }
                _ if live.is_some() => {}
                // Somebody else has it; its task would find it taken.
                RunState::Running { .. } => *round.tasks.entry("elsewhere".into()).or_default() += 1,
                state => {
                    let step = if let RunState::Cut { step, .. } = state { step } else { 0 };
                    if self.cancelled(run, task) {
                        (self.watch.note)(format!("{}: its task was cancelled", run.id));
                        round.cancelled += 1;
                        continue;
                    }
                    if self.tries.get(&*run.id) == Some(&(step, TRIES)) {
                        self.give_up(run, task)?;
                        round.failed += 1;
                        continue;
                    }
                    missing.push(Missing { run, step });
                }
            }
            self.queued.remove(&*run.id);
            if let Some(task) = live {
                self.queued.insert(&run.id, (task.array, task.state == "PENDING"));
                self.jobs.insert(task.job.clone());
                *round.tasks.entry(task.label()).or_default() += 1;
            }
            self.open.push(run);
        }
        Ok((round, missing))
    }

    /// Whether somebody cancelled the run's task since the last look. Such a run is not submitted again by this command;
    /// one that was cancelled before is wanted again.
    fn cancelled(&self, run: &PlannedRun, task: Option<&Task>) -> bool {
        let Some(&(array, waited)) = self.queued.get(&*run.id) else { return false };
        match task.filter(|task| task.array == array) {
            Some(task) => task.state == "CANCELLED",
            // One that had not started can leave nothing behind.
            None => waited,
        }
    }

    /// Records that a run's tasks do not get on.
    fn give_up(&self, run: &PlannedRun, task: Option<&Task>) -> Result<()> {
        let mut error = format!("its Slurm task ended {TRIES} times without results or a new checkpoint");
        if let Some(task) = task {
            let Task { job, index, .. } = task;
            error.push_str(&format!(", at last as {}; see logs/slurm-{job}_{index}.log", task.label()));
        }
        (self.watch.note)(format!("{}: {error}", run.id));
        self.sweep.fail(run, &error)
    }

    /// Submits the `missing` runs, in as few arrays as the cluster allows. What is refused while there are tasks is
    /// for a later round; the limit is often one on the number of them.
    fn submit(
        &mut self,
        missing: &[Missing<'a>],
        record: &mut Record,
        lock: &File,
        round: &mut Round,
    ) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let longest = queue::longest_array()?;
        self.sweep.exclusively(|| {
            missing.iter().try_for_each(|Missing { run, .. }| self.sweep.prepare(run).map(drop))
        })?;
        // The limit is one an array.
        let at_a_time = self.spec.max_parallel;
        let at_a_time = at_a_time.map(|runs| (runs / missing.len().div_ceil(longest)).max(1));
        for part in missing.chunks(longest) {
            let (number, script) = self.write_script(part, record, at_a_time)?;
            record.begin(number, &self.folder)?;
            match queue::submit(self.sweep.dir(), &script, lock)? {
                Ok(job) => {
                    record.submitted(number, &job, &self.folder)?;
                    (self.watch.note)(format!("submitted {} runs as Slurm job {job}", part.len()));
                    self.jobs.insert(job);
                }
                Err(refused) => {
                    if !queue::left_open(&refused) {
                        record.refused(number, &self.folder)?;
                    }
                    let refused = self.spec.refused(&refused);
                    if self.jobs.is_empty() {
                        return Err(refused);
                    }
                    round.trouble = Some(refused.to_string());
                    return Ok(());
                }
            }
            *round.tasks.entry("submitted".into()).or_default() += part.len();
            for &Missing { run, step } in part {
                let tries = self.tries.entry(&run.id).or_insert((step, 0));
                *tries = if tries.0 == step { (step, tries.1 + 1) } else { (step, 1) };
                self.queued.insert(&run.id, (number, false));
            }
        }
        Ok(())
    }

    /// Writes the script and the list of the next array, of the runs in `part`. Returns its number and the script's
    /// path below the sweep's folder.
    fn write_script(
        &self,
        part: &[Missing<'_>],
        record: &Record,
        at_a_time: Option<usize>,
    ) -> Result<(usize, PathBuf)> {
        let number = record.next();
        let ids: String = part.iter().map(|missing| format!("{}\n", missing.run.id)).collect();
        write_atomic(&list_path(&self.folder, number), ids.as_bytes())?;
        let script = Script {
            spec: &self.spec,
            name: &record.array_name(number),
            number,
            tasks: part.len(),
            at_a_time,
            program: self.watch.program,
            data_dir: self.watch.data_dir,
        };
        let name = format!("array-{number}.sbatch");
        write_atomic(&self.folder.join(&name), script.text()?.as_bytes())?;
        Ok((number, Path::new("slurm").join(name)))
    }
}

/// A run that needs a task, and the step of its newest checkpoint.
#[derive(Clone, Copy)]
struct Missing<'a> {
    run: &'a PlannedRun,
    step: u64,
}

/// The ids of the runs of array `number`, a line each.
fn list_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("runs-{number}.txt"))
}

/// The task of each run: the one in the queue, else the one that was submitted last.
fn newest(mut tasks: Vec<Task>, folder: &Path) -> Result<HashMap<String, Task>> {
    // The last one to be put in stays.
    tasks.sort_by_key(|task| (!task.over(), task.array));
    let mut lists: HashMap<usize, Vec<String>> = HashMap::new();
    let mut of_runs = HashMap::new();
    for task in tasks {
        let list = match lists.entry(task.array) {
            Entry::Occupied(list) => list.into_mut(),
            Entry::Vacant(list) => {
                let path = list_path(folder, task.array);
                let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
                list.insert(text.lines().map(str::to_string).collect())
            }
        };
        if let Some(run) = list.get(task.index) {
            of_runs.insert(run.clone(), task);
        }
    }
    Ok(of_runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(array: usize, index: usize, state: &str) -> Task {
        Task { array, job: format!("1{array}"), index, state: state.into(), reason: "None".into() }
    }

    #[test]
    fn the_task_of_a_run_is_the_one_in_the_queue_or_else_the_last() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(list_path(dir.path(), 1), "a\nb\nc\n").unwrap();
        std::fs::write(list_path(dir.path(), 2), "c\nb\n").unwrap();
        let tasks = vec![
            task(1, 0, "COMPLETED"),
            task(2, 0, "RUNNING"),
            task(1, 1, "TIMEOUT"),
            task(1, 2, "FAILED"),
            task(2, 1, "CANCELLED"),
        ];
        for tasks in [tasks.clone(), tasks.into_iter().rev().collect()] {
            let of_runs = newest(tasks, dir.path()).unwrap();
            let states = ["a", "b", "c"].map(|run| of_runs[run].state.as_str());
            assert_eq!(states, ["COMPLETED", "CANCELLED", "RUNNING"]);
        }
        let live = vec![task(1, 1, "PENDING"), task(2, 1, "CANCELLED")];
        assert_eq!(newest(live, dir.path()).unwrap()["b"].state, "PENDING");
    }

    #[test]
    fn a_round_reads_as_a_line() {
        let tasks = [("RUNNING".to_string(), 2), ("PENDING (Resources)".to_string(), 3)].into();
        let mut round = Round { runs: 9, finished: 3, failed: 1, tasks, ..Round::default() };
        let text = "3 of 9 runs finished, 1 failed; in Slurm: 3 PENDING (Resources), 2 RUNNING";
        assert_eq!(round.to_string(), text);
        round.trouble = Some("squeue fails: timed out".into());
        assert_eq!(round.to_string(), format!("{text}; squeue fails: timed out; trying again"));
    }
}
