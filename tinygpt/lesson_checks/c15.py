"""Lesson 15: `stream`, `handle` and `turn`."""

from collections.abc import Iterable, Sequence
from typing import Any

from tinygpt.lesson_checks.core import Candidate, Check, expect, expect_parts
from tinygpt.lesson_checks.handle_checks import handle, handle_is_right
from tinygpt.lesson_checks.stream_checks import stream, stream_is_right

Request = dict[str, Any]  # {"name": "A", "left": 3}: how many tokens are still to be drawn


def turn(
    running: Sequence[Request], waiting: Sequence[Request], places: int
) -> tuple[list[Request], list[Request]]:
    """Between two passes: who has finished leaves, who waits takes the free places, in order."""
    running = [request for request in running if request["left"] > 0]
    waiting = [request for request in waiting if request["left"] > 0]
    free = places - len(running)
    return [*running, *waiting[:free]], waiting[free:]


def _requests(given: str) -> list[Request]:
    """ "A3 B0" is A with 3 tokens left to draw, and B with none."""
    return [{"name": one[0], "left": int(one[1:])} for one in given.split()]


MORE = "more requests are running than there are places"
FREE = "a place is free while somebody waits: whoever waits joins before the next pass, and not "
FREE += "only when all have finished"
LATE = "a request has drawn its last token, and its place is still free in the next pass: first "
LATE += "let those leave who have finished, then fill their places"
STAY = "a request with tokens left to draw has lost its place: who runs stays"
LEFT = "a request with no tokens left to draw is still there: it has finished, or its reader has "
LEFT += "gone"
LOST = "a request is lost: it neither runs nor waits"
ORDER = "places are given out in the order of coming, the first of the list first"
TURNS = [  # running, waiting, places; what should run, what should wait; the smallest first
    ("", "", 1, "", ""),
    ("", "A2", 1, "A2", ""),
    ("A1", "", 1, "A1", ""),
    ("A1", "B2", 1, "A1", "B2"),
    ("", "A2 B2", 1, "A2", "B2"),
    ("A0", "", 1, "", ""),
    ("A0", "B2", 1, "B2", ""),
    ("A3", "B2", 2, "A3 B2", ""),
    ("A3 B0", "C2", 2, "A3 C2", ""),
    ("A0 B3", "C2 D2", 2, "B3 C2", "D2"),
    ("", "A2 B2 C2 D1", 3, "A2 B2 C2", "D1"),
    ("A3", "B0 C1", 2, "A3 C1", ""),
    ("A3 B2", "C0 D1", 2, "A3 B2", "D1"),
    ("A0 B0 C0 D4", "E1 F1 G1 H1", 4, "D4 E1 F1 G1", "H1"),
]


def turn_is_right(f: Candidate) -> None:
    for case in TURNS:
        running, waiting, places = _requests(case[0]), _requests(case[1]), case[2]
        got = expect_parts(f, f(running, waiting, places), "running", "waiting")
        for part, name in zip(got, ("running", "waiting"), strict=True):
            listed = isinstance(part, list | tuple) and all(
                isinstance(r, dict) and {"name", "left"} <= r.keys() for r in part)  # fmt: skip
            expect(listed, f"{name} should be a list of requests", f, yours=part)
    for case in TURNS:
        running, waiting, places = _requests(case[0]), _requests(case[1]), case[2]
        runs, waits = f(running, waiting, places)
        _a_turn_is_right(f, runs, waits, _requests(case[3]), _requests(case[4]))


def _names(requests: Iterable[Request]) -> list[str]:
    return [request["name"] for request in requests]


def _a_turn_is_right(
    f: Candidate, runs: list[Request], waits: list[Request],
    right: list[Request], right_waits: list[Request],
) -> None:  # fmt: skip
    running, _, places = f.given
    facts = {"yours": (list(runs), list(waits)), "right": (right, right_waits)}
    stay = _names(r for r in running if r["left"] > 0)
    there = {*_names(runs), *_names(waits)}
    finished = len(stay) < len(running)
    says = [
        (len(runs) <= places, MORE),
        (set(stay) <= set(_names(runs)), STAY),
        (len(runs) >= len(right), LATE if finished and len(running) == places else FREE),
        ({*_names(right), *_names(right_waits)} <= there, LOST),
        (all(r["left"] > 0 for r in [*runs, *waits]), LEFT),
        (_names(runs) == _names(right) and _names(waits) == _names(right_waits), ORDER),
        (list(runs) == right and list(waits) == right_waits, "a request has been changed: hand "
         "it on as it is"),
    ]  # fmt: skip
    for holds, sentence in says:
        expect(holds, sentence, f, **facts)


CHECKS = [
    Check(
        name="15.stream",
        arguments=("ids", "tokenizer"),
        properties=stream_is_right,
        right="whole characters at once, joined the whole text, [DONE] at the end; closed, it "
        "draws no more",
        library=stream,
        hints=(
            "Three things can be true after a token: it completes some characters, it completes "
            "none, or it was the last. What do you yield in each case?",
            "One decoder for the whole stream holds unfinished bytes back: "
            'decoder = codecs.getincrementaldecoder("utf-8")(errors="replace"). Then '
            "decoder.decode(some_bytes) gives what is complete, and decoder.decode(b\"\", "
            "final=True) what is left at the end.",
            "try: for id in ids: text = decoder.decode(tokenizer.token_bytes(id)); if text: yield "
            "event(text). After the loop the same with what is left, then yield DONE. Around all "
            "of it: finally: ids.close().",
        ),
    ),
    Check(
        name="15.handle",
        arguments=("body", "start"),
        properties=handle_is_right,
        right="good requests start the model; 22 bad ones get a 4xx and a sentence, and it is "
        "not started",
        library=handle,
        hints=(
            "Go through the table from top to bottom, and return refuse(…) at the first line that "
            "does not hold. Which exceptions can json.loads raise?",
            "json.loads raises ValueError for what is not JSON or not UTF-8, and RecursionError "
            "for 100,000 brackets. isinstance(x, dict) and isinstance(x, str) ask for a kind; "
            "isinstance(True, int) is true, and type(True) is int is not.",
            "n = request.get(\"max_tokens\", 16); if type(n) is not int or not 1 <= n <= 128: "
            "return refuse(…, \"max_tokens\"). When all holds: return 200, {\"Content-Type\": "
            '"text/event-stream"}, start(prompt, n).',
        ),
    ),
    Check(
        name="15.turn",
        arguments=("running", "waiting", "places"),
        properties=turn_is_right,
        right="who has finished leaves, who waits takes every free place at once, in order",
        library=turn,
        hints=(
            "Two steps. Which of them first, if a place that becomes free is to be taken in the "
            "same turn?",
            "A request with left == 0 has finished, or its reader has gone: take it out of both "
            "lists. Then places - len(running) places are free.",
            "running = [r for r in running if r[\"left\"] > 0], the same for waiting; free = "
            "places - len(running); return running + waiting[:free], waiting[free:].",
        ),
    ),
]  # fmt: skip
