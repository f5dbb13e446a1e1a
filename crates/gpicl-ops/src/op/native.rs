//! Between Burn's CPU tensors (Flex) and slices.

use std::mem::MaybeUninit;
use std::sync::OnceLock;

use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{DispatchDevice, TensorMetadata};
use burn::tensor::{DType, Device, Shape, Tensor};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use crate::cpu::buffer::Buffer;

/// Whether the native versions take this tensor. None does where the environment says `GPICL_OPS=reference`, so that a
/// whole run can be compared with Burn's plain operations, in its numbers and in its time.
pub fn takes<const D: usize>(x: &Tensor<D>) -> bool {
    static REFERENCE: OnceLock<bool> = OnceLock::new();
    let reference =
        REFERENCE.get_or_init(|| std::env::var_os("GPICL_OPS").is_some_and(|ops| ops == "reference"));
    !reference && x.dtype() == DType::F32 && is_flex(x.device())
}

/// Whether this is the CPU backend, with or without autodiff.
pub fn is_flex(device: Device) -> bool {
    matches!(device.without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

/// The tensor's values in row-major order; copies a view that is not.
pub fn contiguous(x: FlexTensor) -> FlexTensor {
    if x.layout().is_contiguous() { x } else { x.to_contiguous() }
}

/// The values of a contiguous tensor.
pub fn values(x: &FlexTensor) -> &[f32] {
    x.as_slice().expect("a contiguous f32 tensor")
}

/// A contiguous tensor without other owners: `x` itself, or a copy.
pub fn writable(x: FlexTensor) -> FlexTensor {
    let whole = x.bytes().len() == x.layout().num_elements() * size_of::<f32>();
    if x.is_unique() && whole {
        return x;
    }
    let mut copy = Buffer::stale(x.layout().num_elements());
    copy.copy_from_slice(values(&x));
    tensor(copy, x.layout().shape().clone())
}

/// The values of a [`writable`] tensor.
pub fn values_mut(x: &mut FlexTensor) -> &mut [f32] {
    x.try_storage_mut().expect("a tensor without other owners")
}

/// A tensor that holds the buffer, whose memory returns to the pool with the tensor's last owner.
pub fn tensor(buffer: Buffer, shape: Shape) -> FlexTensor {
    assert_eq!(buffer.len(), shape.num_elements());
    let len = buffer.len() * size_of::<f32>();
    // SAFETY: the controller's memory is `len` bytes of initialised f32 values.
    let bytes = unsafe { Bytes::from_controller(Box::new(Pooled(buffer)), len) };
    FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32)
}

/// A tensor whose values `fill` writes, all of them.
pub fn filled(shape: Shape, fill: impl FnOnce(&mut [f32])) -> FlexTensor {
    let mut buffer = Buffer::stale(shape.num_elements());
    fill(&mut buffer);
    tensor(buffer, shape)
}

/// The last token of every sequence, `[batch, tokens, width]` to `[batch, width]`, in memory of their own.
pub fn last_token(x: &FlexTensor) -> FlexTensor {
    let [batch, tokens, width]: [usize; 3] = x.shape().dims();
    filled([batch, width].into(), |last| {
        let sequences = values(x).chunks_exact(tokens * width).zip(last.chunks_exact_mut(width));
        sequences.for_each(|(x, last)| last.copy_from_slice(&x[(tokens - 1) * width..]));
    })
}

/// Classes of any integer type as indices; `what` begins the message of the panic if one is not below `classes`.
#[track_caller]
pub fn indices(what: &str, labels: FlexTensor, classes: usize) -> Vec<usize> {
    let labels = labels.to_contiguous();
    let labels: Vec<i64> = match labels.dtype() {
        DType::I64 => labels.storage::<i64>().to_vec(),
        DType::I32 => labels.storage::<i32>().iter().map(|&label| label.into()).collect(),
        _ => labels.into_data().iter::<i64>().collect(),
    };
    let index = |label: i64| {
        let index = usize::try_from(label).ok().filter(|&index| index < classes);
        index.unwrap_or_else(|| panic!("{what} below {classes} classes, found {label}"))
    };
    labels.into_iter().map(index).collect()
}

/// [`Buffer`] as the memory of a tensor.
struct Pooled(Buffer);

impl AllocationController for Pooled {
    fn alloc_align(&self) -> usize {
        // What Burn asks for at most; the memory is aligned to more.
        align_of::<u128>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _policy: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.0);
        // SAFETY: u8 and MaybeUninit<u8> have one layout, and the caller writes initialised bytes only.
        Ok(unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.0);
        // SAFETY: u8 and MaybeUninit<u8> have one layout; the view is read-only.
        Ok(unsafe { &*(std::ptr::from_ref(bytes) as *const [MaybeUninit<u8>]) })
    }
}
