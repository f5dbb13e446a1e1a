"""Writes what PyTorch's Muon makes of random matrices and gradients, as one safetensors file.

PyTorch iterates in bfloat16; here it is made to do so in fp32, so that the numbers can be compared closely.
`crates/gpicl-ops/tests/torch.rs` compares this project's operation with it:

    python bench/peers/torch_muon.py crates/gpicl-ops/tests/fixtures/muon.safetensors
"""

import sys
from unittest import mock

import torch
from safetensors.torch import save_file

STEPS = 3

torch.manual_seed(0)
tensors = {}
for name, shape in {"wide": (8, 20), "tall": (20, 8), "square": (12, 12)}.items():
    weight = torch.nn.Parameter(torch.randn(shape))
    tensors[f"{name}.start"] = weight.detach().clone()
    optimizer = torch.optim.Muon(
        [weight], lr=0.05, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    for step in range(STEPS):
        weight.grad = torch.randn(shape)
        tensors[f"{name}.grad{step}"] = weight.grad.clone()
        with mock.patch.object(torch, "bfloat16", torch.float32):
            optimizer.step()
        tensors[f"{name}.after{step}"] = weight.detach().clone()
save_file(tensors, sys.argv[1], metadata={"torch": torch.__version__})
