"""One contender of a race: the training step of step.py as NumPy is written when nobody looks at
the clock.

    python benchmarks/plain_step.py a|b|c

A fresh array for every result, heads copied, one thread of Python, BLAS and the allocator as they
come; float32 throughout, and no powers. Speaks as step.py does.
"""

import math
import sys
from typing import Any

import numpy as np
from inputs import training_ids
from protocol import BATCHES, WARM_UP, answer, timed
from shapes import TRAINING

from tinygpt.config import ModelConfig
from tinygpt.params import init_params, named_views

Params = dict[str, np.ndarray]
K = math.sqrt(2 / math.pi)


def add(g: Params, name: str, value: np.ndarray) -> None:
    g[name] = g[name] + value if name in g else value


def linear(x: np.ndarray, p: Params, name: str) -> np.ndarray:
    return x @ p[f"{name}.w"] + p[f"{name}.b"]


def linear_backward(dy: np.ndarray, x: np.ndarray, p: Params, g: Params, name: str) -> np.ndarray:
    rows = dy.reshape(-1, dy.shape[-1])
    add(g, f"{name}.w", x.reshape(-1, x.shape[-1]).T @ rows)
    add(g, f"{name}.b", rows.sum(axis=0))
    return dy @ p[f"{name}.w"].T


def layernorm(x: np.ndarray, p: Params, name: str) -> tuple[np.ndarray, Any]:
    centred = x - x.mean(axis=-1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5)
    xhat = centred * rstd
    return xhat * p[f"{name}.w"] + p[f"{name}.b"], (xhat, rstd)


