"""GPT-2: token and position embeddings, L blocks, a last LayerNorm, and the embedding again as
the output layer (Radford et al. 2019)."""

from typing import Any, NamedTuple

import numpy as np

from tinygpt.backend import Array, get_xp, to_device, to_host
from tinygpt.config import ModelConfig
from tinygpt.errors import ShapeError, VocabularyError
from tinygpt.kv_cache import KVCache
from tinygpt.ops import (
    cross_entropy_backward,
    cross_entropy_forward,
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    layernorm_forward,
    linear_backward,
    linear_forward,
)
from tinygpt.params import Tree, init_params, parameter_count, views
from tinygpt.transformer import Cache, block_backward, block_forward, layernorm_grads


class DropoutMasks(NamedTuple):
    """One mask (B, T, C) after the embeddings, and two in each block, one per branch."""

    embedding: Array
    blocks: list[tuple[Array, Array]]


def dropout_masks(
    config: ModelConfig, rows: range, T: int, *, seed: int, step: int, like: Array
) -> DropoutMasks | None:
    """The masks of these rows of step's global batch, or None without dropout.

    Row i draws from a generator of its own, (seed, step, i + 1), so the masks do not depend on how
    rows are shared among workers. `like` gives dtype and device.
    """
    if config.dropout == 0.0:
        return None
    sites = 1 + 2 * config.n_layer
    keep = 1.0 - config.dropout
    masks = np.empty((sites, len(rows), T, config.n_embd), like.dtype)
    for b, row in enumerate(rows):
        # subtle: row + 1, because NumPy pads seeds with zeros: (seed, step, 0) draws the batch
        draws = np.random.default_rng([seed, step, row + 1]).random(
            (sites, T, config.n_embd), dtype=np.float32
        )
        masks[:, b] = draws < keep
    masks *= 1.0 / keep
    embedding, *branches = to_device(masks, get_xp(like))
    return DropoutMasks(embedding, list(zip(branches[::2], branches[1::2], strict=True)))


