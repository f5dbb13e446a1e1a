"""Meta-trains a Transformer of PyTorch on the paper's tasks, and meta-tests it on tasks that it never drew.

    python examples/train_torch.py [STEPS]
"""

import sys

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from transformer import Transformer

from gpicl.tasks import TaskDistribution
from gpicl.torch import TaskDataset

SIZES = {"d_model": 64, "layers": 2, "heads": 1, "d_ff": 128, "layout": "paired", "label_scale": {"relative": 0.25}, "positions": False}


def main(steps=300):
    torch.manual_seed(0)
    tasks = {"batch": 16, "episode_length": 50, "seed": 0}
    drawn = TaskDistribution("glyphs", **tasks)
    _, length, dim = drawn.shape
    model = Transformer(SIZES, dim, drawn.classes, length)
    torch.nn.init.normal_(model.label, std=dim**-0.5)
    for block in model.blocks:
        # Queries equal keys: attention begins as a comparison of inputs.
        with torch.no_grad():
            block.qkv.weight[: SIZES["d_model"]] = block.qkv.weight[SIZES["d_model"] : 2 * SIZES["d_model"]]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    losses = []
    for inputs, labels in DataLoader(TaskDataset(drawn, 0, steps), batch_size=None):
        loss = F.cross_entropy(model(inputs, labels).flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    inputs, labels = map(torch.from_numpy, TaskDistribution("glyphs", **tasks, mode="unseen").batch(0))
    with torch.no_grad():
        hits = (model(inputs, labels).argmax(-1) == labels).float()
    print(f"loss {losses[0]:.2f} to {losses[-1]:.2f}; unseen tasks: {hits[:, 0].mean():.2f} at first, {hits[:, -10:].mean():.2f} after 40 and more")
    return losses


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
