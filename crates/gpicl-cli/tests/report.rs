//! `gpicl report`: what is on the pages, and what a real browser makes of them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{ok, refused};

/// Small enough to meta-train within a second.
const SMALL: &str = r#"
[data]
name = "random"
size = 8
classes = 3
per_class = 20

[tasks]
episode_length = 8

[model]
d_model = 16
layers = 1
heads = 2
d_ff = 32
layout = "paired"

[train]
steps = 6
batch = 4
warmup = 1
log_every = 2
checkpoint_every = 2

[eval]
every = 3
episodes = 4
final_episodes = 8
"#;

/// A name that would run, were it not escaped.
const HOSTILE: &str = "run <script>document.title='broken'<script> & 'co'";

/// A finished run of a hostile name, one that is cut, a comparison, a sweep and a reproduced figure around it.
fn folders() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("small.toml"), SMALL).unwrap();
    ok(at, &["train", "--config", "small.toml", "--run", HOSTILE]);
    ok(at, &["eval", HOSTILE, "--episodes", "4", "--baselines", "knn"]);
    ok(at, &["train", "--config", "small.toml", "--run", "cut"]);
    fs::remove_file(at.join("cut/results.json")).unwrap();

    let table = |name: &str| SMALL.replace('[', &format!("[{name}."));
    let methods =
        "[[methods]]\nname = 'small'\n[[methods]]\nname = 'wide'\nset = { model = { d_model = 32 } }\n";
    let spec = format!("seeds = [0]\nepisodes = 8\ntest_sets = ['random']\n{}{methods}", table("base"));
    fs::write(at.join("compare.toml"), spec).unwrap();
    ok(at, &["compare", "--config", "compare.toml", "--out", "comparison"]);

    let spec = format!("seeds = [0, 1]\n{}[grid]\nmodel.d_ff = [32, 4, 16]\n", table("base"));
    fs::write(at.join("sweep.toml"), spec).unwrap();
    ok(at, &["sweep", "sweep.toml", "--out", "figure/sweep", "--jobs", "1", "--population", "6"]);
    let failed = at.join("figure/sweep/failures/d_ff=4,seed=1.txt");
    fs::write(failed, "no such <luck>\n").unwrap();
    fs::remove_file(at.join("figure/sweep/runs/d_ff=4,seed=1/results.json")).unwrap();
    fs::copy(at.join("comparison/learning_curves.svg"), at.join("figure/toy.svg")).unwrap();
    fs::copy(at.join("comparison/table.csv"), at.join("figure/toy.csv")).unwrap();
    fs::write(at.join("figure/verdict.txt"), "agrees with the paper: 3 < 4\n").unwrap();
    dir
}

/// Makes the pages; the names of the folders.
fn pages(at: &Path) -> [&'static str; 5] {
    let names = [HOSTILE, "cut", "comparison", "figure", "figure/sweep"];
    for name in names {
        let shown = ok(at, &["report", name]);
        assert!(shown.starts_with("wrote ") && at.join(name).join("report.html").exists(), "{shown}");
    }
    names
}

#[test]
fn pages_say_what_is_in_the_folders() {
    let dir = folders();
    let at = dir.path();
    pages(at);
    let page = |name: &str| fs::read_to_string(at.join(name).join("report.html")).unwrap();

    let run = page(HOSTILE);
    for part in [
        "&lt;script&gt;document.title",
        "Learning within an episode",
        "aria-label=\"Meta-training loss\"",
        "Meta-test by gpicl eval",
        "unseen tasks, random test, knn",
        "Data: random, Gaussian prototypes with noise of seed 0: ",
        "train.batch",
        "weights and batches 0, tasks 0",
        "finished",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(run.contains(part), "{part}");
    }
    assert_eq!(run.matches("<script>").count(), 1, "its own");
    ok(at, &["report", HOSTILE, "--out", "again.html"]);
    assert_eq!(fs::read_to_string(at.join("again.html")).unwrap(), run, "the same bytes");

    let cut = page("cut");
    assert!(cut.contains("stopped after step 6 of 6") && cut.contains("no final meta-test yet"));
    assert!(cut.contains("aria-label=\"Accuracy during meta-training\""));
    let comparison = page("comparison");
    assert!(comparison.contains("<th scope=\"row\">wide</th>") && comparison.contains("class=\"stamp\""));
    let figure = page("figure");
    assert!(figure.contains("agrees with the paper: 3 &lt; 4") && figure.contains("5 finished, 1 failed"));
    let sweep = page("figure/sweep");
    for part in
        ["model.d_ff", "Specification", "no such &lt;luck&gt;", "<th scope=\"row\"", "class=\"stamp\""]
    {
        assert!(sweep.contains(part), "{part}");
    }
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    fs::write(at.join("small.toml"), SMALL).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    assert!(refused(at, &["report", "absent"]).contains("absent: is no folder"));
    assert!(refused(at, &["report", "empty"]).contains("holds nothing to report"));
    assert!(!at.join("empty/report.html").exists());
    ok(at, &["train", "--config", "small.toml", "--run", "run"]);
    assert!(refused(at, &["report", "run", "--out", "empty"]).contains("is a folder"));
    assert!(refused(at, &["report", "run", "--out", "no/page.html"]).contains("does not exist"));
    fs::write(at.join("run/results.json"), "{}").unwrap();
    assert!(refused(at, &["report", "run"]).contains("results.json: holds no results"));
    // A run that was only begun is no error.
    fs::create_dir(at.join("begun")).unwrap();
    fs::copy(at.join("run/config.toml"), at.join("begun/config.toml")).unwrap();
    ok(at, &["report", "begun"]);
    let page = fs::read_to_string(at.join("begun/report.html")).unwrap();
    assert!(page.contains("waiting") && page.contains("No training step is logged yet"));
}

