//! A Slurm cluster of this one machine, for a test: the real daemons, with all their files in a temporary folder.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How to get the programs on Debian and its relatives.
pub const INSTALL: &str = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge";
/// What Slurm takes to start, or a task to get on, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of one node, which is said to have four cores, 4000 MB and a GPU, and of two partitions: tasks in `spare`,
/// the default, make room for those in `urgent`. It ends when this is dropped.
pub struct Cluster {
    dir: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// Starts it with `settings` beside its own in `slurm.conf`, or says why it cannot be.
    pub fn start(settings: &str) -> Result<Self, String> {
        let programs = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo"];
        if let Some(program) = programs.into_iter().find(|program| find(program).is_none()) {
            return Err(format!("{program} is not here; {INSTALL}"));
        }
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut cluster = Self { dir, daemons: Vec::new() };
        let controller = free_port();
        cluster
            .configure(controller, settings)
            .map_err(|error| format!("cannot configure Slurm: {error}"))?;

        let files =
            [("socket", "munge"), ("key-file", "key"), ("pid-file", "munge.pid"), ("seed-file", "seed")];
        let mut munge: Vec<String> = ["--foreground".into(), "--force".into()].into();
        munge.extend(files.map(|(option, file)| format!("--{option}={}", cluster.path(file).display())));
        munge.push(format!("--log-file={}", cluster.path("munge.log").display()));
        cluster.daemon("munged", &munge)?;
        cluster.until("munged", |cluster| cluster.path("munge").exists())?;
        // A daemon that finds the one before it not ready waits for long.
        cluster.daemon("slurmctld", &["-D".into(), "-c".into()])?;
        cluster.until("slurmctld", |_| TcpStream::connect(("127.0.0.1", controller)).is_ok())?;
        cluster.daemon("slurmd", &["-D".into()])?;
        cluster.until("slurmd", |cluster| cluster.says("sinfo", &["--noheader", "--format=%T"]) == "idle")?;
        Ok(cluster)
    }

    /// A command that finds the cluster.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.path("slurm.conf"));
        command
    }

    /// What one of Slurm's commands prints; nothing if it fails.
    pub fn says(&self, program: &str, args: &[&str]) -> String {
        let output = self.command(program).args(args).output();
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().into())
    }

    /// The tasks in the queue, sorted: `JOB_INDEX STATE`.
    pub fn queue(&self) -> Vec<String> {
        let text = self.says("squeue", &["--noheader", "--array", "--format=%F_%K %T"]);
        let mut tasks: Vec<String> = text.lines().map(str::to_string).collect();
        tasks.sort();
        tasks
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, controller: u16, settings: &str) -> std::io::Result<()> {
        let at = |name: &str| self.path(name).display().to_string();
        let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
        let host = host.trim().split('.').next().unwrap_or_default().to_string();
        let user =
            String::from_utf8_lossy(&Command::new("id").arg("-un").output()?.stdout).trim().to_string();
        for folder in ["state", "spool"] {
            fs::create_dir(self.path(folder))?;
        }
        // No secret: it lasts as long as the test.
        fs::write(self.path("key"), "0123456789abcdef".repeat(4))?;
        fs::set_permissions(self.path("key"), fs::Permissions::from_mode(0o600))?;
        let conf = format!(
            "ClusterName=gpicl\n\
             SlurmctldHost={host}(127.0.0.1)\n\
             SlurmctldPort={controller}\n\
             SlurmdPort={worker}\n\
             SlurmUser={user}\n\
             SlurmdUser={user}\n\
             AuthInfo=socket={socket},cred_expire=5\n\
             StateSaveLocation={state}\n\
             SlurmdSpoolDir={spool}\n\
             SlurmctldPidFile={controller_pid}\n\
             SlurmdPidFile={worker_pid}\n\
             SlurmctldLogFile={controller_log}\n\
             SlurmdLogFile={worker_log}\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             MpiDefault=none\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core_Memory\n\
             DefMemPerCPU=100\n\
             SchedulerType=sched/builtin\n\
             SchedulerParameters=sched_interval=1,sched_min_interval=0\n\
             PreemptType=preempt/partition_prio\n\
             PreemptMode=REQUEUE\n\
             ReturnToService=2\n\
             SlurmdParameters=config_overrides\n\
             GresTypes=gpu\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 Gres=gpu:1\n\
             PartitionName=spare Nodes=ALL PriorityTier=1 Default=YES\n\
             PartitionName=urgent Nodes=ALL PriorityTier=2\n\
             {settings}\n",
            worker = free_port(),
            socket = at("munge"),
            state = at("state"),
            spool = at("spool"),
            controller_pid = at("slurmctld.pid"),
            worker_pid = at("slurmd.pid"),
            controller_log = at("slurmctld.log"),
            worker_log = at("slurmd.log"),
        );
        fs::write(self.path("slurm.conf"), conf)?;
        fs::write(self.path("gres.conf"), "Name=gpu File=/dev/null\n")?;
        // Control groups are not needed, and often not there in a container. Before 23.02, Slurm had no way to say so;
        // with this plugin it does not look for them.
        let version = Command::new(find("slurmd").unwrap_or_default()).arg("-V").output()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let major = version.split(|c: char| !c.is_ascii_digit()).find_map(|part| part.parse::<u32>().ok());
        let plugin = if major.is_some_and(|major| major < 23) { "cgroup/v1" } else { "disabled" };
        fs::write(self.path("cgroup.conf"), format!("CgroupPlugin={plugin}\n"))
    }

    fn daemon(&mut self, program: &str, args: &[String]) -> Result<(), String> {
        let path = find(program).ok_or_else(|| format!("{program} is not here"))?;
        let mut command = self.command(path);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?);
        Ok(())
    }

    /// Waits for the daemon that was started last.
    fn until(&mut self, daemon: &str, ready: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !ready(self) {
            let child = self.daemons.last_mut().expect("it was started");
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                let log = ["slurmd.log", "slurmctld.log", "munge.log"].map(|name| self.path(name));
                let log = log.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default();
                let last = log.lines().rev().take(5).collect::<Vec<_>>().join("\n");
                return Err(format!("{daemon} does not come up; its log, newest first:\n{last}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Tasks outlive their slurmd.
        if self.daemons.len() == 3 {
            self.says("scancel", &["--full", "--signal=KILL", "--state=RUNNING", "--me"]);
            self.says("scancel", &["--me"]);
            let deadline = Instant::now() + Duration::from_secs(10);
            while !self.queue().is_empty() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        for daemon in self.daemons.iter_mut().rev() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let deadline = Instant::now() + Duration::from_secs(5);
            while matches!(daemon.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A program on the path, or where Debian has daemons, which is on root's path only.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_path_buf()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
