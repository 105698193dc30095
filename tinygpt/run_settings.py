"""Where a run's settings come from: presets < TOML file < flags, every one typed and known.

`TrainConfig` is the only list of settings: the flags, the keys of the file and the lines of
config.toml are all made from its fields.
"""

import argparse
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import Any

from tinygpt.config import TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS

GROUPS = {
    "what to learn, and its name": (
        "data", "run_name", "init_from", "tokenizer", "vocab_size", "val_file", "windows",
    ),
    "the model": ("n_layer", "n_head", "n_embd", "block_size", "dropout", "recompute"),
    "how long, and how fast it learns": (
        "steps", "epochs", "batch_size", "accumulate", "lr", "min_lr", "warmup", "beta1", "beta2",
        "eps", "weight_decay", "clip",
    ),
    "where it computes": ("seed", "device", "dtype", "threads"),
    "what you see on the way": ("log_every", "eval_every", "sample_every", "save_every"),
}  # fmt: skip

_KINDS = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}


def _types() -> dict[str, type]:
    """The plain type of every setting: `steps: int | None` -> int."""
    hints = typing.get_type_hints(TrainConfig)
    return {
        name: next(t for t in typing.get_args(hint) if t is not types.NoneType)
        if isinstance(hint, types.UnionType)
        else hint
        for name, hint in hints.items()
    }


def add_flags(parser: argparse.ArgumentParser) -> None:
    """One flag for every field of TrainConfig; what is not given leaves no trace (SUPPRESS)."""
    by_name: dict[str, Field[Any]] = {field.name: field for field in fields(TrainConfig)}
    kinds = _types()
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            flag = "--" + name.replace("_", "-")
            default = by_name[name].default
            text = by_name[name].metadata["help"]
            if default is not None and default is not MISSING:
                text += f" (default {_toml_value(default)})"
            if kinds[name] is bool:
                group.add_argument(
                    flag,
                    action=argparse.BooleanOptionalAction,
                    default=argparse.SUPPRESS,
                    help=text,
                )
            else:
                group.add_argument(
                    flag,
                    type=kinds[name],
                    default=argparse.SUPPRESS,
                    help=text,
                    metavar=_METAVARS.get(name) or _metavar(kinds[name]),
                )


_METAVARS = {
    "data": "SOURCE",
    "run_name": "NAME",
    "init_from": "CHECKPOINT",
    "val_file": "PATH",
    "tokenizer": "{bpe,bytes,char,gpt2}",
    "windows": "{anywhere,documents}",
    "device": "{auto,cpu,gpu}",
    "dtype": "{float32,float64}",
}


def _metavar(kind: type) -> str:
    return {int: "N", float: "X"}.get(kind, "TEXT")


def given_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that the command line named."""
    known = {field.name for field in fields(TrainConfig)}
    return {name: value for name, value in vars(arguments).items() if name in known}


def read_config_file(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file, known and of the right type.   Raises ConfigError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the settings file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the settings file {path} is not UTF-8 text; save it as UTF-8"
        ) from error
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}; write lines as: lr = 1e-3"
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deep, or a number of 5,000 digits
        raise ConfigError(f"{path} cannot be read as TOML: {error}") from error
    return checked(settings, str(path))


def checked(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same settings with their types seen to.   Raises ConfigError naming the key.

    >>> checked({"batch-size": 8, "lr": 1, "device": "cuda"}, "run.toml")
    {'batch_size': 8, 'lr': 1.0, 'device': 'gpu'}
    """
    kinds = _types()
    result = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in kinds:
            raise ConfigError(f"{where}: there is no setting {key!r}{_closest(name, kinds)}")
        result[name] = _converted(name, value, kinds[name], where)
    return result


def _closest(name: str, known: Iterable[str], kind: str = "settings") -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; `--help` lists the {kind}"


def _converted(name: str, value: Any, kind: type, where: str) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{where}: {name} is {value!r}; it must be {_KINDS[kind]}")
    if name == "device" and value == "cuda":
        return "gpu"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"{where}: {name} is {value!r}, which is not valid UTF-8") from None
    return value


def preset_settings(name: str) -> dict[str, Any]:
    """What a preset says.   Raises ConfigError when there is none of that name."""
    if name not in PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}{_closest(name, PRESETS, 'presets')} "
            f"(presets: {', '.join(PRESETS)})"
        )
    return dict(PRESETS[name].settings)


def collect(
    preset: str | None, config_file: str | Path | None, flags: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything said, the later winning: preset < file < flags.   Raises ConfigError.

    Steps and epochs are two ways to say one thing, so naming one unsays an earlier other.
    """
    layers = [
        preset_settings(preset) if preset is not None else {},
        read_config_file(config_file) if config_file is not None else {},
        checked(flags, "command line"),
    ]
    said: dict[str, Any] = {}
    for layer in layers:
        if "steps" in layer or "epochs" in layer:
            said.pop("steps", None)
            said.pop("epochs", None)
        said.update(layer)
    return said


def run_folder(run_name: str) -> Path:
    """`checkpoints/RUN_NAME` under the current folder.   Raises ConfigError on a bad name."""
    if not run_name or run_name in (".", "..") or any(c in run_name for c in "/\\\0\n"):
        raise ConfigError(
            f"the run's name is {run_name!r}; it names a folder inside checkpoints/, so it "
            "must not be empty and must not contain a slash"
        )
    return Path("checkpoints") / run_name


def config_toml(config: TrainConfig) -> str:
    """The text of config.toml: read back through `--config`, it gives the same run."""
    values = asdict(config)
    notes = {f.name: f.metadata["help"].replace("%%", "%") for f in fields(config)}
    lines = []
    for title, names in GROUPS.items():
        lines += ["", f"# {title}"]
        for name in names:
            if values[name] is None:  # TOML has no null: leaving the key out means the same
                continue
            lines.append(f"{f'{name} = {_toml_value(values[name])}':32}  # {notes[name]}")
    return "\n".join(lines[1:]) + "\n"


def _toml_value(value: Any) -> str:
    """A value as TOML writes it; JSON's strings, numbers and booleans are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
