"""`python -m tinygpt.train`: train a GPT on any text."""

import contextlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from tinygpt.commands import Parser, has_colours, run
from tinygpt.errors import BackendError, ConfigError
from tinygpt.presets import describe_presets
from tinygpt.progress import Progress, write_unless_closed
from tinygpt.run_settings import add_flags, collect, given_flags, run_folder

if TYPE_CHECKING:  # --help answers before NumPy is loaded
    from pathlib import Path

    from tinygpt.training import Run

EXAMPLES = f"""\
  python -m tinygpt.train --preset tiny --run-name first          a first try, in seconds
  python -m tinygpt.train --data book.txt --run-name book         your own text
  python -m tinygpt.train --data book.txt --run-name book --explain     what would happen, and why
  python -m tinygpt.train --run-name book --resume                go on after Ctrl-C
  python -m tinygpt.train --run-name book --resume --steps 5000   train longer
  python -m tinygpt.train --init-from gpt2.h5 --data book.txt --run-name tuned --lr 1e-4
  python -m tinygpt.train --config checkpoints/book/config.toml --run-name again
  python -m tinygpt.train --task regression                       the gentlest first run

presets (a --config file overrides them, flags override both):
{describe_presets()}

Settings in a --config file are TOML lines such as: n_layer = 4"""


def build_parser() -> Parser:
    """The flags of this command: every setting of TrainConfig, and what to do with the run."""
    parser = Parser("train", "Train a GPT on your own text.", EXAMPLES)
    parser.add_argument("--preset", metavar="NAME", help="start from named settings (below)")
    parser.add_argument("--config", metavar="FILE", help="read settings from a TOML file")
    parser.add_argument("--resume", action="store_true", help="go on with the run of --run-name")
    parser.add_argument(
        "--stop-at", type=int, metavar="N", help="save after step N and leave, to resume later"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print size, memory and expected time; write nothing"
    )
    parser.add_argument(
        "--explain", action="store_true", help="explain this run in plain words; write nothing"
    )
    parser.add_argument(
        "--task",
        choices=("text", "regression"),
        default="text",
        help="text, or a small network on synthetic data: --steps, --lr, --seed (default text)",
    )
    add_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train; return the exit status.   Raises TinyGPTError."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    flags = given_flags(arguments)
    if arguments.task == "regression":
        return _regression(flags)
    if arguments.resume and (arguments.dry_run or arguments.explain):
        parser.error("--resume goes on with a run; leave out --dry-run and --explain")
    if arguments.stop_at is not None and arguments.stop_at < 1:
        parser.error(f"--stop-at is {arguments.stop_at}; give a step of at least 1")
    settings = collect(arguments.preset, arguments.config, flags)
    if arguments.dry_run or arguments.explain:
        return _look_ahead(settings, arguments)
    return _train(settings, arguments)


def _regression(flags: dict[str, Any]) -> int:
    from tinygpt import regression

    allowed = ("steps", "lr", "seed")
    if other := [name for name in flags if name not in allowed]:
        raise ConfigError(
            f"--task regression has no setting {other[0]!r}; it takes --steps, --lr and --seed"
        )
    regression.main([word for name in flags for word in (f"--{name}", str(flags[name]))])
    return 0


def _look_ahead(settings: dict[str, Any], arguments: Namespace) -> int:
    from tinygpt.config import TrainConfig
    from tinygpt.explain import dry_run, explain
    from tinygpt.fine_tuning import inherit
    from tinygpt.threads import keep_freed_memory

    keep_freed_memory()
    config = TrainConfig(**inherit(settings))
    run_folder(config.run_name)
    print(explain(config) if arguments.explain else dry_run(config))  # noqa: T201
    return 0


def _train(settings: dict[str, Any], arguments: Namespace) -> int:
    """Start or resume the run, and train it."""
    from tinygpt.config import TrainConfig
    from tinygpt.fine_tuning import inherit
    from tinygpt.run_start import resume_run, start_run
    from tinygpt.threads import keep_freed_memory

    keep_freed_memory()
    folder = run_folder(settings.get("run_name", TrainConfig.run_name))
    if arguments.resume:
        begun = resume_run(folder, settings)
    else:
        begun = start_run(TrainConfig(**inherit(settings)), folder)
    with begun as r:
        return _go_on(r, arguments)


