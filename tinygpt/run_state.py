"""What a checkpoint says of the run that wrote it, read as a file that may lie."""

import math
from typing import Any, NamedTuple

from tinygpt.checkpoint.read import Checkpoint, Outline
from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.run_settings import checked


class RunState(NamedTuple):
    """Where a run stood: the settings it was begun with, the hash of its text, its counts (in
    optimiser steps) and its losses (nats per token, nan where nothing was measured)."""

    config: TrainConfig
    sha256: str
    steps: int
    step: int
    optimizer_t: int
    best_step: int
    loss: float
    val_loss: float
    best_val_loss: float
    workers: int | None = None  # threads that took its last steps, if it says so


def read_run_state(checkpoint: Checkpoint | Outline) -> RunState:
    """Raises CheckpointError unless tinygpt.train can have written it."""
    data = checkpoint.state.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("sha256"), str):
        raise _foreign(checkpoint, "it does not name its text")
    state = RunState(
        _config(checkpoint),
        data["sha256"],
        *(_count(checkpoint, name) for name in ("steps", "step", "optimizer_t", "best_step")),
        *(_loss(checkpoint, name) for name in ("loss", "val_loss", "best_val_loss")),
    )
    if "workers" in checkpoint.state:
        return state._replace(workers=_count(checkpoint, "workers"))
    return state


def measured_by_documents(checkpoint: Checkpoint | Outline) -> bool:
    """Whether it comes from a run of --windows documents."""
    settings = checkpoint.state.get("train_config")
    return isinstance(settings, dict) and settings.get("windows") == "documents"


def _config(checkpoint: Checkpoint | Outline) -> TrainConfig:
    settings = checkpoint.state.get("train_config")
    if not isinstance(settings, dict):
        raise _foreign(checkpoint, "it has no settings")
    try:
        given = {name: value for name, value in settings.items() if value is not None}
        return TrainConfig(**checked(given, "its settings"))
    except (ConfigError, TypeError) as error:
        raise _foreign(checkpoint, str(error)) from error


def _count(checkpoint: Checkpoint | Outline, name: str) -> int:
    value: Any = checkpoint.state.get(name)
    if type(value) is not int or not 0 <= value <= 10**9:
        raise _foreign(checkpoint, f"its {name} is {value!r:.40}")
    return int(value)


def _loss(checkpoint: Checkpoint | Outline, name: str) -> float:
    value: Any = checkpoint.state.get(name)
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _foreign(checkpoint, f"its {name} is {value!r:.40}")
    return float(value)


def _foreign(checkpoint: Checkpoint | Outline, why: str) -> CheckpointError:
    return CheckpointError(
        f"{checkpoint.path} was not written by tinygpt.train, or is damaged ({why}); name another "
        "checkpoint, or start a new run"
    )
