//! Temporary: a state that is the context itself, read anew for every query. It goes with the last model that has it.

use burn::tensor::{Int, Tensor};

use super::{SequenceModel, State};

/// A context as it was given.
#[derive(Clone, Debug)]
pub struct Unread {
    inputs: Tensor<3>,
    labels: Tensor<2, Int>,
}

impl State for Unread {
    fn size(&self) -> usize {
        let [_, examples, input_dim] = self.inputs.dims();
        examples * (input_dim + 1)
    }
}

impl Unread {
    pub fn new(inputs: Tensor<3>, labels: Tensor<2, Int>) -> Self {
        Self { inputs, labels }
    }

    pub fn answer<M: SequenceModel>(&self, model: &M, queries: Tensor<3>) -> Tensor<3> {
        let [batch, examples, _] = self.inputs.dims();
        let [_, count, _] = queries.dims();
        let logits = (0..count).map(|at| {
            let query = queries.clone().narrow(1, at, 1);
            let none = Tensor::zeros([batch, 1], &self.labels.device());
            let (inputs, labels) = match examples {
                0 => (query, none),
                _ => (
                    Tensor::cat(vec![self.inputs.clone(), query], 1),
                    Tensor::cat(vec![self.labels.clone(), none], 1),
                ),
            };
            model.forward(inputs, labels).narrow(1, examples, 1)
        });
        Tensor::cat(logits.collect(), 1)
    }
}
