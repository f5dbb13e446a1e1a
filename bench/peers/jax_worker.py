"""JAX's side: the same models, batch, loss and optimizer, compiled as one function."""

import jax
import jax.numpy as jnp
from worker import serve

CLASSES = 10


def init(c):
    d, ff, keys = c["d_model"], c["d_ff"], iter(jax.random.split(jax.random.key(0), 100))

    def linear(fan_in, fan_out):
        return jax.random.normal(next(keys), (fan_in, fan_out)) * fan_in**-0.5, jnp.zeros(fan_out)

    def norm():
        return jnp.ones(d), jnp.zeros(d)

    def block():
        return {
            "norm_attention": norm(), "qkv": linear(d, 3 * d), "out": linear(d, d),
            "norm_ff": norm(), "up": linear(d, ff), "down": linear(ff, d),
        }  # fmt: skip

    def cell():
        recurrent, _ = linear(d, 4 * d)
        return {"input": linear(d, 4 * d), "recurrent": recurrent}

    embedding = {
        "input": linear(c["input_dim"], d),
        "label": jax.random.normal(next(keys), (CLASSES, d)) * 0.07,
    }
    if c["model"] == "lstm":
        return {**embedding, "cells": [cell() for _ in range(c["layers"])], "head": linear(d, CLASSES)}
    return {
        **embedding,
        "position": jax.random.normal(next(keys), (c["time"], d)) * 0.02,
        "blocks": [block() for _ in range(c["layers"])],
        "norm": norm(),
        "head": linear(d, CLASSES),
    }


def affine(x, weights, dtype):
    weight, bias = weights
    return jnp.matmul(x.astype(dtype), weight.astype(dtype), preferred_element_type=jnp.float32) + bias


def layer_norm(x, weights):
    gamma, beta = weights
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def attention(qkv, heads):
    batch, time, width = qkv.shape
    q, k, v = jnp.moveaxis(qkv.reshape(batch, time, 3, heads, -1), 2, 0)
    attended = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    return attended.reshape(batch, time, width // 3)


def lstm(x, weights, dtype):
    """The input's share of the gates for all tokens at once, then a scan."""
    gates = jnp.swapaxes(affine(x, weights["input"], dtype), 0, 1)
    recurrent = weights["recurrent"].astype(dtype)

    def step(state, gates):
        h, c = state
        product = jnp.matmul(h.astype(dtype), recurrent, preferred_element_type=jnp.float32)
        i, f, g, o = jnp.split(gates + product, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((x.shape[0], x.shape[2]))
    _, out = jax.lax.scan(step, (start, start), gates)
    return jnp.swapaxes(out, 0, 1)


def forward(params, x, y, heads, dtype):
    previous = jnp.pad(params["label"][y[:, :-1]], ((0, 0), (1, 0), (0, 0)))
    x = affine(x, params["input"], dtype) + previous
    if "cells" in params:
        for cell in params["cells"]:
            x = lstm(x, cell, dtype)
        return affine(x, params["head"], dtype)
    x = x + params["position"]
    for p in params["blocks"]:
        x = x + affine(attention(affine(layer_norm(x, p["norm_attention"]), p["qkv"], dtype), heads), p["out"], dtype)
        hidden = jax.nn.gelu(affine(layer_norm(x, p["norm_ff"]), p["up"], dtype), approximate=True)
        x = x + affine(hidden, p["down"], dtype)
    return affine(layer_norm(x, params["norm"]), params["head"], dtype)


def adamw(params, grads, m, v, t, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, clip=1.0):
    norm = jnp.sqrt(sum((g**2).sum() for g in jax.tree.leaves(grads)))
    grads = jax.tree.map(lambda g: g * jnp.minimum(1.0, clip / norm), grads)
    m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
    v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, v, grads)

    def update(p, m, v):
        return p - lr * (m / (1 - b1**t)) / (jnp.sqrt(v / (1 - b2**t)) + eps)

    return jax.tree.map(update, params, m, v), m, v


def prepare(config):
    batch, time, dim = config["batch"], config["time"], config["input_dim"]
    threads = 2  # XLA takes all cores of the machine; `peers.py` pins every worker to two.
    if config["job"] == "tasks":
        return 0, threads, tasks(batch, time, dim)
    params = init(config)
    parameters = sum(p.size for p in jax.tree.leaves(params))
    x = jax.random.normal(jax.random.key(1), (batch, time, dim))
    y = jax.random.randint(jax.random.key(2), (batch, time), 0, CLASSES)
    dtype = jnp.bfloat16 if config["precision"] == "bf16" else jnp.float32
    heads = config["heads"]
    if config["job"] == "predict":
        predict = jax.jit(lambda params: forward(params, x, y, heads, dtype))
        return parameters, threads, lambda: predict(params).block_until_ready()

    def loss(params):
        log_p = jax.nn.log_softmax(forward(params, x, y, heads, dtype))
        return -jnp.take_along_axis(log_p, y[..., None], 2).mean()

    def update(params, m, v, t):
        value, grads = jax.value_and_grad(loss)(params)
        return *adamw(params, grads, m, v, t), value

    update = jax.jit(update, donate_argnums=(0, 1, 2))
    state = [params, jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)]
    count = [0]

    def step():
        count[0] += 1
        *state[:], value = update(*state, count[0])
        return float(value)

    return parameters, threads, step


def tasks(batch, time, dim):
    """Episodes over 8,000 inputs: gather, project by a fresh matrix an episode, permute the labels."""
    inputs, labels = jax.random.uniform(jax.random.key(0), (8000, dim)), jnp.arange(8000) % CLASSES

    @jax.jit
    def generate(key):
        keys = jax.random.split(key, 3)
        index = jax.random.randint(keys[0], (batch, time), 0, 8000)
        projection = jax.random.normal(keys[1], (batch, dim, dim)) * dim**-0.5
        permutation = jax.random.uniform(keys[2], (batch, CLASSES)).argsort(1)
        return jnp.einsum("btd,bpd->btp", inputs[index], projection), jnp.take_along_axis(permutation, labels[index], 1)

    count = [0]

    def job():
        count[0] += 1
        jax.block_until_ready(generate(jax.random.key(count[0])))

    return job


serve(prepare, jax.__version__)
