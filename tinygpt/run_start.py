"""Where a run starts: in a new folder, or at the latest.h5 of a folder that has one.

run = start_run(config, folder)          or: resume_run(folder, changes)
run.train(progress)
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinygpt.checkpoint import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.corpus import prepare_text
from tinygpt.errors import CheckpointError, ConfigError, DataError
from tinygpt.fine_tuning import load_beginning, text_of
from tinygpt.plot import read_log
from tinygpt.run_settings import config_toml
from tinygpt.run_state import read_run_state
from tinygpt.threads import written_beside
from tinygpt.training import Run, tokens_per_step

DEFAULT_STEPS = 2000
CHANGEABLE = ("steps", "epochs", "threads", "device", "run_name")  # when a run is resumed


def schedule_length(config: TrainConfig, n_train: int) -> int:
    """The run's optimiser steps, from --steps or --epochs (rounded up).

    >>> schedule_length(TrainConfig(epochs=2, batch_size=10, block_size=10), n_train=450)
    9
    """
    if config.epochs is not None:
        steps = config.epochs * n_train / tokens_per_step(config)
        if steps > 10**9:
            raise ConfigError(f"epochs is {config.epochs}: {steps:.3g} steps; give fewer epochs")
        return math.ceil(steps)
    return DEFAULT_STEPS if config.steps is None else config.steps


def start_run(config: TrainConfig, folder: Path) -> Run:
    """A new run in a new folder.   Raises ConfigError when a run lives there already."""
    if (folder / "latest.h5").exists():
        raise ConfigError(
            f"there is already a run in {folder}; add --resume to go on with it, or choose "
            "another --run-name"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; choose another --run-name")
    beginning = load_beginning(config)
    text = text_of(config, beginning)
    steps = schedule_length(config, len(text.train))
    run = Run(config, folder, text, steps=steps, beginning=beginning)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").write_text("", encoding="utf-8")
    (folder / "config.toml").write_text(config_toml(config), encoding="utf-8")
    return run


def resume_run(folder: Path, changes: Mapping[str, Any]) -> Run:
    """The run in this folder at its latest.h5, with `changes` to its settings.

    Raises CheckpointError when there is none, ConfigError when a change is not one of steps,
    epochs, threads and device, DataError when the text is no longer the one it learnt from.
    """
    latest = folder / "latest.h5"
    if not latest.exists():
        raise CheckpointError(
            f"there is no {latest} to resume from; leave --resume out to start a new run"
        )
    checkpoint = load_checkpoint(latest, optimizer=True, verify=True)
    state = read_run_state(checkpoint)
    steps = state.steps
    config = _changed(state.config, changes)
    text = prepare_text(config, checkpoint.tokenizer)
    if text.sha256 != state.sha256:
        raise DataError(
            f"the text of {config.data!r} has changed since this run began (another SHA-256); "
            "restore it, or start a new run with another --run-name"
        )
    if "steps" in changes or "epochs" in changes:
        steps = schedule_length(config, len(text.train))
    if steps < state.step:
        raise ConfigError(
            f"the run has done {state.step} steps already; --steps must be above that"
        )
    run = Run(config, folder, text, steps=steps, checkpoint=checkpoint)
    (folder / "config.toml").write_text(config_toml(config), encoding="utf-8")
    _cut_log(folder / "log.jsonl", state.step)
    return run


def _changed(stored: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The stored settings with the allowed changes."""
    allowed = {name: value for name, value in changes.items() if name in CHANGEABLE}
    for name, value in changes.items():
        if name not in allowed and value != getattr(stored, name):
            raise ConfigError(
                f"the run was begun with {name} = {getattr(stored, name)!r} and --resume cannot "
                f"change it to {value!r}; leave --{name.replace('_', '-')} out, or start a new run"
            )
    if "steps" in allowed or "epochs" in allowed:
        allowed = {"steps": None, "epochs": None} | allowed
    return replace(stored, **allowed)


def _cut_log(path: Path, step: int) -> None:
    """Forget what was logged after the checkpoint: those steps will be taken, and logged, again."""
    kept = [e for e in read_log(path) if e["step"] <= step] if path.exists() else []
    with written_beside(path) as file:
        file.write("".join(json.dumps(e) + "\n" for e in kept).encode())
