"""A session: line by line, the model continues the page."""

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TextIO

from tinygpt.config import SamplingConfig
from tinygpt.display import show
from tinygpt.errors import ConfigError, TinyGPTError
from tinygpt.generation import Generation, draw_texts, fresh_seed, pieces
from tinygpt.model import GPT
from tinygpt.speculative import Speculation
from tinygpt.tokenizers import Tokenizer

HELP = """\
Type a text and the model continues it. It reads the whole page: your lines and its own.
An empty line lets it go on. Ctrl-C stops a reply, Ctrl-D leaves. A line that begins with
two slashes is text that begins with one.

  /temperature T         /top-k K|off           /top-p P|off
  /min-p P|off           /repetition-penalty R  /presence-penalty X
  /frequency-penalty X   /max-new-tokens N      /seed N|off
  /stop TEXT|off         ends a reply before TEXT
  /eos-id ID|off         ends a reply at this token
  /window-hop N|off      tokens by which a full context moves on
  /settings              what is set now
  /history               the page so far
  /reset                 an empty page
  /help                  this
  /quit                  leave
"""

_NUMBERS: dict[str, Callable[[str], Any]] = {
    "max_new_tokens": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "repetition_penalty": float,
    "presence_penalty": float,
    "frequency_penalty": float,
    "eos_id": int,
    "window_hop": int,
}


class Session:
    """Reads lines, writes replies to `out` and everything else to stderr.

    With a seed, reply i of a page draws from default_rng([seed, i]).
    """

    def __init__(
        self,
        model: GPT,
        tokenizer: Tokenizer,
        sampling: SamplingConfig,
        *,
        guessing: Speculation | None = None,
        seed: int | None = None,
        quiet: bool = False,
        out: TextIO | None = None,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._sampling, self._seed = sampling, seed
        self._guessing = guessing
        self._quiet = quiet
        self._out = sys.stdout if out is None else out
        self._page = ""
        self._outgrown = False  # the page is longer than the window, and that was said
        self._replies = 0

    def run(self, prompts: Sequence[str] | None = None) -> None:
        """Answer `prompts`, then one line after another, until Ctrl-D or /quit."""
        if isinstance(sys.stdin, io.TextIOWrapper) and not _at_terminal():
            sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
        self._note("type a text to continue, /help for the commands\n")
        for prompt in prompts or ():
            self._answer(prompt)
        while True:
            try:
                line = self._read_line()
            except KeyboardInterrupt:  # Ctrl-C while typing drops the line
                if not _at_terminal():
                    raise
                self._out.write("\n")
                continue
            if line is None or line.split() == ["/quit"]:
                return
            try:
                self._take(line)
            except TinyGPTError as error:
                sys.stderr.write(f"error: {error}\n")

    def _read_line(self) -> str | None:
        """The next line without its newline, None at the end."""
        if not _at_terminal():
            line = sys.stdin.readline()
            return line.removesuffix("\n") if line else None
        with contextlib.suppress(ImportError):  # Windows has none and needs none
            import readline  # noqa: F401  (arrow keys and the lines typed before)
        try:
            return input("> ")
        except EOFError:
            self._out.write("\n")
            return None

    def _take(self, line: str) -> None:
        if line.startswith("/") and not line.startswith("//"):
            name, _, value = line[1:].partition(" ")
            self._command(name.replace("-", "_"), value.strip())
        else:
            self._answer(line.removeprefix("/") if line.startswith("//") else line)

    def _answer(self, line: str) -> None:
        """Add the line to the page and let the model go on; the reply joins the page."""
        page = f"{self._page}\n{line}" if self._page and line else self._page + line
        seed = fresh_seed() if self._seed is None else self._seed
        reply = Generation(
            self._model, self._tokenizer, page or None, self._sampling,
            seed=seed, sample=self._replies,
        )  # fmt: skip
        n, window = len(reply.prompt_ids), self._model.config.block_size
        if n > window and not self._outgrown:
            self._outgrown = True
            self._note(f"(the page has {n} tokens and the model sees its last {window})\n")
        try:
            steps = draw_texts(self._model, [reply], guessing=self._guessing)
            show(reply, pieces(reply, steps), self._out)
        except KeyboardInterrupt:  # what was said stays
            self._note("(stopped)\n")
        self._page = page + reply.text
        self._replies += 1

    def _command(self, name: str, value: str) -> None:
        if name in _NUMBERS:
            self._sampling = replace(self._sampling, **{name: _number(name, value)})
        elif name == "seed":
            self._seed, self._replies = _seed(value), 0
        elif name == "stop":
            self._sampling = replace(self._sampling, stop=() if value == "off" else (value,))
        elif name == "reset":
            self._page, self._replies, self._outgrown = "", 0, False
        elif name == "settings":
            sys.stderr.write(self._settings())
        elif name == "history":
            sys.stderr.write(self._page + "\n")
        elif name == "help":
            sys.stderr.write(HELP)
        else:
            raise ConfigError(f"there is no command /{name}; /help lists them")

    def _settings(self) -> str:
        """One line a setting."""
        values = {**asdict(self._sampling), "seed": self._seed}
        return "".join(f"  {name}={value}\n" for name, value in values.items())

    def _note(self, text: str) -> None:
        if not self._quiet and _at_terminal():
            sys.stderr.write(text)


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _number(name: str, value: str) -> Any:
    if value == "off" and name in ("top_k", "top_p", "min_p", "eos_id", "window_hop"):
        return -1 if name == "eos_id" else None
    kind = _NUMBERS[name]
    try:
        return kind(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{name} is {value!r}; it must be {what}") from None


def _seed(value: str) -> int | None:
    if value == "off":
        return None
    if not value.isdecimal():
        raise ConfigError(f"seed is {value!r}; it must be a whole number of at least 0, or off")
    try:
        return int(value)
    except ValueError:  # thousands of digits
        raise ConfigError(f"seed has {len(value)} digits; give a shorter one") from None
