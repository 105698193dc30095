"""Wrong answers to the lessons' exercises, as people write them, and what the check is to say.

One file a lesson, wrong_03.py for lesson 03:

    @wrong("03.softmax", says="line 2")
    def without_the_maximum(x): ...

`says` is a part of the message (of its sentence or of the facts below it) that helps.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WrongAnswer:
    check: str
    says: str
    function: object

    def __str__(self):
        return f"{self.check}-{self.function.__name__}"


WRONG = []


def wrong(check, *, says):
    def listed(function):
        WRONG.append(WrongAnswer(check, says, function))
        return function

    return listed


def all_wrong_answers():
    for path in sorted(Path(__file__).parent.glob("wrong_[0-9][0-9].py")):
        importlib.import_module(path.stem)
    return WRONG
