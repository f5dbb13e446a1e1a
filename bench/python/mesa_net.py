"""A run's mesa-net in PyTorch: kernel ridge regression at every position (`docs/method.md`), by one Cholesky factor an episode."""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).parents[2] / "crates/gpicl-python/examples"))
from transformer import FeedForward, Transformer  # noqa: E402


class Block(nn.Module):
    """Pre-LN ridge regression and feed-forward, each added to what comes in."""

    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(d_model)
        # Three maps, each of which Muon makes orthogonal by itself.
        self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model) for _ in range(4))
        self.log_temperature, self.log_ridge = (nn.Parameter(torch.zeros(heads)) for _ in range(2))
        self.feed_forward = FeedForward(d_model, d_ff)

    def forward(self, x, mask):
        """`mask`, `[tokens, contexts]`, has the contexts before each token; contexts are the first tokens."""
        normed, contexts = self.norm(x), mask.shape[1]
        query, key, value = self.query(normed), self.key(normed[:, :contexts]), self.value(normed[:, :contexts])
        # As gpicl does: a factorisation needs fp32.
        with torch.autocast("cpu", enabled=False):
            read = self.regress(*(self.split(part.float()) for part in (query, key, value)), mask)
        return self.feed_forward(x + self.out(read.transpose(1, 2).flatten(2)))

    def regress(self, query, key, value, mask):
        """What the ridge regression of the values before it on their keys predicts for each query."""
        contexts = key.shape[2]
        query, key = F.normalize(query, dim=-1, eps=1e-6), F.normalize(key, dim=-1, eps=1e-6)
        temperature, ridge = (log.exp()[:, None, None] for log in (self.log_temperature, self.log_ridge))
        gram = (temperature * (key @ key.mT - 1)).exp() + ridge * torch.eye(contexts)
        cross = (temperature * (key @ query.mT - 1)).exp()
        # The factor of the first rows is the first rows of the factor: every position has its own regression from one.
        solved = torch.linalg.solve_triangular(torch.linalg.cholesky(gram), torch.cat([cross, value], -1), upper=False)
        cross, value = solved.split([query.shape[2], value.shape[3]], -1)
        return (cross.mT * mask) @ value

    def split(self, x):
        """``[batch, tokens, d_model]`` to ``[batch, heads, tokens, d_head]``."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


class MesaNet(Transformer):
    """As `Transformer`, with ridge regression for attention; in the layout ``paired`` alone."""

    KIND, BLOCK = "mesa-net", Block

    def __init__(self, model, *sizes):
        super().__init__(model, *sizes)
        if not self.paired:
            raise ValueError("model.layout: is shifted; this module reads paired tokens")

    def mask(self, n):
        """The examples before each token, ``[tokens, contexts]``: contexts, then queries."""
        return torch.ones(n, n).tril(-1).repeat(2, 1)

    @staticmethod
    def renamed(name, value):
        if ".qkv." not in name:
            return [(name, value)]
        parts = value.chunk(3)
        return [(name.replace("qkv", of), part) for of, part in zip(("query", "key", "value"), parts)]
