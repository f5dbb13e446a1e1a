//! What tells data sets apart whatever they are called.

use sha2::{Digest as _, Sha256};

use super::Dataset;

impl Dataset {
    /// SHA-256 of its sizes, inputs and labels, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for size in [self.len(), self.dim(), self.num_classes()] {
            hash.update((size as u64).to_le_bytes());
        }
        self.inputs().iter().for_each(|x| hash.update(x.to_le_bytes()));
        self.labels().iter().for_each(|label| hash.update(label.to_le_bytes()));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
