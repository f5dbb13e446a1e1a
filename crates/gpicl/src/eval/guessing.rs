//! What guessing gives, without learning from the inputs.

/// Guessing on a set: among all label slots at first, and among the classes of the task once the episode has shown which
/// slots occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessing {
    slots: usize,
    classes: usize,
}

impl Guessing {
    /// Of tasks of `classes` classes, for a model of `slots` label slots.
    pub fn new(slots: usize, classes: usize) -> Self {
        Self { slots, classes: classes.min(slots) }
    }

    /// Of tasks that have a class for each of `slots` label slots.
    pub fn among(slots: usize) -> Self {
        Self::new(slots, slots)
    }

    /// Classes of a task.
    pub fn classes(self) -> usize {
        self.classes
    }

    /// Accuracy of guessing among the classes of the task.
    pub fn chance(self) -> f64 {
        1.0 / self.classes as f64
    }

    /// The part of a `rise` from the accuracy `first` that noticing which slots occur explains: what of it is below
    /// [`Guessing::chance`], and nothing where every slot has a class.
    pub(super) fn noticing(self, first: f64, rise: f64) -> f64 {
        let most = self.chance() - 1.0 / self.slots as f64;
        (self.chance() - first).min(most).min(rise).max(0.0)
    }
}
