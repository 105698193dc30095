"""GPT-2 in and out: a folder as Hugging Face keeps it <-> one tinygpt checkpoint.

    folder.py         the folder's JSON files
    architecture.py   config.json, and what each tensor is called there
    weights.py        safetensors <-> the flat array
    vocabulary.py     vocab.json and merges.txt, or tokenizer.json <-> a tokenizer
    gpt2.py           from_gpt2, to_gpt2: all of it, or nothing

NumPy and safetensors are enough; neither PyTorch nor transformers is needed.
"""

import importlib
from typing import Any

__all__ = ["from_gpt2", "to_gpt2"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'tinygpt.convert' has no attribute {name!r}")
    return getattr(importlib.import_module("tinygpt.convert.gpt2"), name)


def __dir__() -> list[str]:
    return __all__
