"""A run's Transformer in PyTorch: loads ``Run.state_dict()`` and gives the same logits.

    python examples/transformer.py RUN
"""

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import gpicl


class FeedForward(nn.Module):
    """A hidden layer, added to what comes in."""

    def __init__(self, d_model, d_ff):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.up, self.down = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x)), approximate="tanh"))


class Block(nn.Module):
    """Pre-LN attention and feed-forward, each added to what comes in."""

    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(d_model)
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.feed_forward = FeedForward(d_model, d_ff)

    def forward(self, x, mask):
        batch, tokens, d_model = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.feed_forward(x + self.out(attended.transpose(1, 2).reshape(x.shape)))


class Transformer(nn.Module):
    """The paper's learner, inputs ``[batch, N, input_dim]`` and labels ``[batch, N]`` to logits ``[batch, N, classes]``.

    In the layout ``shifted`` the token of an example has the label before it; in ``paired`` an example is two tokens: contexts,
    with their labels, then queries, without, each of which sees the contexts before it and itself.
    """

    # What a subclass for another architecture of such blocks has otherwise, with `mask` and `renamed`.
    KIND, BLOCK = "transformer", Block

    def __init__(self, model, input_dim, classes, episode_length):
        super().__init__()
        if model.get("kind", "transformer") != self.KIND:
            raise ValueError(f"model.kind: is {model['kind']}; this module is the {self.KIND}")
        for option in ("rotary", "input_norm"):
            if model.get(option):
                raise ValueError(f"model.{option}: is {model[option]}, which this module leaves out")
        d_model = model["d_model"]
        self.paired = model["layout"] == "paired"
        scale = model["label_scale"]
        self.label_scale = scale["relative"] * math.sqrt(input_dim) if "relative" in scale else scale["absolute"]
        self.input = nn.Linear(input_dim, d_model)
        self.label = nn.Parameter(torch.zeros(classes, d_model))
        self.position = nn.Parameter(torch.zeros(episode_length, d_model)) if model["positions"] else None
        self.blocks = nn.ModuleList(self.BLOCK(d_model, model["heads"], model["d_ff"]) for _ in range(model["layers"]))
        self.norm, self.head = nn.LayerNorm(d_model), nn.Linear(d_model, classes)

    def forward(self, inputs, labels):
        n = inputs.shape[1]
        query, label = self.input(inputs), self.label_scale * self.label[labels]
        if self.position is not None:
            query = query + self.position[:n]
        x = torch.cat([query + label, query], 1) if self.paired else query + F.pad(label[:, :-1], (0, 0, 1, 0))
        mask = self.mask(n)
        for block in self.blocks:
            x = block(x, mask)
        return self.head(self.norm(x[:, -n:]))

    def mask(self, n):
        """Who sees whom in an episode of ``n`` examples, ``[tokens, tokens]``."""
        before = torch.ones(n, n, dtype=torch.bool).tril()
        if not self.paired:
            return before
        own = torch.eye(n, dtype=torch.bool)
        return torch.cat([torch.cat([before, torch.zeros_like(own)], 1), torch.cat([before & ~own, own], 1)])

    @classmethod
    def of(cls, run, input_dim, classes, episode_length, step=None):
        """That of a run, with the weights of its newest checkpoint, or of the one at ``step``."""
        module = cls(run.config["model"], input_dim, classes, episode_length)
        state = {}
        for name, value in run.state_dict(step).items():
            for ours, theirs in {"embedding.": "", "mixer.": "", "gamma": "weight", "beta": "bias"}.items():
                name = name.replace(ours, theirs)
            # PyTorch keeps a linear map's weight as [out, in].
            linear = name.endswith("weight") and value.ndim == 2
            state.update(cls.renamed(name, torch.from_numpy(np.ascontiguousarray(value.T if linear else value))))
        module.load_state_dict(state)
        return module

    @staticmethod
    def renamed(name, value):
        """What this module makes of a parameter of the run: names and values."""
        return [(name, value)]


if __name__ == "__main__":
    run = gpicl.Run(sys.argv[1])
    tasks = gpicl.tasks.TaskDistribution.from_config(run.path / "config.toml", mode="unseen")
    _, length, dim = tasks.shape
    inputs, labels = map(torch.from_numpy, tasks.batch(0))
    hits = Transformer.of(run, dim, tasks.classes, length)(inputs, labels).argmax(-1) == labels
    print(f"accuracy on unseen tasks, last position: {hits[:, -1].float().mean():.3f}")
