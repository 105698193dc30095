"""Keys and values of the past, so that a new token is computed alone.

The texts of a batch need not be equally long: each lies at the left of its row, so that a token's
column is its position, and `lengths` says where each ends. What is to the right of that is no
part of the text; a mask hides it.
"""

import copy
import math
from typing import Any, NamedTuple

import numpy as np

from tinygpt.backend import Array, to_device
from tinygpt.config import ModelConfig


class LayerCache(NamedTuple):
    """One block's part of the cache, and where the new tokens go.

    keys, values (B, H, block_size, D); rows (B, 1) and positions (B, T) of the new tokens;
    mask (B, 1, T, end) as attention takes it, or None where all texts are equally long
    """

    keys: Array
    values: Array
    rows: Array
    positions: Array
    end: int
    mask: Array | None

    def append(self, k: Array, v: Array) -> tuple[Array, Array]:
        """Store the new k, v (B, H, T, D); return all keys and values up to the longest text's
        end as views (B, H, end, D)."""
        new = (self.rows, slice(None), self.positions)  # (B, T, H, D): indexed axes come first
        self.keys[new] = k.transpose(0, 2, 1, 3)
        self.values[new] = v.transpose(0, 2, 1, 3)
        return self.keys[:, :, : self.end], self.values[:, :, : self.end]


class KVCache:
    """Preallocated keys and values of every block, for a batch of texts.

    `lengths` (B,), on the host, is how many positions of each row are filled: the position of
    its next token. `GPT.forward` fills and advances it. To shorten or forget a row's text, lower
    its length.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch: int = 1,
        *,
        xp: Any = np,
        dtype: Any = np.float32,
    ) -> None:
        D = config.n_embd // config.n_head
        shape = (config.n_layer, batch, config.n_head, config.block_size, D)
        self.keys, self.values = xp.zeros(shape, dtype), xp.zeros(shape, dtype)
        self.lengths = np.zeros(batch, np.int64)
        self._xp = xp

    def positions(self, T: int) -> Array:
        """Where the next T tokens of every text go, (B, T) on the host."""
        return self.lengths[:, None] + np.arange(T)

    def layers(self, T: int) -> list[LayerCache]:
        """Every block's keys and values, with the places of T new tokens."""
        positions = self.positions(T)
        end = int(positions.max()) + 1
        mask = None
        if self.lengths.min() < self.lengths.max():
            unseen = np.arange(end) > positions[:, None, :, None]  # (B, 1, T, end)
            mask = to_device(np.where(unseen, -math.inf, 0.0).astype(self.keys.dtype), self._xp)
        rows = to_device(np.arange(len(positions))[:, None], self._xp)
        columns = to_device(positions, self._xp)
        return [
            LayerCache(keys, values, rows, columns, end, mask)
            for keys, values in zip(self.keys, self.values, strict=True)
        ]

    def rows(self, start: int, stop: int) -> "KVCache":
        """The rows from start to stop alone, a batch of their own in the same memory."""
        part = copy.copy(self)
        part.keys, part.values = self.keys[:, start:stop], self.values[:, start:stop]
        part.lengths = self.lengths[start:stop]
        return part

    def copy_row(self, source: int, target: int) -> None:
        """Make the text of one row that of another too."""
        length = self.lengths[source]
        for rows in (self.keys, self.values):
            rows[:, target, :, :length] = rows[:, source, :, :length]
        self.lengths[target] = length
