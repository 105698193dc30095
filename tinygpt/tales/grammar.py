"""A small language for stories whose probability is known.

A template is text with four kinds of brackets:

    [a|b|3: c]        a choice; alternatives weigh the same unless a weight is written (3)
    {hero=person}     draws a word of a category that the story has not drawn yet, and remembers it
    {hero.he}         a form of what was remembered: pronoun, article and noun, past tense, …
    <open>            the template of that name, written here in full

`{hero=person.a}` draws and shows a form other than `name`; a form in capitals, `{hero.He}`, begins
a sentence. A new line begins a new slot of the story, unless it is indented or begins with `|`.
"""

import bisect
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


class Word:
    """One entry of a category: its forms by name. Two words are equal only if they are the same."""

    def __init__(self, **forms: str) -> None:
        self.forms = forms | {
            name.capitalize(): form[:1].upper() + form[1:] for name, form in forms.items()
        }


Memory = dict[str, Word]  # what a story has drawn so far, by variable
State = tuple[int, Memory, float]  # read up to here, remembering this, at this log-probability


@dataclass
class Piece:
    """A stretch of a generated story. `word` is what it mentions under the name `variable`."""

    text: str
    variable: str = ""
    word: Word | None = None
    form: str = ""
    slot: int = 0


@dataclass
class Story:
    """What a derivation has written so far."""

    pieces: list[Piece] = field(default_factory=list)
    memory: Memory = field(default_factory=dict)
    log_prob: float = 0.0
    slot: int = 0

    def write(
        self, text: str, variable: str = "", word: Word | None = None, form: str = ""
    ) -> None:
        self.pieces.append(Piece(text, variable, word, form, self.slot))

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


class Node:
    """A part of a template: `write` draws one text of it, `read` finds the texts that it can be."""

    def write(self, story: Story, rng: np.random.Generator) -> None:
        """Append to the story and add the log-probability of what was drawn."""
        raise NotImplementedError

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        """Every way to find this node in text from start on; [] if there is none."""
        raise NotImplementedError


@dataclass
class Literal(Node):
    """Text as it stands."""

    text: str

    def write(self, story: Story, rng: np.random.Generator) -> None:
        story.write(self.text)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        if not text.startswith(self.text, start):
            return []
        return [(start + len(self.text), memory, 0.0)]


@dataclass
class Run(Node):
    """One node after the other."""

    parts: list[Node]

    def write(self, story: Story, rng: np.random.Generator) -> None:
        for part in self.parts:
            part.write(story, rng)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        states = [(start, memory, 0.0)]
        for part in self.parts:
            states = [
                (end, after, so_far + log_prob)
                for middle, before, so_far in states
                for end, after, log_prob in part.read(text, middle, before)
            ]
            if not states:  # most readings fail early
                break
        return states


class Plot(Run):
    """The slots of a story, with a space between two."""

    def write(self, story: Story, rng: np.random.Generator) -> None:
        for slot, part in enumerate(self.parts):
            story.slot = slot
            part.write(story, rng)


class Choice(Node):
    """One of several nodes, with probabilities proportional to their weights."""

    def __init__(self, options: Sequence[Node], weights: Sequence[int] | None = None) -> None:
        self.options = list(options)
        self._sums = list(itertools.accumulate(weights or [1] * len(self.options)))
        before = [0, *self._sums]
        self._logs = [
            math.log((after - until) / before[-1]) for until, after in itertools.pairwise(before)
        ]

    def write(self, story: Story, rng: np.random.Generator) -> None:
        i = bisect.bisect_right(self._sums, int(rng.integers(self._sums[-1])))
        story.log_prob += self._logs[i]
        self.options[i].write(story, rng)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        return [
            (end, after, own + log_prob)
            for option, own in zip(self.options, self._logs, strict=True)
            for end, after, log_prob in option.read(text, start, memory)
        ]


@dataclass
class Draw(Node):
    """A word of the category that the story has not drawn yet: each of them is as likely."""

    variable: str
    category: list[Word]
    form: str

    def _free(self, memory: Memory) -> list[Word]:
        drawn = set(memory.values())
        return [word for word in self.category if word not in drawn]

    def write(self, story: Story, rng: np.random.Generator) -> None:
        free = self._free(story.memory)
        word = free[int(rng.integers(len(free)))]
        story.memory[self.variable] = word
        story.log_prob -= math.log(len(free))
        story.write(word.forms[self.form], self.variable, word, self.form)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        free = self._free(memory)
        return [
            (
                start + len(word.forms[self.form]),
                memory | {self.variable: word},
                -math.log(len(free)),
            )
            for word in free
            if text.startswith(word.forms[self.form], start)
        ]


