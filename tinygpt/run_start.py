"""Where a run starts: in a new folder, or at the latest.h5 of a folder that has one.

    with start_run(config, folder) as run:          or: resume_run(folder, changes)
        run.train(progress)

Within the block no other process can start or resume the run.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinygpt.checkpoint import load_checkpoint, read_outline
from tinygpt.checkpoint.read import Outline
from tinygpt.config import TrainConfig
from tinygpt.corpus import prepare_text
from tinygpt.errors import CheckpointError, ConfigError, DataError, TinyGPTError
from tinygpt.fine_tuning import load_beginning, text_of
from tinygpt.plot import read_log
from tinygpt.run_settings import config_toml
from tinygpt.run_state import read_run_state
from tinygpt.threads import locked, written_beside
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


@contextmanager
def start_run(config: TrainConfig, folder: Path) -> Iterator[Run]:
    """A new run in a new folder.

    Raises ConfigError when a run lives there already, or another process trains it.
    """
    _check_new(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; choose another --run-name")
    run = _new_run(config, folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _check_new(folder)  # another process may have trained while this one read the text
        (folder / "log.jsonl").write_text("", encoding="utf-8")
        (folder / "config.toml").write_text(config_toml(config), encoding="utf-8")
        yield run


def _new_run(config: TrainConfig, folder: Path) -> Run:
    """At step 0, nothing written; what was loaded to begin from is let go of before training."""
    beginning = load_beginning(config)
    text = text_of(config, beginning)
    steps = schedule_length(config, len(text.train))
    return Run(config, folder, text, steps=steps, beginning=beginning)


def _check_new(folder: Path) -> None:
    if (folder / "latest.h5").exists():
        raise ConfigError(
            f"there is already a run in {folder}; add --resume to go on with it, or choose "
            "another --run-name"
        )
    if found := newest_with_optimizer(folder):
        raise ConfigError(
            f"{folder} has {found.path.name} of an earlier run and no latest.h5; choose another "
            "--run-name, or to go on with it copy that file to latest.h5 and add --resume"
        )
    if others := sorted(folder.glob("*.h5")):
        raise ConfigError(
            f"{folder} has {others[0].name} of an earlier run and nothing to resume it from; "
            "choose another --run-name, and to begin from the weights of that file add --init-from "
            f"{others[0].with_suffix('')}"
        )


def newest_with_optimizer(folder: Path) -> Outline | None:
    """The checkpoint of a run's folder with the most steps of those that it can go on from."""
    outlines = []
    for path in sorted(folder.glob("*.h5")):
        with suppress(TinyGPTError):  # damaged, or of another program
            outlines.append(read_outline(path))
    return max((each for each in outlines if each.optimizer), key=steps_done, default=None)


def steps_done(outline: Outline) -> int:
    """Optimiser steps, as its state says; 0 where it does not."""
    step = outline.state.get("step")
    return step if type(step) is int else 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from the run, which would write the same files."""
    lock = folder / ".lock"
    if lock.exists() and not lock.is_file():
        raise ConfigError(f"{lock} is not a file; remove it")
    with locked(lock) as alone:
        if not alone:
            raise ConfigError(
                f"another process is training the run in {folder}; wait for its end or stop it "
                "with Ctrl-C, or choose another --run-name"
            )
        yield


@contextmanager
def resume_run(folder: Path, changes: Mapping[str, Any]) -> Iterator[Run]:
    """The run in this folder at its latest.h5, with `changes` to its settings.

    Raises CheckpointError when there is none, ConfigError when a change is not one of steps,
    epochs, threads and device or another process trains it, DataError when the text is no longer
    the one it learnt from.
    """
    latest = folder / "latest.h5"
    if not latest.exists():
        _check_new(folder)  # it may have another file to go on from
        raise CheckpointError(
            f"there is no {latest} to resume from; leave --resume out to start a new run"
        )
    with _alone(folder):
        yield _stored_run(folder, latest, changes)


def _stored_run(folder: Path, latest: Path, changes: Mapping[str, Any]) -> Run:
    """The run of a checkpoint, its settings and its log brought to where it goes on."""
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
