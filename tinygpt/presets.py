"""Named settings: `--preset NAME` fills in what neither the file nor a flag says.

A preset is a short description and a dict of TrainConfig's fields.
"""

from typing import Any, NamedTuple


class Preset(NamedTuple):
    """What the preset is for (one line of --help), and the settings it makes."""

    purpose: str
    settings: dict[str, Any]


PRESETS = {
    "tiny": Preset(
        "seconds: a first try, and what the tests run",
        {
            "tokenizer": "bytes", "n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 32,
            "batch_size": 8, "steps": 300, "warmup": 10, "lr": 3e-3, "min_lr": 3e-4,
            "eval_every": 100, "sample_every": 150,
        },
    ),
    "shakespeare-char-cpu": Preset(
        "about a minute: nanoGPT's CPU recipe, validation loss about 1.89",
        {
            "data": "shakespeare", "tokenizer": "char", "n_layer": 4, "n_head": 4, "n_embd": 128,
            "block_size": 64, "batch_size": 12, "steps": 2000, "warmup": 100, "lr": 1e-3,
            "min_lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1, "clip": 1.0,
            "dropout": 0.0,
        },
    ),
    "shakespeare-char": Preset(
        "about 25 minutes on two cores: 10 million tokens, validation loss about 1.51",
        {
            "data": "shakespeare", "tokenizer": "char", "n_layer": 4, "n_head": 4, "n_embd": 256,
            "block_size": 128, "batch_size": 32, "steps": 2440, "warmup": 100, "lr": 1e-3,
            "min_lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1, "clip": 1.0,
            "dropout": 0.0,
        },
    ),
    "tales": Preset(
        "the shipped model, about an hour on two cores; needs data/tales.txt (see README)",
        {
            "data": "data/tales.txt", "val_file": "data/tales-held-out.txt",
            "windows": "documents", "tokenizer": "bpe", "vocab_size": 2048, "n_layer": 4,
            "n_head": 7, "n_embd": 224, "block_size": 240, "batch_size": 12, "steps": 13200,
            "warmup": 200, "lr": 2e-3, "min_lr": 2e-5, "eval_every": 1000, "sample_every": 2000,
            "save_every": 0,
        },
    ),
}  # fmt: skip


def describe_presets() -> str:
    """One line a preset, for `--help`."""
    width = max(map(len, PRESETS))
    return "\n".join(f"  {name:{width}}  {preset.purpose}" for name, preset in PRESETS.items())
