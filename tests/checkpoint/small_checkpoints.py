"""What save_checkpoint is given for a tiny model."""

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.params import init_params
from tinygpt.tokenizers import CharTokenizer

CONFIG = ModelConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=8)


def arguments(seed=0, **changes):
    rng = np.random.default_rng(seed)
    flat = init_params(CONFIG, rng)
    flat += rng.standard_normal(flat.size, dtype=np.float32)  # so that no bias is zero
    m, v = flat * 2, flat * flat
    base = {
        "config": CONFIG,
        "flat": flat,
        "tokenizer": CharTokenizer("abcde"),
        "optimizer": (m, v),
        "state": {"step": 3, "losses": [2.5, 1.5], "rng": {"state": 2**127 + 1}},
    }
    return base | changes
