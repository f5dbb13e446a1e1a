//! Where to compute.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The pure-Rust CPU backend with this project's fused operations.
    #[default]
    Cpu,
    /// The first CUDA device; needs a build with `--features cuda`.
    Cuda,
    /// The default WGPU device; needs a build with `--features wgpu`.
    Wgpu,
}

impl DeviceKind {
    /// The Burn device.
    ///
    /// # Errors
    /// [`Error::Config`] if this build has no support for the device, or the machine has no such device.
    pub fn device(self) -> Result<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Self::Cuda => self.found(burn::tensor::DeviceType::Cuda, Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => self.found(burn::tensor::DeviceType::Wgpu, Device::wgpu(Default::default())),
            #[allow(unreachable_patterns, reason = "reachable in builds that leave a backend out")]
            other => Err(Error::config(
                "device",
                format!("this build has no `{}` device", other.name()),
                "choose device=cpu, or build with `cargo build --release --package gpicl-cli --features cuda` (or wgpu, flex)",
            )),
        }
    }

    /// Its name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }

    /// Refuses runs that can none of them begin here; where some can, the others come to the error each for itself.
    ///
    /// # Errors
    /// [`Error::Config`] if all `runs` ask for a device that is not there.
    pub fn check_any(runs: impl IntoIterator<Item = Self>) -> Result<()> {
        let mut missing: Vec<(Self, Error)> = Vec::new();
        for kind in runs {
            if missing.iter().any(|(other, _)| *other == kind) {
                continue;
            }
            match kind.device() {
                Ok(_) => return Ok(()),
                Err(error) => missing.push((kind, error)),
            }
        }
        missing.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// `device` if the machine has one of its kind: a backend panics once it computes on one that is missing.
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    fn found(self, kind: burn::tensor::DeviceType, device: Device) -> Result<Device> {
        if Device::enumerate(kind).is_empty() {
            let problem = format!("no `{}` device was found", self.name());
            return Err(Error::config("device", problem, "install its driver, or choose device=cpu"));
        }
        Ok(device)
    }
}

impl std::str::FromStr for DeviceKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = [Self::Cpu, Self::Cuda, Self::Wgpu].into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::config("device", format!("is `{name}`"), "choose cpu, cuda or wgpu"))
    }
}

/// Checks the environment variables that choose kernels, which take what is best where they cannot be followed.
///
/// # Errors
/// [`Error::Argument`] naming the variable.
pub fn check_environment() -> Result<()> {
    gpicl_ops::cpu::dispatch::check_limit().map_err(|problem| Error::argument("GPICL_CPU", problem))?;
    match std::env::var("GPICL_OPS").as_deref() {
        Err(_) | Ok("native" | "reference") => Ok(()),
        Ok(ops) => Err(Error::argument("GPICL_OPS", format!("is `{ops}`; there are native and reference"))),
    }
}
