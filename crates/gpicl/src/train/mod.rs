//! Meta-training: steps, schedules, checkpoints, metrics.

mod checkpoint;
mod config;
mod metrics;
mod optimizer;
mod schedule;
mod step;
mod trainer;

pub(crate) use checkpoint::load_weights_where;
pub use checkpoint::{CheckpointInfo, Checkpoints, Progress, load_weights, read_info, save_weights};
pub use config::{EvalConfig, TrainConfig};
pub use metrics::{Metric, MetricsWriter, RunLog, last_training_line, read_metrics};
pub use optimizer::{Optimizer, ParamPath};
pub use schedule::Schedule;
pub use step::{StepOutcome, meta_train_step, to_device};
pub use trainer::{Ended, Event, Trainer, seconds_spent};
