"""Contenders in processes of their own, taking turns.

A machine's speed changes from minute to minute, and a process's idle threads may spin for a while
after each product: so contenders do not share a process, take short turns, wait between them, and
each one's best step counts.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.1  # seconds between turns, for threads that spin
AGREE = 1e-4  # relative

# what a developer's shell may set to make OpenBLAS take other paths than a user's machine
NOT_A_USERS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# glibc keeps what was freed; ours tells it so itself, a peer cannot
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


class Disagreement(Exception):
    """Contenders that should compute the same numbers do not."""


class Contender(NamedTuple):
    """`kernels`: the processor whose kernels OpenBLAS is to use, "" for the one that it finds."""

    name: str
    command: Sequence[str]
    keep_memory: bool = False
    kernels: str = ""


def environment(keep_memory: bool = False, kernels: str = "") -> dict[str, str]:
    """What a contender is started with."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_A_USERS}
    kept |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    kept |= {"OPENBLAS_CORETYPE": kernels} if kernels else {}
    return kept | KEEP_MEMORY if keep_memory else kept


class Runner:
    """A contender's process."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.times: list[float] = []
        self.rss = 0.0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            contender.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=environment(contender.keep_memory, contender.kernels),
        )

    def read(self) -> dict[str, Any] | None:
        """Its next message; None if it has died."""
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def run(self, steps: int) -> bool:
        """A turn; False if the process died of it."""
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        if (answer := self.read()) is None:
            return False
        self.times += answer["t"]
        self.rss = answer["rss"]
        return True

    def last_words(self) -> str:
        """What it said on stderr, the end of it."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-3:]) or "no word on stderr"

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if (n := int(text)) < 1:
        raise ValueError
    return n


def stoppable(main: Callable[[], None]) -> None:
    """Run a script; Ctrl-C and the end that a system asks for clean up, and end it in one line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what was measured before is saved\n")
        sys.exit(130)


def difference(a: Sequence[float], b: Sequence[float]) -> float:
    """The largest difference, relative to the largest number."""
    if len(a) != len(b):
        return float("inf")
    largest = max(abs(value) for value in a)
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) / largest


def check(computed: dict[str, dict[str, list[float]]]) -> float | None:
    """The largest difference between the first contender and the others, for what both computed;
    None where there was nothing to compare.

    >>> check({"ours": {"losses": [2.0, 4.0]}, "theirs": {"losses": [2.0, 4.0001]}})
    2.4999999999941735e-05

    Raises Disagreement above AGREE.
    """
    (first, expected), *others = computed.items()
    worst = None
    for name, values in others:
        for what in expected.keys() & values.keys():
            found = difference(expected[what], values[what])
            if not found <= AGREE:
                raise Disagreement(
                    f"{what} of {first} and {name} differ by {found:.1e} of the largest"
                )
            worst = max(worst or 0.0, found)
    return worst


def race(contenders: Sequence[Contender], *, rounds: int, steps: int) -> dict[str, Any]:
    """Start all, check that they compute the same, run `rounds` turns of `steps` each.

    Returns {"difference": …, "contenders": {name: {"best", "median", "rss"} or {"error"}}};
    seconds and MB. Raises Disagreement.
    """
    runners, results, computed = [], {}, {}
    try:
        for contender in contenders:
            runner = Runner(contender)
            runners.append(runner)
            if (ready := runner.read()) is None:
                results[contender.name] = {"error": runner.last_words()}
            else:
                del ready["ready"]
                computed[contender.name] = ready
        worst = check(computed) if computed else None
        for turn in range(rounds):
            first = turn % len(runners)  # nobody is always the first after the others
            for runner in (*runners[first:], *runners[:first]):
                name = runner.contender.name
                if name not in results and not runner.run(steps):
                    results[name] = {"error": runner.last_words()}
                time.sleep(PAUSE)
        for runner in runners:
            if runner.contender.name not in results:
                results[runner.contender.name] = {
                    "best": min(runner.times),
                    "median": statistics.median(runner.times),
                    "rss": runner.rss,
                    "kernels": runner.contender.kernels,
                }
    finally:
        for runner in runners:
            runner.close()
    ordered = {contender.name: results[contender.name] for contender in contenders}
    return {"difference": worst, "contenders": ordered}


def first_output(contenders: Sequence[Contender], *, rounds: int) -> dict[str, Any]:
    """Like race, but a step is a whole process, from its start to its first byte on stdout.

    Raises Disagreement when they do not print the same.
    """
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    said: dict[str, str] = {}
    for _ in range(1 + rounds):  # the first turn only warms the page cache
        for contender in contenders:
            began = time.perf_counter()
            with subprocess.Popen(
                contender.command,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
                env=environment(),
            ) as process:
                first = process.stdout.read(1)
                times[contender.name].append(time.perf_counter() - began)
                said[contender.name] = (first + process.stdout.read()).decode().strip()
            time.sleep(PAUSE)
    results = {}
    for name, seconds in times.items():
        if said[name]:
            best, median = min(seconds[1:]), statistics.median(seconds[1:])
            results[name] = {"best": best, "median": median}
        else:
            results[name] = {"error": "it said nothing"}
    if len(texts := {text for text in said.values() if text}) > 1:
        raise Disagreement(f"the first token is not the same: {texts}")
    return {"difference": 0.0, "contenders": results}
