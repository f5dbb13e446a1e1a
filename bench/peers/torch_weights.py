"""Writes what PyTorch's LSTM, GRU and attention make of random weights, and their gradients, as one safetensors file.

`crates/gpicl-ops/tests/torch.rs` compares this project's operations with it:

    python bench/peers/torch_weights.py crates/gpicl-ops/tests/fixtures/torch.safetensors
"""

import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

BATCH, TIME, INPUT, HIDDEN, LAYERS, HEADS = 2, 5, 4, 6, 2, 2


class Attention(nn.Module):
    """A multi-head block: projections to queries, keys and values, causal attention, projection of the heads."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(HIDDEN, 3 * HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x):
        qkv = self.qkv(x).view(BATCH, TIME, 3, HEADS, HIDDEN // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(attended.transpose(1, 2).reshape(BATCH, TIME, HIDDEN))


def record(name, model, width):
    """Input, parameters and output under `name.`, gradients of `(output * weights).sum()` under `name.grad.`."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(BATCH, TIME, width, requires_grad=True)
    out = model(x)
    out = out[0] if isinstance(out, tuple) else out
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    tensors = {"x": x, "out": out, "weights": weights, "grad.x": x.grad}
    for key, parameter in model.named_parameters():
        tensors |= {key: parameter, f"grad.{key}": parameter.grad}
    return {f"{name}.{key}": value.detach().contiguous() for key, value in tensors.items()}


torch.manual_seed(0)
models = {
    "lstm": (nn.LSTM(INPUT, HIDDEN, LAYERS, batch_first=True), INPUT),
    "gru": (nn.GRU(INPUT, HIDDEN, LAYERS, batch_first=True), INPUT),
    "attention": (Attention(), HIDDEN),
}
tensors = {}
for name, (model, width) in models.items():
    tensors |= record(name, model, width)
save_file(tensors, sys.argv[1], metadata={"torch": torch.__version__})
