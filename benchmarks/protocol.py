"""How a contender speaks with whoever races it: lines of JSON.

It prints {"ready": 1} with what it computed first, then for each number of steps that it reads a
line with their times in seconds and the process's peak memory in MB.
"""

import json
import resource
import sys
import time
from collections.abc import Callable

WARM_UP = 3  # steps before a contender is ready
BATCHES = 4  # that training takes turns at


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def answer(times: Callable[[int], list[float]], **computed: object) -> None:
    """Be ready, then answer every number n with times(n), until stdin ends.

    `computed`: lists of numbers, or lists of lists, that every contender should agree on.
    """
    say({"ready": 1, **computed})
    for line in sys.stdin:
        seconds = times(int(line))
        say({"t": seconds, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})


def timed(step: Callable[[int], object]) -> Callable[[int], list[float]]:
    """The times of step(0), step(1), … one by one."""

    def times(n: int) -> list[float]:
        seconds = []
        for i in range(n):
            began = time.perf_counter()
            step(i)
            seconds.append(time.perf_counter() - began)
        return seconds

    return times
