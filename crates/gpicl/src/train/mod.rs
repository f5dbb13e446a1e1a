//! Meta-training: configuration, steps, schedules, checkpoints, the run's folder and its measurements.

mod adamw;
mod averaging;
mod built_in;
mod checkpoint;
mod config;
mod events;
mod inspect;
mod layers;
mod logits;
mod metrics;
mod muon;
mod optimizer;
mod presets;
mod resume;
mod run;
mod run_config;
mod schedule;
mod split;
mod start;
mod step;
mod trainer;
mod weights;

pub use averaging::Average;
pub use built_in::built_in;
pub use checkpoint::{
    CheckpointInfo, Checkpoints, Learned, Progress, load_to_test, load_weights, read_info, save_weights,
};
pub use config::{OptimizerKind, TrainConfig};
pub use inspect::{Inspection, inspect};
pub use layers::{Layers, parse_toml};
pub use logits::logits;
pub use metrics::{MetricsWriter, RunLog, last_training_line, read_metrics};
pub use optimizer::Optimizer;
pub use presets::{PRESETS, Preset};
pub use resume::ResumeOptions;
pub use run::{RunDir, RunLock, checkpoint_at, checkpoint_path};
pub use run_config::{Change, RunConfig};
pub use schedule::Schedule;
pub use step::{StepOutcome, meta_train_step};
pub use trainer::{Ended, Event, Trainer, seconds_spent};
pub use weights::ParamPath;
