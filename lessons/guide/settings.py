"""Draws settings.png: one next-token distribution under every sampling setting, one at a time.

The distribution is invented, so that the shares can be worked out by hand. The bars are what
tinygpt.sampling makes of it, so they are what the library does.

    python lessons/guide/settings.py [PICTURE]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tinygpt.backend import Array
from tinygpt.config import SamplingConfig
from tinygpt.sampling import next_probs

PROMPT = "The fox met a dog."
OUTPUT = "The dog met a cat. The cat met a hen. The"
TOKENS = ["cat", "dog", "fox", "hen", "owl", "bee", "elk", "ant"]
PROBS = [0.40, 0.20, 0.15, 0.10, 0.06, 0.04, 0.03, 0.02]
LOGITS = np.log(PROBS) + 6  # the repetition penalty alone depends on what is added

PANELS = [  # settings, what they do
    ({}, "temperature 1: the model's own"),
    ({"temperature": 0.5}, "temperature 0.5: the likely gain"),
    ({"temperature": 2.0}, "temperature 2: the unlikely gain"),
    ({"top_k": 3}, "top-k 3: the three likeliest"),
    ({"top_p": 0.8}, "top-p 0.8: the least set with 80 %"),
    ({"min_p": 0.12}, "min-p 0.12: 12 % of the best, or more"),
    ({"repetition_penalty": 1.3}, "repetition 1.3: what was seen loses"),
    ({"presence_penalty": 1.0}, "presence 1: what was written loses"),
    ({"frequency_penalty": 1.0}, "frequency 1: every time counts"),
]
INK, BAR, OWN = "#1a1a1a", "#1f5f99", "#8c8c8c"


def spoken(text: str) -> list[int]:
    """Which of TOKENS stand in the text, each as often as it does."""
    return [TOKENS.index(word) for word in text.replace(".", "").split() if word in TOKENS]


def probs_under(settings: dict[str, float]) -> Array:
    """The distribution (V,) that the next token is drawn from."""
    sampling = SamplingConfig(**{"temperature": 1.0, **settings})
    return next_probs(LOGITS, sampling, prompt=spoken(PROMPT), output=spoken(OUTPUT))


def label(settings: dict[str, float], i: int, prob: float) -> str:
    """The number at bar i and, under a penalty, why the token is lowered."""
    number = "out" if prob == 0 else "<0.01" if prob < 0.01 else f"{prob:.2f}"
    written = spoken(OUTPUT).count(i)
    if "repetition_penalty" in settings and i in spoken(f"{PROMPT} {OUTPUT}"):
        return f"{number}  seen"
    if "presence_penalty" in settings and written:
        return f"{number}  written"
    if "frequency_penalty" in settings and written:
        return f"{number}  written {written}×"
    return number


def draw_panel(axes: Axes, settings: dict[str, float], title: str) -> None:
    """Bars: the probabilities under the settings. Outlines: the model's own."""
    probs, places = probs_under(settings), np.arange(len(TOKENS))
    axes.barh(places, probs, height=0.7, color=BAR)
    axes.barh(places, PROBS, height=0.7, fill=False, edgecolor=OWN, linewidth=1.2)
    for place, prob, own in zip(places, probs, PROBS, strict=True):
        text = label(settings, int(place), prob)
        axes.text(max(prob, own) + 0.015, place, text, va="center", fontsize=9, color=INK)
    axes.set_title(title, fontsize=10.5, loc="left", color=INK)
    axes.set_yticks(places, TOKENS, fontsize=9.5)
    axes.set_xlim(0, 0.8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)


def draw() -> Figure:
    """The nine panels on white, which is readable on a dark page too."""
    figure = Figure(figsize=(10.5, 9.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(3, 3, sharex=True, sharey=True)
    for axes, (settings, title) in zip(grid.flat, PANELS, strict=True):
        draw_panel(axes, settings, title)
    figure.suptitle(
        "Temperature reshapes the distribution, filters cut off its tail, "
        "penalties lower what was there before",
        fontsize=13, color=INK,
    )  # fmt: skip
    figure.supxlabel(
        "probability of the next token   (bar: under the setting; outline: the model's own)\n"
        f'prompt: "{PROMPT}"   written since: "{OUTPUT}"',
        fontsize=10.5, color=INK,
    )  # fmt: skip
    figure.supylabel("next token", fontsize=10.5, color=INK)
    return figure


if __name__ == "__main__":
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".png")
    draw().savefig(picture, dpi=110)