/// The browser: `GPICL_BROWSER`, or one that is installed.
fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("GPICL_BROWSER").map(PathBuf::from);
    let installed = ["chromium", "chromium-browser", "google-chrome", "chrome"].map(PathBuf::from);
    named.into_iter().chain(installed).find(|program| {
        Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
    })
}

/// Opens `page` in the browser. Returns the document as it is then, and what the console says.
fn open(browser: &Path, at: &Path, page: &Path, more: &[String]) -> (String, Vec<String>) {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0"])
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", at.join("profile").display()))
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let console = stderr.lines().filter(|line| line.contains(":CONSOLE")).map(String::from).collect();
    (String::from_utf8_lossy(&output.stdout).into_owned(), console)
}

/// Clicks twice on every head of the first table and notes the order of the rows after each click, and
/// what was loaded beside the page itself.
const VISITOR: &str = r#"<script>
const order = (table, column) => [...table.tBodies[0].rows].map(row => row.cells[column].textContent.trim()).join("|");
const tables = [...document.querySelectorAll("table")];
const note = (name, value) => document.body.setAttribute(name, value);
if (tables.length) {
  const table = tables[0], last = table.rows[0].cells.length - 1;
  for (let column = 0; column <= last; column++) {
    const button = table.tHead.rows[0].cells[column].querySelector("button");
    button.click();
    note(`data-up-${column}`, order(table, column));
    button.click();
    note(`data-down-${column}`, order(table, column));
  }
}
note("data-tables", tables.length);
note("data-loads", performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:")).join(" "));
note("data-wide", document.documentElement.scrollWidth > document.documentElement.clientWidth);
</script></body>"#;

fn attribute<'a>(dom: &'a str, name: &str) -> &'a str {
    let start = format!(" {name}=\"");
    let rest = dom.split_once(&start).unwrap_or_else(|| panic!("no {name}")).1;
    rest.split('"').next().unwrap_or_default()
}

#[test]
fn a_browser_shows_and_sorts_the_pages_and_loads_nothing() {
    let Some(browser) = browser() else {
        common::skipped("no Chromium; see .ci/optional, or set GPICL_BROWSER");
        return;
    };
    let dir = folders();
    let at = dir.path();
    for (number, name) in pages(at).into_iter().enumerate() {
        let html = fs::read_to_string(at.join(name).join("report.html")).unwrap();
        // The page as it is: nothing to complain about, its script ran under its own policy.
        let page = at.join(format!("page{number}.html"));
        fs::write(&page, &html).unwrap();
        let shot = at.join(format!("page{number}.png"));
        let picture = [format!("--screenshot={}", shot.display()), "--window-size=1280,2000".into()];
        let (dom, console) = open(&browser, at, &page, &picture);
        assert_eq!(console, Vec::<String>::new(), "{name}");
        let tables = dom.matches("<table").count();
        assert!(tables > 0 && dom.contains("<svg"), "{name}");
        assert_eq!(dom.matches("data-sorting=\"ready\"").count(), tables, "{name}: the script ran");
        for load in ["src=\"http", "href=\"http", "url(http"] {
            assert!(!dom.contains(load), "{name}: {load}");
        }
        assert!(shot.metadata().is_ok_and(|file| file.len() > 10_000), "{name}: a picture of it");

        // And with a visitor, whom the policy would not let in, on the screen of a telephone.
        assert!(html.contains("http-equiv=\"Content-Security-Policy\""));
        let open_to = html.replace("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"");
        fs::write(&page, open_to.replace("</body>", VISITOR)).unwrap();
        let (dom, console) = open(&browser, at, &page, &["--window-size=500,900".into()]);
        assert_eq!(console, Vec::<String>::new(), "{name}");
        assert_eq!(attribute(&dom, "data-loads"), "", "{name}");
        assert_eq!(attribute(&dom, "data-wide"), "false", "{name}: the page itself does not scroll sideways");
        if name == "figure/sweep" {
            // run, model.d_ff, seed, ..
            assert_eq!(attribute(&dom, "data-up-1"), "4|4|16|16|32|32");
            assert_eq!(attribute(&dom, "data-down-1"), "32|32|16|16|4|4");
            assert_eq!(attribute(&dom, "data-up-2"), "0|0|0|1|1|1");
        }
    }
    // The policy holds: a script that is not the page's own is not run.
    let page = at.join("page0.html");
    let html = fs::read_to_string(at.join("cut/report.html")).unwrap();
    fs::write(&page, html.replace("</body>", VISITOR)).unwrap();
    let (dom, console) = open(&browser, at, &page, &[]);
    assert!(
        !dom.contains(" data-loads=\"")
            && console.iter().any(|line| line.contains("Content Security Policy"))
    );
}
