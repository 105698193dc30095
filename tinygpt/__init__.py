"""tinygpt: the GPT that you can read, derive, train, speak with and teach from, in plain NumPy.

Names resolve when they are first used (PEP 562), so that `import tinygpt` costs nothing and a
command's `--help` answers before NumPy is loaded.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "GPT": "model",
    "ModelConfig": "config",
    "SamplingConfig": "config",
    "TrainConfig": "config",
    "TinyGPTError": "errors",
    "ConfigError": "errors",
    "ShapeError": "errors",
    "VocabularyError": "errors",
    "DataError": "errors",
    "CheckpointError": "errors",
    "BackendError": "errors",
    "AssignmentError": "errors",
    "check": "lesson_checks",
    "check_gradients": "gradcheck",
    "hint": "lesson_checks",
    "load_model": "checkpoint",
    "save_checkpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "load_tokenizer": "tokenizers",
    "generate_batch": "generation",
    "generate_text": "generation",
    "stream_text": "generation",
}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tinygpt' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tinygpt.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
