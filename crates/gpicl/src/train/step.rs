//! One meta-training step: loss, gradients, update.

use burn::tensor::{Device, Tensor};

use super::{Optimizer, TrainConfig};
use crate::models::{Model, SequenceModel};
use crate::tasks::{Batch, to_device};

/// The numbers of one step.
#[derive(Clone, Debug)]
pub struct StepOutcome {
    /// Mean over episodes and positions of the cross-entropy, in nats: `J / N` of the paper's equation.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Logits `[batch, predicted, classes]` of the forward pass, for the accuracies.
    pub logits: Tensor<3>,
}

/// Forward, backward and update on one batch. If the loss or the gradient is not finite, the model comes back
/// unchanged and the caller sees it in the outcome.
pub fn meta_train_step(
    model: Model,
    optimizer: &mut Optimizer,
    batch: &Batch,
    config: &TrainConfig,
    lr: f64,
    device: &Device,
) -> (Model, StepOutcome) {
    // On a thread of the pool: the kernels' work need not be handed over to it several hundred times a step.
    rayon::scope(|_| step(model, optimizer, batch, config, lr, device))
}

fn step(
    model: Model,
    optimizer: &mut Optimizer,
    batch: &Batch,
    config: &TrainConfig,
    lr: f64,
    device: &Device,
) -> (Model, StepOutcome) {
    let (inputs, labels) = to_device(batch, device);
    let (context, predicted) = (batch.context, batch.episode_length() - batch.context);
    let logits = match context {
        0 => model.forward(inputs, labels.clone()),
        _ => model.forward_after(context, inputs, labels.clone()),
    };
    let loss = gpicl_ops::cross_entropy(logits.clone(), labels.narrow(1, context, predicted)).mean();
    let grads = loss.backward();
    let loss = f64::from(loss.into_scalar::<f32>());
    let logits = logits.inner();
    if !loss.is_finite() {
        return (model, StepOutcome { loss, grad_norm: f64::NAN, logits });
    }
    let (model, grad_norm) = optimizer.step(model, grads, config, lr);
    (model, StepOutcome { loss, grad_norm, logits })
}
