//! A sweep through a real Slurm, which each test starts for itself.
#![cfg(unix)]

mod cluster;

use cluster::Cluster;

#[test]
fn starts() {
    let t = std::time::Instant::now();
    let cluster = Cluster::start().unwrap();
    eprintln!("{:?} {}", t.elapsed(), cluster.says("sbatch", &["--wrap", "hostname", "-o", "/tmp/x.out"]));
    std::thread::sleep(std::time::Duration::from_secs(1));
    eprintln!("{:?}", cluster.queue());
    let t = std::time::Instant::now();
    drop(cluster);
    eprintln!("{:?}", t.elapsed());
}