def layernorm_backward(dy: np.ndarray, cache: Any, p: Params, g: Params, name: str) -> np.ndarray:
    xhat, rstd = cache
    add(g, f"{name}.w", (dy * xhat).sum(axis=(0, 1)))
    add(g, f"{name}.b", dy.sum(axis=(0, 1)))
    d = dy * p[f"{name}.w"]
    along = (d * xhat).mean(axis=-1, keepdims=True)
    return (d - d.mean(axis=-1, keepdims=True) - xhat * along) * rstd


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def split(x: np.ndarray, n_head: int) -> np.ndarray:
    B, T, C = x.shape
    return np.ascontiguousarray(x.reshape(B, T, n_head, C // n_head).transpose(0, 2, 1, 3))


def merge(x: np.ndarray) -> np.ndarray:
    B, H, T, D = x.shape
    return x.transpose(0, 2, 1, 3).reshape(B, T, H * D)


def block(x: np.ndarray, p: Params, name: str, n_head: int) -> tuple[np.ndarray, Any]:
    T = x.shape[1]
    h1, ln1 = layernorm(x, p, f"{name}.ln1")
    q, k, v = (split(t, n_head) for t in np.split(linear(h1, p, f"{name}.attn.qkv"), 3, axis=-1))
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
    a = softmax(np.where(np.tri(T, dtype=bool), scores, np.float32(-1e9)))
    y = merge(a @ v)
    x = x + linear(y, p, f"{name}.attn.proj")
    h2, ln2 = layernorm(x, p, f"{name}.ln2")
    f = linear(h2, p, f"{name}.mlp.fc")
    t = np.tanh(K * (f + 0.044715 * f * f * f))
    u = 0.5 * f * (1 + t)
    x = x + linear(u, p, f"{name}.mlp.proj")
    return x, (h1, ln1, q, k, v, a, y, h2, ln2, f, t, u)


def block_backward(
    dx: np.ndarray, cache: Any, p: Params, g: Params, name: str, n_head: int
) -> np.ndarray:
    h1, ln1, q, k, v, a, y, h2, ln2, f, t, u = cache
    du = linear_backward(dx, u, p, g, f"{name}.mlp.proj")
    slope = 0.5 * (1 + t) + 0.5 * f * (1 - t * t) * K * (1 + 3 * 0.044715 * f * f)
    dh = linear_backward(du * slope, h2, p, g, f"{name}.mlp.fc")
    dx = dx + layernorm_backward(dh, ln2, p, g, f"{name}.ln2")
    dy = split(linear_backward(dx, y, p, g, f"{name}.attn.proj"), n_head)
    dv = a.transpose(0, 1, 3, 2) @ dy
    da = dy @ v.transpose(0, 1, 3, 2)
    dscores = a * (da - (da * a).sum(axis=-1, keepdims=True)) / math.sqrt(q.shape[-1])
    dq, dk = dscores @ k, dscores.transpose(0, 1, 3, 2) @ q
    dqkv = np.concatenate([merge(dq), merge(dk), merge(dv)], axis=-1)
    dh = linear_backward(dqkv, h1, p, g, f"{name}.attn.qkv")
    return dx + layernorm_backward(dh, ln1, p, g, f"{name}.ln1")


def loss_and_gradients(
    p: Params, config: ModelConfig, ids: np.ndarray, targets: np.ndarray
) -> tuple[float, Params]:
    g: Params = {}
    x = p["wte"][ids] + p["wpe"][: ids.shape[1]]
    caches = []
    for i in range(config.n_layer):
        x, cache = block(x, p, f"h.{i}", config.n_head)
        caches.append(cache)
    h, lnf = layernorm(x, p, "lnf")
    probs = softmax(h @ p["wte"].T)
    right = (*np.indices(targets.shape), targets)
    loss = -np.log(probs[right]).mean()
    dlogits = probs.copy()
    dlogits[right] -= 1
    dlogits = dlogits / targets.size
    rows = dlogits.reshape(-1, dlogits.shape[-1])
    add(g, "wte", rows.T @ h.reshape(-1, h.shape[-1]))
    dx = layernorm_backward(dlogits @ p["wte"], lnf, p, g, "lnf")
    for i in reversed(range(config.n_layer)):
        dx = block_backward(dx, caches[i], p, g, f"h.{i}", config.n_head)
    np.add.at(g["wte"], ids, dx)
    dwpe = np.zeros_like(p["wpe"])
    dwpe[: ids.shape[1]] = dx.sum(axis=0)
    add(g, "wpe", dwpe)
    return float(loss), g


class AdamW:
    def __init__(self, p: Params) -> None:
        self.m = {name: np.zeros_like(array) for name, array in p.items()}
        self.v = {name: np.zeros_like(array) for name, array in p.items()}
        self.t = 0

    def step(self, p: Params, g: Params, lr: float) -> None:
        self.t += 1
        norm = math.sqrt(sum(float((d * d).sum()) for d in g.values()))
        for name, d in g.items():
            d = d * min(1.0, 1.0 / norm)
            self.m[name] = 0.9 * self.m[name] + 0.1 * d
            self.v[name] = 0.95 * self.v[name] + 0.05 * d * d
            mhat = self.m[name] / (1 - 0.9**self.t)
            vhat = self.v[name] / (1 - 0.95**self.t)
            decay = 0.1 if d.ndim == 2 else 0.0
            p[name] = p[name] - lr * (mhat / (np.sqrt(vhat) + 1e-8) + decay * p[name])


def main() -> None:
    shape = TRAINING[sys.argv[1]]
    config = ModelConfig(**shape.config())
    flat = init_params(config, np.random.default_rng(0))
    p = {
        name: np.ascontiguousarray(array.T) if name.endswith("mlp.proj.w") else array.copy()
        for name, array in named_views(flat, config).items()
    }
    del flat
    optimizer = AdamW(p)
    xs, ys = training_ids(shape)

    def step(i: int) -> float:
        loss, g = loss_and_gradients(p, config, xs[i % BATCHES], ys[i % BATCHES])
        optimizer.step(p, g, 1e-3)
        return loss

    losses = [step(i) for i in range(WARM_UP)]
    answer(timed(step), losses=losses)


if __name__ == "__main__":
    main()
