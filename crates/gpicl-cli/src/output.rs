//! What the user sees: results on stdout; progress on stderr, a bar in a terminal and plain lines elsewhere.

use std::collections::HashMap;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use gpicl::OutFile;
use gpicl::eval::{Look, Place};
use gpicl::train::Event;
use gpicl_lab::sweep::{RunState, Sweep};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

/// How much is printed, and in which form.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Print results only, no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print JSON, one object a line, for programs.
    #[arg(long, global = true)]
    json: bool,
}

/// Where results and progress go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    quiet: bool,
    json: bool,
    terminal: bool,
    /// Whether standard output has a result that is a file: what is for people goes to stderr then.
    piped: bool,
}

impl Output {
    /// From the flags, with the log set up: warnings on stderr, more with `RUST_LOG`.
    pub fn new(args: &OutputArgs) -> Self {
        let filter = tracing_subscriber::EnvFilter::try_from_default_env()
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
        let terminal = std::io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(terminal && !plain)
            .log_internal_errors(false)
            .without_time()
            .try_init()
            // Where it is a Python interpreter's, the log may be set up.
            .ok();
        Self { quiet: args.quiet, json: args.json, terminal, piped: false }
    }

    /// The output beside the file `out`, which the argument `field` names.
    ///
    /// # Errors
    /// [`gpicl::Error::Config`] if both would go to standard output.
    pub fn beside(&self, out: &OutFile, field: &str) -> gpicl::Result<Self> {
        if out.is_stdout() && self.json {
            let problem = "is standard output, where --json prints too";
            return Err(gpicl::Error::config(field, problem, "name a file, or leave out --json"));
        }
        Ok(Self { piped: out.is_stdout(), ..*self })
    }

    /// A result for people; silent with `--json`.
    pub fn text(&self, text: impl AsRef<str>) {
        if self.piped {
            self.note(text);
        } else if !self.json {
            print(&format!("{}\n", text.as_ref()));
        }
    }

    /// A result for programs; silent without `--json`.
    pub fn json(&self, value: &impl Serialize) {
        if self.json {
            print(&format!("{}\n", serde_json::to_string(value).expect("a result has a JSON form")));
        }
    }

    /// A remark on stderr, such as where files were written; silent with `--quiet` and `--json`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet && !self.json {
            remark(text.as_ref());
        }
    }

    /// A byte counter for a download of `total` bytes, if known.
    pub fn download(&self, total: Option<u64>) -> ProgressBar {
        if self.quiet || self.json || !self.terminal {
            return ProgressBar::hidden();
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(style("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} ETA {eta}"));
        bar
    }

    /// A counter of `what`, of which there are as many as will be said.
    pub fn counter(&self, what: &'static str) -> ProgressBar {
        if self.quiet || self.json || !self.terminal {
            return ProgressBar::hidden();
        }
        ProgressBar::no_length().with_message(what).with_style(style("{bar:30} {pos}/{len} {msg}  ETA {eta}"))
    }

    /// The progress of a sweep of this many runs.
    pub fn sweep(&self, runs: usize) -> SweepProgress {
        let live = (self.terminal && !self.quiet && !self.json).then(|| {
            let screen = MultiProgress::new();
            let total =
                screen.add(ProgressBar::new(runs as u64).with_style(style("{bar:30} {msg}  {elapsed}")));
            SweepBars { screen, total, running: Mutex::default() }
        });
        SweepProgress { output: *self, live }
    }

    /// What a meta-test calls: in a terminal a bar, elsewhere a line where it takes long.
    pub fn meta_test(&self) -> (Look, MetaTestProgress) {
        let progress =
            MetaTestProgress { output: *self, bar: self.counter("episodes"), printed: Arc::default() };
        let own = progress.clone();
        (Look::at_places(move |place| place.into_iter().for_each(|place| own.at(place))), progress)
    }

    /// The progress of a run of `steps` steps of `batch` episodes that starts after step `first`.
    pub fn training(&self, first: u64, steps: u64, batch: usize) -> TrainingProgress {
        let bar = if self.terminal && !self.quiet && !self.json {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            bar.set_style(style("step {pos}/{len} {bar:20} {msg}  ETA {eta}"));
            bar.set_position(first);
            bar.reset_eta();
            Some(bar)
        } else {
            None
        };
        let now = Instant::now();
        TrainingProgress { output: *self, bar, first, steps, batch, started: now, printed: None }
    }
}

/// Shows where a meta-test is.
#[derive(Clone, Debug)]
pub struct MetaTestProgress {
    output: Output,
    bar: ProgressBar,
    /// When it last printed, or began.
    printed: Arc<Mutex<Option<Instant>>>,
}

impl MetaTestProgress {
    /// Time between two plain lines where there is no terminal.
    const LINE_EVERY: Duration = Duration::from_secs(10);

