//! Several sources as one: each episode is of one of them, drawn by their weights.

use std::sync::Arc;

use super::source::{Identity, Source};
use super::task::{Draw, TaskId};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A weighted mixture of sources. Which component an episode is of depends on its draw alone: not on the batch that it
/// is in, nor on who makes it. Its [`TaskId`] says which.
#[derive(Debug)]
pub struct Mixture {
    name: String,
    components: Vec<Arc<dyn Source>>,
    /// Sum of the weights up to and with each component's.
    cumulative: Vec<f64>,
}

impl Mixture {
    /// Components and their weights, of which only the ratios matter.
    ///
    /// # Errors
    /// [`Error::Argument`] without components, for a weight that is not positive and finite, or for components that
    /// differ in the length of inputs, the number of label slots or the length of episodes.
    pub fn new(components: Vec<(f64, Arc<dyn Source>)>) -> Result<Self> {
        let fail = |problem: String| Err(Error::argument("Mixture::new", problem));
        let Some((_, first)) = components.first() else { return fail("a mixture has a component".into()) };
        let sizes = |source: &dyn Source| (source.input_dim(), source.classes(), source.episode_length());
        for (weight, source) in &components {
            if !(*weight > 0.0 && weight.is_finite()) {
                return fail(format!("`{}` has the weight {weight}, not a positive number", source.name()));
            }
            if sizes(&**source) != sizes(&**first) {
                let problem = format!(
                    "`{}` has (input_dim, classes, episode_length) {:?}, `{}` {:?}",
                    source.name(),
                    sizes(&**source),
                    first.name(),
                    sizes(&**first)
                );
                return fail(problem);
            }
        }
        let sum = |total: &mut f64, (weight, _): &(f64, Arc<dyn Source>)| {
            *total += weight;
            Some(*total)
        };
        let cumulative: Vec<f64> = components.iter().scan(0.0, sum).collect();
        if cumulative.last().is_none_or(|total| !total.is_finite()) {
            return fail("the weights have no finite sum".into());
        }
        let components: Vec<_> = components.into_iter().map(|(_, source)| source).collect();
        let name = components.iter().map(|source| source.name()).collect::<Vec<_>>().join(" + ");
        Ok(Self { name, components, cumulative })
    }

    /// The component that an episode is of.
    fn choose(&self, draw: Draw) -> usize {
        let bits = draw.rng(Stream::SourceChoice).bits64();
        // A fraction of 53 bits, which a double holds.
        let fraction = (bits >> 11) as f64 / (1_u64 << 53) as f64;
        let last = self.cumulative.len() - 1;
        let point = fraction * self.cumulative[last];
        // The product may round up to the sum.
        self.cumulative.iter().position(|&sum| point < sum).unwrap_or(last)
    }

    fn source(&self, task: TaskId) -> &dyn Source {
        &*self.components[task.component() as usize]
    }
}

impl Source for Mixture {
    fn name(&self) -> &str {
        &self.name
    }

    fn input_dim(&self) -> usize {
        self.components[0].input_dim()
    }

    fn classes(&self) -> usize {
        self.components[0].classes()
    }

    /// The most of any component.
    fn task_classes(&self) -> usize {
        self.components.iter().map(|source| source.task_classes()).max().unwrap_or_default()
    }

    fn episode_length(&self) -> usize {
        self.components[0].episode_length()
    }

    /// The least of any component, which every episode can have.
    fn longest(&self) -> usize {
        self.components.iter().map(|source| source.longest()).min().unwrap_or_default()
    }

    fn replacement(&self) -> bool {
        self.components.iter().any(|source| source.replacement())
    }

    fn identity(&self) -> Identity {
        let parts =
            self.components.iter().zip(&self.cumulative).map(|(source, sum)| (sum, source.identity()));
        let (examples, tasks): (Vec<_>, Vec<_>) =
            parts.map(|(sum, it)| (format!("{sum} {}", it.examples), it.tasks)).unzip();
        Identity { examples: examples.join(" + "), tasks: tasks.join(" + ") }
    }

    fn seen_task(&self, draw: Draw) -> TaskId {
        let chosen = self.choose(draw);
        self.components[chosen].seen_task(draw).of(chosen as u32)
    }

    fn unseen_task(&self, draw: Draw) -> TaskId {
        let chosen = self.choose(draw);
        self.components[chosen].unseen_task(draw).of(chosen as u32)
    }

    fn has_bias(&self) -> bool {
        self.components.iter().any(|source| source.has_bias())
    }

    /// Each component biases its own episodes of the batch.
    fn biased(&self, step: u64, tasks: &[TaskId]) -> Vec<bool> {
        let mut biased = vec![false; tasks.len()];
        for (number, source) in self.components.iter().enumerate() {
            let own = |i: &usize| tasks[*i].component() as usize == number;
            let places: Vec<usize> = (0..tasks.len()).filter(own).collect();
            let tasks: Vec<TaskId> = places.iter().map(|&i| tasks[i]).collect();
            for (i, is_biased) in places.into_iter().zip(source.biased(step, &tasks)) {
                biased[i] = is_biased;
            }
        }
        biased
    }

    fn fill(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        self.source(task).fill(task, draw, inputs, labels);
    }

    fn fill_biased(&self, task: TaskId, draw: Draw, inputs: &mut [f32], labels: &mut [u32]) {
        self.source(task).fill_biased(task, draw, inputs, labels);
    }
}
