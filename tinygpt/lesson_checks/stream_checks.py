"""What a stream must be: whole characters, at once, all of them, and none for nobody."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from tinygpt.lesson_checks.core import Candidate, Finding, expect
from tinygpt.tokenizers import TextStream

DONE = "data: [DONE]\n\n"


def event(text: str) -> str:
    """One server-sent event."""
    return f"data: {json.dumps({'text': text})}\n\n"


def stream(ids: Any, tokenizer: Any) -> Iterator[str]:
    """Ids, as they are drawn, to server-sent events; closed early, it closes `ids`."""
    characters = TextStream(tokenizer)
    try:
        for id in ids:
            if text := characters.push(id):
                yield event(text)
        if text := characters.finish():
            yield event(text)
        yield DONE
    finally:
        ids.close()


class Pieces:
    """A tokenizer whose tokens are given, as bytes: id 0 is the first."""

    def __init__(self, *tokens: bytes) -> None:
        self.tokens = tokens

    def __repr__(self) -> str:
        return f"one whose tokens are {', '.join(map(str, self.tokens))}"

    def token_bytes(self, id: int) -> bytes:
        return self.tokens[id]

    def decode(self, ids: Iterable[int]) -> str:
        return b"".join(self.tokens[i] for i in ids).decode("utf-8", errors="replace")


class Drawing:
    """The ids 0, 1, … n - 1, each drawn when it is asked for; it sees when it is closed."""

    def __init__(self, n: int) -> None:
        self.n, self.drawn, self.closed = n, 0, False

    def __repr__(self) -> str:
        ids = ", ".join(map(str, range(self.n)))
        return ("no ids", "the id 0")[self.n] if self.n < 2 else f"the ids {ids}, one by one"

    def __iter__(self) -> "Drawing":
        return self

    def __next__(self) -> int:
        if self.closed or self.drawn == self.n:
            raise StopIteration
        self.drawn += 1
        return self.drawn - 1

    def close(self) -> None:
        self.closed = True


TEXTS = [  # the smallest first; "ë" and the pig are several bytes
    Pieces(b"a"),
    Pieces(b"a", b"b"),
    Pieces(b"\xc3", b"\xab"),
    Pieces(b"Zo", b"\xc3", b"\xab", b" ran"),
    Pieces(b"a", b"\xf0\x9f", b"\x90\xb7!", b" b"),
    Pieces(b"a\n\nb", b"\n", b"c"),
    Pieces(b'say "', b'hi"', b" \\"),
    Pieces(b"a", b"", b"b"),
    Pieces(),
    Pieces(b"a", b"\xf0\x9f"),  # ends within a character
    Pieces(b"\xff", b"a"),  # a byte that no UTF-8 has
]


def stream_is_right(f: Candidate) -> None:
    for tokens in TEXTS:
        _events_are_well_formed(f, tokens)
    for tokens in TEXTS:
        _texts_are_whole(f, tokens)
    for tokens in TEXTS:
        _texts_come_at_once(f, tokens)
    for tokens in TEXTS:
        for read in range(1, len(tokens.tokens)):
            _ends_when_it_is_closed(f, tokens, read)


def _begun(f: Candidate, tokens: Pieces) -> tuple[Drawing, Iterator[str]]:
    drawing = Drawing(len(tokens.tokens))
    got = f(drawing, tokens)
    if isinstance(got, str | bytes) or not hasattr(got, "__iter__"):
        expect(False, f"it returns a {type(got).__name__} and should return events one after "
               "the other: write `yield` where an event is ready", f)  # fmt: skip
    return drawing, iter(got)


def _read(f: Candidate, events: Iterator[str], n: int = 100) -> list[str]:
    """Up to n events; an endless stream has more than that."""
    return f.go_on(lambda: list(itertools.islice(events, n)))


def _text(event: str) -> str:
    """The text of an event that is well formed. Raises ValueError for another."""
    if not isinstance(event, str):
        raise ValueError(f"this is a {type(event).__name__} and should be a str")
    if not event.startswith("data: "):
        raise ValueError("an event begins with `data: `")
    if not event.endswith("\n\n"):
        raise ValueError("an event ends with an empty line, \\n\\n")
    if "\n" in event[:-2] or "\r" in event:
        raise ValueError("a line break of the text cuts the event in two: json.dumps writes it "
                         "as \\n, with a backslash")  # fmt: skip
    try:
        data = json.loads(event[len("data: ") :])
    except ValueError as error:
        raise ValueError(f"its data is not JSON ({error})") from None
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise ValueError('its data should be an object with a text: {"text": "a"}')
    return str(data["text"])


def _texts(f: Candidate, events: list[str]) -> list[str]:
    texts = []
    for event in events:
        try:
            texts.append(_text(event))
        except ValueError as error:
            raise Finding(f"an event is not well formed: {error}", f.facts(event=event)) from None
    return texts


def _events_are_well_formed(f: Candidate, tokens: Pieces) -> None:
    _, events = _begun(f, tokens)
    got = _read(f, events)
    expect(len(got) < 100, "the stream does not end", f)
    right = list(stream(Drawing(len(tokens.tokens)), tokens))
    last = got[-1:] == [DONE] and DONE not in got[:-1]
    expect(last, 'the last event, and no other, should be "data: [DONE]\\n\\n": without it a '
           "reader cannot tell an end from a broken line", f, yours=got, right=right)  # fmt: skip
    _texts(f, got[:-1])


def _texts_are_whole(f: Candidate, tokens: Pieces) -> None:
    n = len(tokens.tokens)
    _, events = _begun(f, tokens)
    texts = _texts(f, _read(f, events)[:-1])
    joined, right = "".join(texts), tokens.decode(range(n))
    expect(joined.count("\ufffd") <= right.count("\ufffd"), "a character whose bytes lie in two "
           "tokens is torn: hold its first bytes back until the others are there", f,
           yours=texts, right=right)  # fmt: skip
    expect(joined != right.rstrip("\ufffd") or joined == right, "the text ends within a "
           "character, and what was held back is lost: at the end show it, as \ufffd", f,
           yours=texts, right=right)  # fmt: skip
    expect(joined == right, "the texts of the events, joined, are not the whole text", f,
           yours=texts, right=right)  # fmt: skip


def _texts_come_at_once(f: Candidate, tokens: Pieces) -> None:
    """An event is there before the model draws a token that it does not need."""
    n = len(tokens.tokens)
    certain = TextStream(tokens)  # type: ignore[arg-type]  # of a tokenizer it needs token_bytes
    lengths = list(itertools.accumulate(len(certain.push(i)) for i in range(n)))
    drawing, events = _begun(f, tokens)
    shown = 0
    while (got := _read(f, events, 1)) and got != [DONE]:
        text = _texts(f, got)[0]
        needed = next((i + 1 for i, length in enumerate(lengths) if length > shown), n)
        never = ": bytes that no character has are certain to be none" if "\ufffd" in text else ""
        expect(not text or drawing.drawn <= needed, f"character {shown + 1} is certain with "
               f"{needed} of the {n} ids{never}, and {drawing.drawn} were drawn before it came: "
               "yield at once, inside the loop over ids", f, event=got[0])  # fmt: skip
        shown += len(text)


def _ends_when_it_is_closed(f: Candidate, tokens: Pieces, read: int) -> None:
    """The reader goes away after some events."""
    drawing, events = _begun(f, tokens)
    _read(f, events, read)
    drawn = drawing.drawn
    expect(hasattr(events, "close"), "it cannot be closed when its reader has gone: make it a "
           "generator, a function with `yield`", f)  # fmt: skip
    goes_on = f.go_on(lambda: _goes_on(events))
    expect(not goes_on, "after close() it yields once more: in a `finally`, or after an `except` "
           "without a name, which catches GeneratorExit too", f)  # fmt: skip
    expect(drawing.drawn == drawn, f"its reader has gone after event {read}, when "
           f"{drawn} of the {drawing.n} ids were drawn, and it draws on for nobody", f)  # fmt: skip
    expect(drawing.closed, "its reader has gone, and nobody tells the model: close ids too, in a "
           "`finally` around the loop", f)  # fmt: skip


def _goes_on(events: Any) -> bool:
    """Close a generator; does it refuse? Then it is read to its end, or it would be closed, and
    complain, once more when it is thrown away."""
    try:
        events.close()
    except RuntimeError as error:
        if "ignored GeneratorExit" not in str(error):
            raise
        with contextlib.suppress(GeneratorExit, Exception):
            for _ in itertools.islice(events, 1000):
                pass
        return True
    return False
