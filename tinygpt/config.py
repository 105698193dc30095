"""What a model, a training run and a sample are made of: frozen dataclasses that check themselves.

Every field carries its `help` in the metadata, so the command line, the TOML file and `--explain`
all speak from this one table.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tinygpt.errors import ConfigError


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ConfigError(message)


MOST_THREADS = 1024  # the system may refuse to start more

# the largest whole numbers that are taken (others 10**9): what NumPy can still count
_MOST = {"seed": 2**63 - 1, "n_layer": 4096, "n_embd": 1 << 20, "threads": MOST_THREADS}


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT. Names as in nanoGPT.

    Raises ConfigError when a size is not positive, n_embd is not a multiple of n_head, or dropout
    is outside [0, 1).
    """

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.0
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            value = getattr(self, name)
            _require(
                type(value) is int and value > 0,
                f"{name} is {value!r:.40}; it must be a whole number of at least 1",
            )
            most = _MOST.get(name, 10**9)
            _require(value <= most, f"{name} is above {most:,}, the most that is taken; lower it")
        _require(
            self.n_embd % self.n_head == 0,
            f"n_embd is {self.n_embd} and n_head is {self.n_head}; "
            "choose n_embd as a multiple of n_head",
        )
        _require_dropout(self.dropout)


def _require_dropout(dropout: float) -> None:
    _require(0.0 <= dropout < 1.0, f"dropout is {dropout}; it must be at least 0 and below 1")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, and so everything that a run's config.toml holds.

    Lengths of time are counted in optimiser steps. Raises ConfigError on values that cannot be.
    """

    data: str = _setting("python", "text to learn: a file, a folder, or a recipe's name")
    run_name: str = _setting("run", "the run's folder is checkpoints/RUN_NAME")
    tokenizer: str = _setting("bpe", "how text becomes token ids: bpe, bytes, char or gpt2")
    vocab_size: int = _setting(
        1024, "token ids that bpe learns at most, end-of-text included (the others ignore it)"
    )
    init_from: str | None = _setting(
        None,
        "fine-tune this checkpoint, keeping its tokenizer and shape (default: begin at random)",
    )
    val_file: str | None = _setting(None, "held-out text (default: the last 10 %% of the data)")
    windows: str = _setting(
        "anywhere",
        "where a training window may begin: anywhere, or at documents (short texts that end with "
        "a line <|endoftext|>; held-out ones are then measured one by one)",
    )

    n_layer: int = _setting(4, "number of transformer blocks")
    n_head: int = _setting(4, "attention heads per block")
    n_embd: int = _setting(128, "channels: the width of every position's vector")
    block_size: int = _setting(64, "context length in tokens")
    dropout: float = _setting(0.0, "share of activations dropped while training")
    recompute: bool = _setting(
        False, "keep only each block's input and recompute the rest in backward: less memory"
    )

    steps: int | None = _setting(None, "optimiser steps (default 2000, unless --epochs is given)")
    epochs: float | None = _setting(None, "passes over the training text, instead of --steps")
    batch_size: int = _setting(12, "sequences per micro-batch")
    accumulate: int = _setting(1, "micro-batches whose gradients are added before each step")
    lr: float = _setting(1e-3, "highest learning rate")
    min_lr: float = _setting(1e-4, "learning rate at the end of the cosine")
    warmup: int = _setting(100, "steps over which the learning rate rises from 0")
    beta1: float = _setting(0.9, "AdamW: memory of the gradient's mean")
    beta2: float = _setting(0.99, "AdamW: memory of the gradient's square")
    eps: float = _setting(1e-8, "AdamW: added to the root of the mean square")
    weight_decay: float = _setting(0.1, "AdamW: decoupled decay of every matrix")
    clip: float = _setting(1.0, "largest global norm of the gradient (0: no clipping)")

    seed: int = _setting(1337, "seed of weights, batches, dropout and samples")
    device: str = _setting("auto", "where to compute: auto, cpu or gpu")
    dtype: str = _setting("float32", "arithmetic: float32 or float64")
    threads: int = _setting(0, "worker threads (0: one per core)")

    log_every: int = _setting(10, "steps between lines of log.jsonl")
    eval_every: int = _setting(250, "steps between measurements of the validation loss")
    sample_every: int = _setting(500, "steps between samples of text (0: none)")
    save_every: int = _setting(1000, "steps between the files stepNNNNNNN.h5 (0: none)")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = _MOST.get(name, 10**9)
            _require(
                not isinstance(value, int) or value <= most,
                f"{name} is too large; it must be at most {most:,}",
            )
        for name in ("n_layer", "n_head", "n_embd", "block_size", "batch_size", "accumulate",
                     "log_every", "eval_every"):  # fmt: skip
            value = getattr(self, name)
            _require(value >= 1, f"{name} is {value}; it must be at least 1")
        for name in ("warmup", "weight_decay", "clip", "seed", "threads", "sample_every",
                     "save_every", "min_lr"):  # fmt: skip
            value = getattr(self, name)
            _require(
                math.isfinite(value) and value >= 0, f"{name} is {value}; it must be at least 0"
            )
        for name in ("lr", "eps"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, f"{name} is {value}; it must be above 0")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            _require(0 <= value < 1, f"{name} is {value}; it must be at least 0 and below 1")
        _require(
            self.vocab_size >= 257,
            f"vocab_size is {self.vocab_size}; bpe needs at least 257: the bytes and end-of-text",
        )
        _require(
            self.min_lr <= self.lr, f"min_lr is {self.min_lr}, above lr = {self.lr}; lower min_lr"
        )
        _require(
            self.steps is None or self.epochs is None,
            "both steps and epochs are given; a run's length is one or the other",
        )
        _require(
            self.steps is None or self.steps >= 1, f"steps is {self.steps}; it must be at least 1"
        )
        _require(
            self.epochs is None or (math.isfinite(self.epochs) and self.epochs > 0),
            f"epochs is {self.epochs}; it must be above 0",
        )
        for name in ("val_file", "init_from"):
            given = getattr(self, name) != ""
            _require(given, f"{name} is empty; name a file, or leave it out")
        _require_dropout(self.dropout)
        _require_one_of("windows", self.windows, ("anywhere", "documents"))
        _require_one_of("dtype", self.dtype, ("float32", "float64"))
        _require_one_of("device", self.device, ("auto", "cpu", "gpu"))
        self.model_config(vocab_size=1)

    def model_config(self, vocab_size: int) -> ModelConfig:
        """The model that this run trains, once the tokenizer has said how many ids there are."""
        return ModelConfig(
            vocab_size=vocab_size,
            block_size=self.block_size,
            n_layer=self.n_layer,
            n_head=self.n_head,
            n_embd=self.n_embd,
            dropout=self.dropout,
            recompute=self.recompute,
        )


def _require_one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    _require(value in choices, f"{name} is {value!r}; choose one of {', '.join(choices)}")


@dataclass(frozen=True)
class SamplingConfig:
    """How the next token is chosen, and when generation stops.

    `eos_id` None means the tokenizer's end-of-text, -1 means never; `window_hop` None means a
    quarter of block_size. One text will do for `stop`. Raises ConfigError for a value of another
    type or out of its range.
    """

    max_new_tokens: int = _setting(256, "tokens to generate at most")
    temperature: float = _setting(
        0.8, "above 1 is wilder, below 1 is safer, 0 always takes the likeliest"
    )
    top_k: int | None = _setting(None, "keep only the K likeliest tokens")
    top_p: float | None = _setting(None, "keep the smallest set of tokens with this probability")
    min_p: float | None = _setting(
        None, "keep only tokens with at least this share of the likeliest one's probability"
    )
    repetition_penalty: float = _setting(1.0, "above 1 makes tokens already seen less likely")
    presence_penalty: float = _setting(
        0.0, "taken from the logit of every token generated so far, once"
    )
    frequency_penalty: float = _setting(0.0, "the same, for each time it was generated")
    stop: tuple[str, ...] = _setting((), "end before this text, which is not shown")
    eos_id: int | None = _setting(None, "token id that ends the text (-1: none)")
    stop_ids: tuple[int, ...] = _setting((), "end before this token id too")
    window_hop: int | None = _setting(
        None,
        "tokens by which a full context moves on; 1 is slow and forgets least (default: a quarter)",
    )
    logprobs: int | None = _setting(
        None, "keep each token's log-probability, and those of the N likeliest"
    )

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        self._require_types()
        _require(
            self.max_new_tokens >= 1,
            f"max_new_tokens is {self.max_new_tokens}; it must be at least 1",
        )
        _require(
            math.isfinite(self.temperature) and self.temperature >= 0,
            f"temperature is {self.temperature}; it must be 0 (greedy) or above",
        )
        _require(
            self.top_k is None or self.top_k >= 1,
            f"top_k is {self.top_k}; it must be at least 1 (leave it out to keep every token)",
        )
        _require(
            self.top_p is None or 0 < self.top_p <= 1,
            f"top_p is {self.top_p}; it must be above 0 and at most 1",
        )
        _require(
            self.min_p is None or 0 <= self.min_p <= 1,
            f"min_p is {self.min_p}; it must be at least 0 (which is off) and at most 1",
        )
        _require(
            math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0,
            f"repetition_penalty is {self.repetition_penalty}; it must be above 0 (1 is off)",
        )
        for name in ("presence_penalty", "frequency_penalty"):
            value = getattr(self, name)
            _require(
                -100 <= value <= 100, f"{name} is {value}; it must be from -100 to 100 (0 is off)"
            )
        _require(
            self.window_hop is None or self.window_hop >= 1,
            f"window_hop is {self.window_hop}; it must be from 1 to the model's block_size",
        )
        _require(
            self.logprobs is None or self.logprobs >= 0,
            f"logprobs is {self.logprobs}; it must be at least 0 (the chosen token alone)",
        )
        _require("" not in self.stop, "a stop string is empty; give at least one character")

    @cached_property
    def is_plain(self) -> bool:
        """Is a temperature above 0 all that shapes the distribution?"""
        penalties = (self.presence_penalty, self.frequency_penalty, self.repetition_penalty)
        filters = (self.top_k, self.top_p, self.min_p)
        unfiltered = filters == (None, None, None)
        return self.temperature > 0 and penalties == (0, 0, 1) and unfiltered

    def _require_types(self) -> None:
        optional = ("top_k", "top_p", "min_p", "eos_id", "window_hop", "logprobs")
        for name in ("max_new_tokens", "top_k", "eos_id", "window_hop", "logprobs"):
            value = getattr(self, name)
            _require(
                type(value) is int or (value is None and name in optional),
                f"{name} is {value!r:.40}; it must be a whole number",
            )
        for name in ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty",
                     "frequency_penalty"):  # fmt: skip
            value = getattr(self, name)
            _require(
                type(value) in (int, float) or (value is None and name in optional),
                f"{name} is {value!r:.40}; it must be a number",
            )
        for name, kind, what in (("stop", str, "texts"), ("stop_ids", int, "whole numbers")):
            value = getattr(self, name)
            _require(
                isinstance(value, tuple) and all(type(one) is kind for one in value),
                f"{name} is {value!r:.40}; it must be a tuple of {what}",
            )