@dataclass
class Mention(Node):
    """A form of a word drawn before: nothing is left to chance."""

    variable: str
    form: str

    def write(self, story: Story, rng: np.random.Generator) -> None:
        word = story.memory[self.variable]
        story.write(word.forms[self.form], self.variable, word, self.form)

    def read(self, text: str, start: int, memory: Memory) -> list[State]:
        return Literal(memory[self.variable].forms[self.form]).read(text, start, memory)


class Grammar:
    """Stories: one of the plots, each as likely. All are templates, as are the named rules.

    Raises KeyError for a rule or category that is not there, ValueError for brackets that do not
    close.
    """

    def __init__(
        self,
        plots: Mapping[str, str],
        rules: Mapping[str, str],
        categories: Mapping[str, list[Word]],
    ) -> None:
        self._rules = rules
        self._categories = categories
        self.plots = {name: self._plot(template) for name, template in plots.items()}
        self._start = Choice(list(self.plots.values()))

    def write(self, rng: np.random.Generator) -> Story:
        """One story, drawn."""
        story = Story()
        self._start.write(story, rng)
        return story

    def readings(self, text: str) -> list[float]:
        """The log-probability of each derivation of the text: one if it is a tale, else none."""
        return [log_prob for end, _, log_prob in self._start.read(text, 0, {}) if end == len(text)]

    def log_prob(self, text: str) -> float | None:
        """The log-probability (nats) that `write` gives the text; None if it never does."""
        readings = self.readings(text)
        if not readings:
            return None
        top = max(readings)  # one derivation is all there is; two would add up
        return top + math.log(sum(math.exp(reading - top) for reading in readings))

    def _plot(self, template: str) -> Plot:
        slots = _unwrapped(template).split("\n")
        spaced = [slot + " " for slot in slots[:-1]] + slots[-1:]
        return Plot([self._compile(slot) for slot in spaced])

    def _compile(self, template: str) -> Node:
        tokens = re.findall(r"[\[\]|]|\{[^}]*\}|<[^>]*>|[^\[\]|{<]+", template)
        node, rest = self._run(tokens)
        if rest:
            raise ValueError(f"the template {template!r} has a bracket or bar too many")
        return node

    def _run(self, tokens: list[str]) -> tuple[Node, list[str]]:
        """The nodes up to a bar or a bracket that closes, and the tokens from there on."""
        parts: list[Node] = []
        while tokens and tokens[0] not in "|]":
            token, tokens = tokens[0], tokens[1:]
            if token == "[":
                node, tokens = self._choice(tokens)
            else:
                node = self._leaf(token)
            parts.append(node)
        return Run(parts), tokens

    def _choice(self, tokens: list[str]) -> tuple[Node, list[str]]:
        """The alternatives up to the bracket that closes, and the tokens after it."""
        options, weights, last = [], [], "|"
        while last == "|":
            weight = re.match(r"(\d+): ", tokens[0]) if tokens else None
            if weight:
                tokens = [tokens[0][weight.end() :], *tokens[1:]]
            weights.append(int(weight[1]) if weight else 1)
            node, tokens = self._run(tokens)
            options.append(node)
            if not tokens:
                raise ValueError("a [ in a template does not close")
            last, tokens = tokens[0], tokens[1:]
        return Choice(options, weights), tokens

    def _leaf(self, token: str) -> Node:
        if token[0] == "<":
            return self._compile(_unwrapped(self._rules[token[1:-1]]))
        if token[0] != "{":
            return Literal(token)
        draw = re.fullmatch(r"\{(\w+)=(\w+)(?:\.(\w+))?\}", token)
        if draw:
            return Draw(draw[1], self._categories[draw[2]], draw[3] or "name")
        variable, _, form = token[1:-1].partition(".")
        return Mention(variable, form or "name")


def _unwrapped(template: str) -> str:
    """Lines that are indented or begin with a bar go on with the line before."""
    return re.sub(r"\n +", " ", re.sub(r"\n *\|", "|", template.strip()))