    fn at(&self, Place { set, done, of }: Place<'_>) {
        if done == 0 {
            self.bar.set_length(of as u64);
            self.bar.reset();
        }
        self.bar.set_message(format!("episodes, {set}"));
        self.bar.set_position(done as u64);
        let mut printed = self.printed.lock().expect("no thread panics with it");
        let last = *printed.get_or_insert_with(Instant::now);
        if !self.output.terminal && last.elapsed() >= Self::LINE_EVERY {
            self.output.note(format!("  {set}: {done} of {of} episodes"));
            *printed = Some(Instant::now());
        }
    }

    /// A remark.
    pub fn note(&self, text: String) {
        self.bar.suspend(|| self.output.note(text));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows how far the runs of a sweep are: in a terminal a line for each that is running, else remarks only.
#[derive(Debug)]
pub struct SweepProgress {
    output: Output,
    live: Option<SweepBars>,
}

#[derive(Debug)]
struct SweepBars {
    screen: MultiProgress,
    total: ProgressBar,
    running: Mutex<HashMap<String, ProgressBar>>,
}

impl SweepProgress {
    /// Whether there is something to keep up to date.
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// A remark.
    pub fn note(&self, text: impl AsRef<str>) {
        match &self.live {
            // A terminal that is gone is the user's wish.
            Some(bars) => drop(bars.screen.println(text)),
            None => self.output.note(text),
        }
    }

    /// Looks at the runs and shows what they do.
    pub fn update(&self, sweep: &Sweep) {
        let (Some(bars), Ok(status)) = (&self.live, sweep.status()) else { return };
        bars.total.set_position((status.count("finished") + status.count("failed")) as u64);
        bars.total.set_message(status.counts());
        let mut running = bars.running.lock().expect("no thread panics with it");
        running.retain(|id, bar| {
            let on =
                status.rows.iter().any(|row| row.id == *id && matches!(row.state, RunState::Running { .. }));
            if !on {
                bars.screen.remove(bar);
            }
            on
        });
        for row in &status.rows {
            let RunState::Running { step, steps } = row.state else { continue };
            let bar = running.entry(row.id.clone()).or_insert_with(|| {
                let bar =
                    ProgressBar::new(steps).with_style(style("  {prefix}  step {pos}/{len} {bar:16} {msg}"));
                bars.screen.add(bar.with_prefix(row.id.clone()))
            });
            bar.set_position(step);
            if let Some(latest) = row.latest {
                bar.set_message(format!(
                    "loss {:.3}  last accuracy {:.2}",
                    latest.loss, latest.accuracy_last
                ));
            }
        }
    }

    /// Takes the lines away.
    pub fn finish(&self) {
        if let Some(bars) = &self.live {
            // As with remarks.
            let _ = bars.screen.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is fixed").progress_chars("=> ")
}

/// Whether something that was printed did not arrive.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints to stdout.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) else { return };
    // A closed pipe (`gpicl ... | head`) is the reader's wish, not an error. Files are still to be written: the command goes on.
    if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
        remark(&format!("error: standard output: cannot write: {error}"));
    }
}

/// Whether something that was printed did not arrive, as on a full disk.
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints a line to stderr, which may be closed: nobody reads it then, and the work goes on.
pub fn remark(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Shows the events of meta-training.
#[derive(Debug)]
pub struct TrainingProgress {
    output: Output,
    bar: Option<ProgressBar>,
    first: u64,
    steps: u64,
    batch: usize,
    started: Instant,
    printed: Option<Instant>,
}

impl TrainingProgress {
    /// Time between two plain lines where there is no terminal.
    const LINE_EVERY: Duration = Duration::from_secs(5);

    /// Shows one event.
    pub fn on_event(&mut self, event: Event) {
        match event {
            Event::Step { step, loss, accuracy_first, accuracy_last } => {
                self.on_step(step, loss, accuracy_first, accuracy_last);
            }
            Event::Eval { step, set, summary } => {
                self.output.json(&json!({"event": "eval", "step": step, "set": set, "summary": summary}));
                self.line(format!(
                    "  meta-test after step {step}: {set}: accuracy {:.3} -> {:.3}",
                    summary.first.mean, summary.last_10.mean
                ));
            }
            Event::Checkpoint { step } => self.output.json(&json!({"event": "checkpoint", "step": step})),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn on_step(&mut self, step: u64, loss: f64, first: f64, last: f64) {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = ((step - self.first) as usize * self.batch) as f64 / seconds;
        let message = format!("loss {loss:.3}  accuracy {first:.2} -> {last:.2}  {rate:.0} episodes/s");
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.set_message(message);
            return;
        }
        let due = self.printed.is_none_or(|printed| printed.elapsed() >= Self::LINE_EVERY);
        if !due && step != self.steps {
            return;
        }
        self.printed = Some(Instant::now());
        let eta = seconds / (step - self.first) as f64 * (self.steps - step) as f64;
        self.output.json(&json!({
            "event": "step", "step": step, "steps": self.steps, "loss": loss, "accuracy_first": first,
            "accuracy_last": last, "episodes_per_second": rate, "eta_seconds": eta,
        }));
        self.line(format!("step {step}/{}  {message}  ETA {eta:.0} s", self.steps));
    }

    fn line(&self, text: String) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.output.note(text),
        }
    }
}
