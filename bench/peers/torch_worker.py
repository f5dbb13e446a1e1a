"""PyTorch's side: the same models, batch, loss and optimizer, with PyTorch's own fused parts."""

import torch
import torch.nn.functional as F
from torch import nn
from worker import serve

CLASSES = 10


class Block(nn.Module):
    def __init__(self, d_model, heads, d_ff):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_ff = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.up, self.down = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)

    def forward(self, x):
        batch, time, d_model = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(batch, time, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, time, d_model))
        return x + self.down(F.gelu(self.up(self.norm_ff(x)), approximate="tanh"))


class Transformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        d_model = c["d_model"]
        self.input = nn.Linear(c["input_dim"], d_model)
        self.label = nn.Parameter(torch.randn(CLASSES, d_model) * 0.07)
        self.position = nn.Parameter(torch.randn(c["time"], d_model) * 0.02)
        self.blocks = nn.ModuleList(Block(d_model, c["heads"], c["d_ff"]) for _ in range(c["layers"]))
        self.norm, self.head = nn.LayerNorm(d_model), nn.Linear(d_model, CLASSES)

    def forward(self, x, y):
        previous = F.pad(self.label[y[:, :-1]], (0, 0, 1, 0))
        x = self.input(x) + self.position + previous
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class Lstm(nn.Module):
    def __init__(self, c):
        super().__init__()
        d_model = c["d_model"]
        self.input = nn.Linear(c["input_dim"], d_model)
        self.label = nn.Parameter(torch.randn(CLASSES, d_model) * 0.07)
        self.lstm = nn.LSTM(d_model, d_model, c["layers"], batch_first=True)
        self.head = nn.Linear(d_model, CLASSES)
        # Two biases that are only ever added to each other: one of them is left at zero, and not trained.
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter).requires_grad_(False)

    def forward(self, x, y):
        previous = F.pad(self.label[y[:, :-1]], (0, 0, 1, 0))
        x, _ = self.lstm(self.input(x) + previous)
        return self.head(x)


def delta_rule(q, k, v, write, chunk):
    """Writes `write (v - S^T k)` at `k` to a memory `S` token by token, and reads it at `q` after each write.

    `q`, `k`, `v`: `[batch, heads, time, d_head]`, `write`: `[batch, heads, time, 1]`. All that a chunk's tokens write
    solves one triangular system (Yang et al. 2024); a step of Python a token would take far longer.
    """
    state, out = None, []
    for q, k, v, write in zip(*(x.split(chunk, 2) for x in (q, k, v, write))):
        overlap = write * (k @ k.transpose(-1, -2))
        target = v if state is None else v - k @ state
        written = torch.linalg.solve_triangular(overlap, write * target, upper=False, unitriangular=True)
        read = (q @ k.transpose(-1, -2)).tril() @ written
        added = k.transpose(-1, -2) @ written
        out.append(read if state is None else read + q @ state)
        state = added if state is None else state + added
    return torch.cat(out, 2)


class DeltaBlock(Block):
    """A block whose attention is the delta rule: keys and queries are `silu` at length one, reads normalised a head."""

    def __init__(self, d_model, heads, d_ff, chunk):
        super().__init__(d_model, heads, d_ff)
        self.chunk = chunk
        self.write, self.norm_read = nn.Linear(d_model, heads), nn.LayerNorm(d_model // heads)

    def forward(self, x):
        batch, time, d_model = x.shape
        h = self.norm_attention(x)
        q, k, v = self.qkv(h).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        write = self.write(h).sigmoid().transpose(1, 2).unsqueeze(-1)
        q, k = (F.normalize(F.silu(x), dim=-1) for x in (q, k))
        read = self.norm_read(delta_rule(q, k, v, write, self.chunk))
        x = x + self.out(read.transpose(1, 2).reshape(batch, time, d_model))
        return x + self.down(F.gelu(self.up(self.norm_ff(x)), approximate="tanh"))


class DeltaNet(Transformer):
    def __init__(self, c):
        super().__init__(c)
        self.blocks = nn.ModuleList(
            DeltaBlock(c["d_model"], c["heads"], c["d_ff"], c["chunk"]) for _ in range(c["layers"])
        )


MODELS = {"transformer": Transformer, "lstm": Lstm, "deltanet": DeltaNet}


def prepare(config):
    torch.manual_seed(0)
    batch, time, dim = config["batch"], config["time"], config["input_dim"]
    if config["job"] == "tasks":
        return 0, torch.get_num_threads(), tasks(batch, time, dim)
    device = config["device"]
    model = MODELS[config["model"]](config).to(device)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    x, y = torch.randn(batch, time, dim, device=device), torch.randint(0, CLASSES, (batch, time), device=device)
    bf16 = config["precision"] == "bf16"

    def forward():
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            return model(x, y)

    def loss():
        logits = forward().float()
        return F.cross_entropy(logits.view(-1, CLASSES), y.view(-1))

    if config["mode"] == "compiled":
        forward, loss = torch.compile(forward), torch.compile(loss)
    if config["job"] == "predict":
        return parameters, torch.get_num_threads(), finished(torch.inference_mode()(forward), device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return value.item()

    return parameters, torch.get_num_threads(), finished(step, device)


def finished(job, device):
    """`job`, which ends when the GPU has done what it was told."""
    if device == "cpu":
        return job

    def wait():
        job()
        torch.cuda.synchronize()

    return wait


def tasks(batch, time, dim):
    """Episodes over 8,000 inputs: gather, project by a fresh matrix an episode, permute the labels."""
    inputs, labels = torch.rand(8000, dim), torch.arange(8000) % CLASSES

    def generate():
        index = torch.randint(0, 8000, (batch, time))
        projection = torch.randn(batch, dim, dim) * dim**-0.5
        permutation = torch.rand(batch, CLASSES).argsort(1)
        return torch.bmm(inputs[index], projection.transpose(1, 2)), permutation.gather(1, labels[index])

    return generate


torch.set_num_threads(2)
serve(prepare, torch.__version__)
