"""What every command line of tinygpt shares: the parser, one-sentence errors, exit codes.

Exit codes: 0 done, 1 tinygpt says no (TinyGPTError), 2 wrong usage (argparse), 130 interrupted.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO

from tinygpt import __version__
from tinygpt.errors import TinyGPTError


class Parser(argparse.ArgumentParser):
    """argparse with `--version`, no abbreviations, and `-` and `_` interchangeable in flags."""

    def __init__(self, command: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"python -m tinygpt.{command}",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("--version", action="version", version=f"tinygpt {__version__}")

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args([self._with_dashes(a) for a in given], namespace)

    def _with_dashes(self, argument: str) -> str:
        """`--top_k=5` -> `--top-k=5`, if that is a flag: values and texts stay as they are."""
        flag, equals, value = argument.partition("=")
        dashed = flag.replace("_", "-")
        known = flag.startswith("--") and dashed in self._option_string_actions
        return dashed + equals + value if known else argument


def has_colours(stream: TextIO) -> bool:
    """Whether what is written there is seen in colours: on a terminal that does not say no."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def on_colour(text: str, ground: int) -> str:
    """Black letters on one of xterm's 256 colours. Line ends are left bare, or the terminal would
    paint to its edge.

    >>> on_colour("a\\n", 157)
    '\\x1b[30;48;5;157ma\\x1b[0m\\n'
    """
    paint = f"\x1b[30;48;5;{ground}m"
    return "\n".join(f"{paint}{part}\x1b[0m" if part else "" for part in text.split("\n"))


def run(main: Callable[[Sequence[str] | None], int | None]) -> NoReturn:
    """Call `main(None)` and exit: the last line of every runnable module."""
    if sys.stdin is None:  # closed by the caller (`<&-`), and so below
        sys.stdin = open(os.devnull)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = main(None) or 0
        sys.stdout.flush()
    except TinyGPTError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        status = 1
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # the reader of our stdout has gone (`| head`): nothing left to say
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except MemoryError as error:
        print(  # noqa: T201
            f"error: not enough memory ({error}); make the model or the batch smaller",
            file=sys.stderr,
        )
        status = 1
    except OSError as error:
        where = "" if error.filename is None else f"{str(error.filename)!r:.200}: "
        print(  # noqa: T201
            f"error: {where}{error.strerror or error}; choose another place, or make room",
            file=sys.stderr,
        )
        status = 1
    sys.exit(status)