class GPT:
    """A GPT: its configuration, and all its parameters in one flat array.

    `params` holds views into `flat` (see params.py). Without `flat` the weights are GPT-2's
    initialisation drawn from `seed`, the same on every device.
    """

    def __init__(
        self,
        config: ModelConfig,
        flat: Array | None = None,
        *,
        seed: int = 0,
        dtype: Any = np.float32,
        xp: Any = np,
    ) -> None:
        if flat is None:
            flat = to_device(init_params(config, np.random.default_rng(seed), dtype), xp)
        if flat.shape != (parameter_count(config),):
            raise ShapeError(
                f"the parameters have shape {flat.shape}; this configuration needs "
                f"({parameter_count(config)},)"
            )
        self.config = config
        self.flat = flat
        self.params: Tree = views(flat, config)

    @property
    def dtype(self) -> Any:
        """The dtype of the parameters, and so of all arithmetic."""
        return self.flat.dtype

    @property
    def xp(self) -> Any:
        """The array module that the parameters live in."""
        return get_xp(self.flat)

    def check_ids(self, ids: Array, past: int = 0) -> Array:
        """Token ids as an integer array (B, T) on the model's device.

        Raises VocabularyError for an id outside the vocabulary (the GPU would wrap it silently)
        and ShapeError for a text longer than the context.
        """
        host = to_host(ids) if hasattr(ids, "shape") else np.asarray(ids)
        if host.ndim != 2 or host.dtype.kind not in "iu" or host.size == 0:
            raise ShapeError(
                f"token ids have shape {host.shape} and dtype {host.dtype}; "
                "give whole numbers of shape (B, T) with at least one of each"
            )
        low, high = int(host.min()), int(host.max())
        if low < 0 or high >= self.config.vocab_size:
            raise VocabularyError(
                f"token id {low if low < 0 else high} is outside the vocabulary of "
                f"{self.config.vocab_size} ids (0 to {self.config.vocab_size - 1})"
            )
        if past + host.shape[1] > self.config.block_size:
            raise ShapeError(
                f"the text has {past + host.shape[1]} tokens and block_size is "
                f"{self.config.block_size}; shorten it or train with a larger block_size"
            )
        return to_device(host, self.xp)

    def forward(
        self,
        ids: Array,
        *,
        kv: KVCache | None = None,
        masks: DropoutMasks | None = None,
        last: int | None = None,
        keep: bool = True,
    ) -> tuple[Array, Cache]:
        """ids (B, T) -> logits (B, T, V), and what backward needs.

        With `kv` the ids continue the texts in that cache, which is extended. `last` computes the
        logits of so many last positions alone, (B, last, V). After either, or with keep=False,
        which drops every block's cache at once, there is no way back: the cache is not for
        backward.
        """
        p, config = self.params, self.config
        ids = self.check_ids(ids, 0 if kv is None else int(kv.lengths.max()))
        T = ids.shape[1]
        layers = [None] * config.n_layer if kv is None else kv.layers(T)
        positions = slice(T) if kv is None else to_device(kv.positions(T), self.xp)
        x, wte_cache = embedding_forward(p["wte"], ids)  # (B, T, C)
        x += p["wpe"][positions]
        if masks is not None:
            x, _ = dropout_forward(x, masks.embedding)
        block_caches: list[Any] = []
        for i, block in enumerate(p["h"]):
            y, cache = block_forward(
                x,
                block,
                config.n_head,
                layers[i],
                None if masks is None else masks.blocks[i],
            )
            if keep and kv is None:
                block_caches.append(x if config.recompute else cache)
            x = y
            del y, cache  # or the caches of two blocks would live at once
        if kv is not None:
            kv.lengths += T
        if last is not None:
            x = x[:, -last:]
        x, lnf_cache = layernorm_forward(x, **p["lnf"])
        logits, head_cache = linear_forward(x, p["wte"].T)  # tied: the embedding, transposed
        return logits, (wte_cache, masks, block_caches, lnf_cache, head_cache)

    def backward(self, dlogits: Array, cache: Cache, g: Tree, *, accumulate: bool = False) -> None:
        """Write (or add) the gradient of every parameter into g, a tree like `params`."""
        wte_cache, masks, block_caches, lnf_cache, head_cache = cache
        # logits = x @ wteᵀ: wte's first use to be reversed; the embedding below adds the second
        out = (None, g["wte"].T, None)
        dx, _, _ = linear_backward(dlogits, head_cache, out=out, accumulate=accumulate)
        dx = layernorm_grads(dx, lnf_cache, g["lnf"], accumulate)
        for i in reversed(range(self.config.n_layer)):
            block_cache = block_caches[i]
            if self.config.recompute:
                block_masks = None if masks is None else masks.blocks[i]
                block_cache = block_forward(
                    block_caches[i], self.params["h"][i], self.config.n_head, masks=block_masks
                )[1]
            dx = block_backward(dx, block_cache, g["h"][i], accumulate=accumulate)
        if masks is not None:
            dx = dropout_backward(dx, (masks.embedding,))
        # x = wte[ids] + wpe[:T]
        embedding_backward(dx, wte_cache, out=g["wte"], accumulate=True)
        T = dx.shape[1]
        if not accumulate:
            g["wpe"][...] = 0.0
        g["wpe"][:T] += dx.sum(axis=0)

    def loss(self, ids: Array, targets: Array) -> float:
        """Mean cross-entropy in nats per token, dropout off.   ids (B, T), targets (B, S)

        The S <= T targets are those of the last S positions: the others are read, not scored.
        """
        targets = self.check_ids(targets)
        logits, _ = self.forward(ids, keep=False, last=targets.shape[1])
        return cross_entropy_forward(logits, targets, out=logits)[0]

    def loss_and_gradients(
        self,
        ids: Array,
        targets: Array,
        g: Tree,
        *,
        count: int | None = None,
        masks: DropoutMasks | None = None,
        accumulate: bool = False,
    ) -> float:
        """The loss, with its gradients written (or added) into g.   ids, targets (B, T)

        `count` is the number of tokens in the global batch (default: of these ids), so that the
        losses and gradients of parts of a batch add up to those of the whole.
        """
        logits, cache = self.forward(ids, masks=masks)
        loss, loss_cache = cross_entropy_forward(
            logits, self.check_ids(targets), count=count, out=logits
        )
        self.backward(cross_entropy_backward(1.0, loss_cache), cache, g, accumulate=accumulate)
        return loss
