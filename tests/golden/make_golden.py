"""Make the reference numbers of tests/golden with PyTorch, which the tests themselves never need.

    python -m venv venv-torch && venv-torch/bin/pip install torch==2.13.0 numpy
    venv-torch/bin/python tests/golden/make_golden.py

`gpt.npz`: a small GPT-2 (learned positions, pre-norm, tanh GELU, tied head, biases) with weights
of order one, its logits, loss and every gradient, and ten steps of AdamW. `ops.npz`: single
operations. Everything is computed with PyTorch's own layers and its autograd, in float32 (keys
ending in `32`) and float64 (`64`) from the same numbers; names and orientation, w (I, O), are
tinygpt's.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
SIZES = {"vocab_size": 37, "block_size": 12, "n_layer": 2, "n_head": 3, "n_embd": 24}
RECIPE = {
    "lr": 3e-3, "min_lr": 3e-4, "warmup": 3, "steps": 10, "beta1": 0.9, "beta2": 0.95,
    "eps": 1e-8, "weight_decay": 0.1, "clip": 1.0,
}  # fmt: skip
B = 4


class Block(nn.Module):
    def __init__(self, C: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.ln1 = nn.LayerNorm(C)
        self.qkv = nn.Linear(C, 3 * C)
        self.attn_proj = nn.Linear(C, C)
        self.ln2 = nn.LayerNorm(C)
        self.fc = nn.Linear(C, 4 * C)
        self.mlp_proj = nn.Linear(4 * C, C)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, time, C = x.shape
        q, k, v = (
            part.view(batch, time, self.n_head, C // self.n_head).transpose(1, 2)
            for part in self.qkv(self.ln1(x)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.attn_proj(mixed.transpose(1, 2).reshape(batch, time, C))
        return x + self.mlp_proj(F.gelu(self.fc(self.ln2(x)), approximate="tanh"))


class Reference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        C = SIZES["n_embd"]
        self.wte = nn.Embedding(SIZES["vocab_size"], C)
        self.wpe = nn.Embedding(SIZES["block_size"], C)
        self.h = nn.ModuleList(Block(C, SIZES["n_head"]) for _ in range(SIZES["n_layer"]))
        self.lnf = nn.LayerNorm(C)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.wte(ids) + self.wpe(torch.arange(ids.shape[1]))
        for block in self.h:
            x = block(x)
        return F.linear(self.lnf(x), self.wte.weight)


def tinygpt_name(name: str) -> str:
    """h.0.attn_proj.weight -> h.0.attn.proj.w; the embeddings have no part after their name."""
    for ours, theirs in (("attn.qkv", "qkv"), ("attn.proj", "attn_proj"), ("mlp.fc", "fc"),
                         ("mlp.proj", "mlp_proj")):  # fmt: skip
        name = name.replace(f".{theirs}.", f".{ours}.")
    if name in ("wte.weight", "wpe.weight"):
        return name.removesuffix(".weight")
    return name.replace(".weight", ".w").replace(".bias", ".b")


def as_numpy(name: str, tensor: torch.Tensor) -> np.ndarray:
    """A copy (the optimiser changes tensors in place) in tinygpt's orientation: w as (I, O)."""
    matrix = tensor.ndim == 2 and name not in ("wte", "wpe")
    array = tensor.detach().numpy()
    return np.array(array.T if matrix else array, order="C")


def order_one_weights(model: nn.Module, rng: np.random.Generator) -> None:
    """Products that keep the scale, and biases and gains far from 0 and 1. Exact in float32."""
    for name, p in model.named_parameters():
        spread = 1.3 / math.sqrt(p.shape[1]) if p.ndim == 2 else 0.4
        centre = 1.0 if "ln" in name and name.endswith("weight") else 0.0
        if name.startswith(("wte", "wpe")):
            spread = 0.5
        value = centre + spread * rng.standard_normal(tuple(p.shape))
        with torch.no_grad():
            p.copy_(torch.from_numpy(value.astype(np.float32)).to(p.dtype))


def learning_rate(step: int) -> float:
    """Linear warm-up that ends at step `warmup`, then half a cosine down to min_lr at `steps`."""
    if step < RECIPE["warmup"]:
        return RECIPE["lr"] * (step + 1) / (RECIPE["warmup"] + 1)
    share = (step - RECIPE["warmup"]) / (RECIPE["steps"] - RECIPE["warmup"])
    cosine = 0.5 * (1 + math.cos(math.pi * share))
    return RECIPE["min_lr"] + cosine * (RECIPE["lr"] - RECIPE["min_lr"])


def ten_steps(model: Reference, ids: torch.Tensor, targets: torch.Tensor) -> list[float]:
    decayed = [p for p in model.parameters() if p.ndim == 2]
    kept = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": RECIPE["weight_decay"]},
         {"params": kept, "weight_decay": 0.0}],
        betas=(RECIPE["beta1"], RECIPE["beta2"]),
        eps=RECIPE["eps"],
    )  # fmt: skip
    losses = []
    for step in range(10):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids[step]).flatten(0, 1), targets[step].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), RECIPE["clip"])
        optimizer.step()
        losses.append(loss.item())
    return losses