def _go_on(r: "Run", arguments: Namespace) -> int:
    """Train the run from where it stands, and say how to go on."""
    from tinygpt.fine_tuning import doubt, precision
    from tinygpt.plot import plot_losses

    folder, name = r.folder, r.folder.name
    if arguments.resume:
        if r.steps != r.stored_steps:
            _say(
                f"the schedule is changed from {r.stored_steps} to {r.steps} steps: "
                f"the learning rate follows the new, longer or shorter cosine from step {r.step}"
            )
        if r.step >= r.steps:
            _say(
                f"this run is done: {r.step} of {r.steps} steps; to train longer add "
                f"--steps {2 * r.steps}; to speak with it: python -m tinygpt.generate "
                f"--run-name {name}"
            )
            return 0
    if arguments.stop_at is not None and arguments.stop_at <= r.step:
        raise ConfigError(
            f"--stop-at is {arguments.stop_at} and {r.step} steps are done; give a later one"
        )
    _say(r.headline())
    if r.workers != r.stored_workers:
        _say(
            f"this run was begun with {r.stored_workers} "
            f"thread{'s' * (r.stored_workers != 1)} and goes on with {r.workers}: the same to "
            f"rounding, not bit for bit; --threads {r.stored_workers} keeps the bits"
        )
    if not arguments.resume and (note := precision(r.config)):
        _say(note)
    if not arguments.resume and (doubts := doubt(r.config, r.text)):
        _say(f"beware: {doubts}")
    progress = Progress(sys.stderr, steps=r.steps, first_step=r.step, floor=r.text.floor)
    interrupt = _Interrupt()
    try:
        r.train(progress, stop_at=arguments.stop_at, interrupted=interrupt.asked)
    except KeyboardInterrupt:
        _say(f"stopped at once, unsaved; {_kept(folder)}")
        raise
    try:
        plot_losses(folder / "log.jsonl", folder / "loss.png")
    except BackendError as error:
        _say(str(error))
    except OSError as error:
        _say(f"{folder / 'loss.png'} could not be written: {error.strerror or error}")
    if r.step < r.steps:
        _say(
            f"saved {folder / 'latest.h5'} at step {r.step} of {r.steps}; "
            f"go on with: python -m tinygpt.train --run-name {name} --resume"
        )
        return 130 if interrupt.asked() else 0
    _say(
        f"done: validation loss {r.val_loss:.4f} (best {r.best_val_loss:.4f} at step "
        f"{r.best_step}: {folder / 'best.h5'}); speak with it: python -m tinygpt.generate "
        f"--run-name {name}"
    )
    return 0


def _kept(folder: "Path") -> str:
    """What a run has left to go on from, in words."""
    from tinygpt.run_start import newest_with_optimizer, steps_done

    if (kept := newest_with_optimizer(folder)) is None:
        return f"nothing was kept in {folder} to go on from"
    words = f"kept: {kept.path} of step {steps_done(kept)}"
    if (folder / "latest.h5").exists():
        words += f"; go on with: python -m tinygpt.train --run-name {folder.name} --resume"
    return words


def _say(text: str) -> None:
    write_unless_closed(sys.stderr, text + "\n")


class _Interrupt:
    """The first Ctrl-C asks the loop to save and leave, and says so; the second ends at once."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def asked(self) -> bool:
        return self._asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again = " again" if number == signal.SIGINT else ""
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._asked:
            return
        self._asked = True
        line = f"stopping after this step, then saving; Ctrl-C{again} stops at once, unsaved\n"
        clear = "\r\x1b[K" if has_colours(sys.stderr) else ""
        with contextlib.suppress(OSError, ValueError):
            # subtle: this may have come in the middle of a write to sys.stderr, which then refuses
            os.write(sys.stderr.fileno(), (clear + line).encode())


if __name__ == "__main__":
    run(main)
