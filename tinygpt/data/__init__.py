"""Text to train on: recipes, files and folders; token files; batches and windows.

Names resolve when they are first used, so that `python -m tinygpt.data --help` answers at once.
"""

import importlib
from typing import Any

_HOME = {
    "RECIPES": "sources",
    "Source": "sources",
    "find_source": "sources",
    "TokenFile": "tokens",
    "encode_corpus": "tokens",
    "write_tokens": "tokens",
    "Batches": "batches",
    "split_texts": "batches",
    "split_validation": "batches",
    "document_starts": "documents",
    "whole_documents": "documents",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tinygpt.data' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tinygpt.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
