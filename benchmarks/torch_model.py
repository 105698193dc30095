"""A GPT-2 in PyTorch, for training and for decoding from a cache of keys and values.

Fused attention, one product for q, k and v, the output layer tied to the embedding: as one who
knows PyTorch would write it. Weights are read from a file in Hugging Face's layout.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from shapes import Shape
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None, start: int, mask: Tensor | None
    ) -> Tensor:
        B, T, C = x.shape
        q, k, v = (
            part.view(B, T, self.n_head, -1).transpose(1, 2)
            for part in self.c_attn(x).split(C, dim=2)
        )
        if past is None:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            keys, values = past
            keys[:, :, start : start + T] = k
            values[:, :, start : start + T] = v
            k, v = keys[:, :, : start + T], values[:, :, : start + T]
            # a prompt read at once needs no mask, and the causal path is the faster one
            causal = mask is None and T > 1
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.c_proj(y.transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    def __init__(self, width: int, n_head: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, n_head)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)}
        )

    def forward(
        self,
        x: Tensor,
        past: tuple[Tensor, Tensor] | None = None,
        start: int = 0,
        mask: Tensor | None = None,
    ) -> Tensor:
        x = x + self.attn(self.ln_1(x), past, start, mask)
        hidden = F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh")
        return x + self.mlp["c_proj"](hidden)


class GPT(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.n_embd
        self.wte = nn.Embedding(shape.vocab_size, width)
        self.wpe = nn.Embedding(shape.block_size, width)
        self.h = nn.ModuleList(Block(width, shape.n_head) for _ in range(shape.n_layer))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, ids: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of ids and targets (B, T)."""
        x = self.wte(ids) + self.wpe.weight[: ids.shape[1]]
        for block in self.h:
            x = block(x)
        logits = F.linear(self.ln_f(x), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def extend(
        self, ids: Tensor, past: list[tuple[Tensor, Tensor]], start: int, last: int
    ) -> Tensor:
        """The logits of the last positions of ids (B, T), which follow `start` others, whose keys
        and values `past` holds, (B, heads, block size, width of one) for each block."""
        T = ids.shape[1]
        mask = None
        if start and T > 1:
            mask = torch.ones(T, start + T, dtype=torch.bool).tril(start)
        x = self.wte(ids) + self.wpe.weight[start : start + T]
        for block, keys_and_values in zip(self.h, past, strict=True):
            x = block(x, keys_and_values, start, mask)
        return F.linear(self.ln_f(x[:, -last:]), self.wte.weight)

    def empty_past(self, batch: int) -> list[tuple[Tensor, Tensor]]:
        n_head = self.h[0].attn.n_head
        length, width = self.wpe.weight.shape
        shape = (2, batch, n_head, length, width // n_head)
        return [tuple(torch.zeros(shape)) for _ in self.h]


def load(shape: Shape, folder: str) -> GPT:
    """The model with the weights of folder/model.safetensors."""
    arrays = load_file(Path(folder) / "model.safetensors")
    weights = {}
    for name, array in arrays.items():
        name = name.removeprefix("transformer.")
        linear = name.split(".")[-2].startswith("c_") and array.dim() == 2
        weights[name] = array.T if linear else array  # stored (in, out), nn.Linear has (out, in)
    with torch.device("meta"):  # no numbers of its own, which these would replace
        model = GPT(shape)
    model.load_state_dict({name: w.contiguous() for name, w in weights.items()}, assign=True)
    return model.requires_grad_()