def gpt_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2026)
    # Few distinct ids, so that most repeat within a batch: a scatter that drops repeats shows.
    shape = (11, B, SIZES["block_size"])
    ids, targets = rng.integers(0, 9, shape) * 4, rng.integers(0, SIZES["vocab_size"], shape)
    saved = {f"config/{key}": np.array(value) for key, value in SIZES.items()}
    saved |= {f"recipe/{key}": np.array(value) for key, value in RECIPE.items()}
    saved["recipe/lrs"] = np.array([learning_rate(step) for step in range(10)])
    saved["ids"], saved["targets"] = ids[0], targets[0]
    saved["step_ids"], saved["step_targets"] = ids[1:], targets[1:]
    for bits, dtype in (("32", torch.float32), ("64", torch.float64)):
        model = Reference().to(dtype)
        order_one_weights(model, np.random.default_rng(7))
        logits = model(torch.from_numpy(ids[0]))
        loss = F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(targets[0]).flatten())
        loss.backward()
        saved[f"logits{bits}"] = logits.detach().numpy()
        saved[f"loss{bits}"] = loss.detach().numpy()
        for name, p in ((tinygpt_name(n), p) for n, p in model.named_parameters()):
            if bits == "32":
                saved[f"params/{name}"] = as_numpy(name, p)
            saved[f"grads{bits}/{name}"] = as_numpy(name, p.grad)
        steps = ten_steps(model, torch.from_numpy(ids[1:]), torch.from_numpy(targets[1:]))
        saved[f"step_losses{bits}"] = np.array(steps)
    for name, p in ((tinygpt_name(n), p) for n, p in model.named_parameters()):
        saved[f"stepped64/{name}"] = as_numpy(name, p)
    return saved


def op_arrays() -> dict[str, np.ndarray]:
    """Each op's inputs, output and gradients in float64 as `op/name`."""
    rng = np.random.default_rng(11)

    def leaf(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.standard_normal(shape)).requires_grad_()

    saved: dict[str, np.ndarray] = {}

    def record(op: str, inputs: dict[str, torch.Tensor], y: torch.Tensor) -> None:
        dout = torch.from_numpy(rng.standard_normal(tuple(y.shape))) if y.ndim else None
        y.backward(dout)
        saved[f"{op}/y"] = y.detach().numpy()
        if dout is not None:
            saved[f"{op}/dout"] = dout.numpy()
        for name, x in inputs.items():
            saved[f"{op}/{name}"] = x.detach().numpy()
            if x.grad is not None:
                saved[f"{op}/d{name}"] = x.grad.numpy()

    x, w, b = leaf(3, 5, 16), leaf(16), leaf(16)
    record("layernorm", {"x": x, "w": w, "b": b}, F.layer_norm(x, (16,), w, b))
    x = leaf(4, 50)
    record("gelu", {"x": x}, F.gelu(3 * x, approximate="tanh"))
    saved["gelu/x"], saved["gelu/dx"] = 3 * saved["gelu/x"], saved["gelu/dx"] / 3
    x = leaf(6, 9)
    record("softmax", {"x": x}, torch.softmax(x, dim=-1))
    q, k, v = leaf(2, 3, 5, 4), leaf(2, 3, 5, 4), leaf(2, 3, 5, 4)
    record("causal_attention", {"q": q, "k": k, "v": v},
           F.scaled_dot_product_attention(q, k, v, is_causal=True))  # fmt: skip
    logits, ids = leaf(7, 13), torch.from_numpy(rng.integers(0, 13, 7))
    record("cross_entropy", {"logits": logits, "ids": ids}, F.cross_entropy(logits, ids))
    x, w, b = leaf(2, 5, 6), leaf(8, 6), leaf(8)
    record("linear", {"x": x, "w": w, "b": b}, F.linear(x, w, b))
    saved["linear/w"], saved["linear/dw"] = saved["linear/w"].T, saved["linear/dw"].T
    w, ids = leaf(7, 4), torch.from_numpy(rng.integers(0, 3, (3, 5)))
    record("embedding", {"w": w, "ids": ids}, F.embedding(ids, w))
    y, target = leaf(4, 3), torch.from_numpy(rng.standard_normal((4, 3)))
    record("mean_squared_error", {"y_": y, "target": target}, F.mse_loss(y, target))
    saved["mean_squared_error/dy"] = saved.pop("mean_squared_error/dy_")
    return saved


if __name__ == "__main__":
    torch.set_num_threads(1)
    np.savez_compressed(HERE / "gpt.npz", allow_pickle=False, **gpt_arrays())
    np.savez_compressed(HERE / "ops.npz", allow_pickle=False, **op_arrays())
