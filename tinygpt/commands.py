"""What every command line of tinygpt shares: the parser, one-sentence errors, exit codes.

Exit codes: 0 done, 1 tinygpt says no (TinyGPTError), 2 wrong usage (argparse), 130 interrupted.
"""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

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
        return super().parse_known_args([_with_dashes(a) for a in given], namespace)


def _with_dashes(argument: str) -> str:
    """`--top_k=5` -> `--top-k=5`; values keep their underscores."""
    flag, equals, value = argument.partition("=")
    if not re.fullmatch(r"--\w[\w-]*", flag):
        return argument
    return flag.replace("_", "-") + equals + value


def run(main: Callable[[Sequence[str] | None], int | None]) -> NoReturn:
    """Call `main(None)` and exit: the last line of every runnable module."""
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
    sys.exit(status)
