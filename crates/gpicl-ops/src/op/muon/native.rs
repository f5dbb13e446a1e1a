//! The native version; an update has no gradient.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

use crate::MuonStep;
use crate::cpu::muon;
use crate::op::native::{contiguous, values, values_mut, writable};

/// The Muon update as a backend's operation.
#[backend_extension(Flex)]
pub trait MuonOps: Backend {
    /// See [`crate::muon`].
    fn muon(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        m: FloatTensor<Self>,
        blocks: usize,
        step: MuonStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl MuonOps for Flex {
    fn muon(
        param: FlexTensor,
        grad: FlexTensor,
        m: FlexTensor,
        blocks: usize,
        step: MuonStep,
    ) -> (FlexTensor, FlexTensor) {
        let [rows, width]: [usize; 2] = param.shape().dims();
        let [mut param, mut m] = [param, m].map(|x| writable(contiguous(x)));
        let (grad, shape) = (contiguous(grad), [rows, width / blocks]);
        muon::muon(values_mut(&mut param), values(&grad), values_mut(&mut m), shape, blocks, step);
        (param, m)
    }
}
