"""The same model in two vocabularies: config.json <-> ModelConfig, and the tensors' names."""

from pathlib import Path
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.convert.folder import read_json, require
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.params import param_shapes

# what we compute, and what GPT-2 takes when the key is not there
_COMPUTED = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),  # two names of one formula
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "reorder_and_upcast_attn": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
_SIZES = {
    "vocab_size": "vocab_size",
    "block_size": "n_positions",
    "n_layer": "n_layer",
    "n_head": "n_head",
    "n_embd": "n_embd",
}
_PARTS = {
    "wte": "wte", "wpe": "wpe", "lnf": "ln_f", "ln1": "ln_1", "ln2": "ln_2", "qkv": "c_attn",
    "proj": "c_proj", "fc": "c_fc", "w": "weight", "b": "bias",
}  # fmt: skip


def read_config(folder: Path) -> ModelConfig:
    """The model that config.json describes, without dropout: a run chooses its own.

    Raises CheckpointError unless it is a plain GPT-2.
    """
    path = folder / "config.json"
    values = read_json(path)
    require("model_type" in values, f"{path} names no model_type; a GPT-2's says gpt2")
    for name, computed in _COMPUTED.items():
        value = values.get(name, computed[0])
        require(
            value in computed,
            f"{path} has {name} = {value!r:.60} and tinygpt computes {computed[0]!r} alone; "
            "convert a plain GPT-2",
        )
    for theirs in _SIZES.values():
        require(theirs in values, f"{path} lacks {theirs}; fetch the whole file")
    try:
        config = ModelConfig(**{ours: values[theirs] for ours, theirs in _SIZES.items()})
    except ConfigError as error:
        raise CheckpointError(f"{path} describes no model: {error}") from error
    inner = values.get("n_inner")
    require(
        inner in (None, 4 * config.n_embd),
        f"{path} has n_inner = {inner!r:.40} and tinygpt computes 4 * n_embd = "
        f"{4 * config.n_embd} alone; convert a plain GPT-2",
    )
    return config


def config_values(config: ModelConfig, eot_id: int | None) -> dict[str, Any]:
    """What config.json says of this model."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        **{name: computed[0] for name, computed in _COMPUTED.items()},
        **{theirs: getattr(config, ours) for ours, theirs in _SIZES.items()},
        "n_inner": None,
        "attn_pdrop": 0.0,  # ours acts after the embeddings and on the two branches of a block
        **{f"{where}_pdrop": config.dropout for where in ("embd", "resid")},
        "bos_token_id": eot_id,
        "eos_token_id": eot_id,
    }


def tensor_names(config: ModelConfig) -> dict[str, str]:
    """Path of every parameter -> what GPT-2 calls it.

    >>> config = ModelConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=4)
    >>> tensor_names(config)["h.0.attn.qkv.w"], tensor_names(config)["wte"]
    ('h.0.attn.c_attn.weight', 'wte.weight')
    """
    names = {}
    for path in param_shapes(config):
        name = ".".join(_PARTS.get(part, part) for part in path.split("."))
        names[path] = f"{name}.weight" if path in ("wte", "wpe") else name
    return names
