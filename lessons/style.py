"""The one picture style of all lessons, and the map of the whole machine.

A picture is drawn on white (readable on a dark page too), in colours that the colour-blind tell
apart and that differ in grey, with nothing smaller than 10 points. Its title is its message.

    figure, axes = new_figure(8, 3)
    draw_curves(axes, x, {"loss": y})
    picture(figure, "what is to be seen, for those who cannot see it")     # the cell's last line
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

# Okabe and Ito's colours, which also differ in grey in this order
INK, BLUE, ORANGE, GREEN, RED, SKY, GREY, PURPLE = (
    "#1a1a1a", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#8c8c8c", "#a2487f",
)  # fmt: skip
PALE = {
    BLUE: "#d6e8f4", ORANGE: "#fdeccb", GREEN: "#d3efe6", RED: "#fbdfd0", GREY: "#f0f0f0",
    PURPLE: "#f3e1ec",
}  # fmt: skip
COLOURS = (BLUE, RED, GREEN, ORANGE, INK)
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
LIGHT_TO_DARK = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#9ecae8", "#0072b2"])
BELOW_TO_ABOVE = LinearSegmentedColormap.from_list("both", ["#d55e00", "#ffffff", "#0072b2"])
SMALL, TEXT, TITLE = 10, 11, 13  # points; DPI makes one point as large as in the text around
DPI = 100


class Picture:
    """A PNG that a notebook shows, with words for those who hear it: the same bytes every time."""

    def __init__(self, png: bytes, says: str) -> None:
        self.png, self.says = png, says

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"Picture: {self.says}"


def new_figure(
    width: float = 8.0, height: float = 3.6, rows: int = 1, columns: int = 1
) -> tuple[Figure, Axes]:
    """A figure on white and its axes: one, or a list of them. Inches, 9.5 at most."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, grid[0, 0] if rows * columns == 1 else list(grid.flat)


def picture(figure: Figure, says: str) -> Picture:
    """The figure as a picture. `says` tells in a sentence what is to be seen."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    small = io.BytesIO()  # 128 colours are enough for drawings, and make a third of the bytes
    Image.open(buffer).convert("RGB").quantize(128).save(small, format="png", optimize=True)
    return Picture(small.getvalue(), says)


def titles(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """The message above; what each axis counts, with its unit."""
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=TEXT, color=INK)
    axes.set_ylabel(y, fontsize=TEXT, color=INK)


def draw_curves(axes: Axes, x: Sequence[float], curves: Mapping[str, Sequence[float]]) -> None:
    """Lines that differ in colour and in dashes, each named at its right end (also after another
    `axes.set_ylim`)."""
    names = []
    for i, (name, y) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(x, y, linewidth=2, color=colour, linestyle=DASHES[i % len(DASHES)])
        text = axes.text(
            1.01, 0, name, fontsize=TEXT, color=colour, va="center", transform=axes.transAxes
        )
        names.append((y[-1], i, text))
    apart = 1.4 * TEXT / 72 / (0.7 * axes.figure.get_size_inches()[1])  # a line of text

    def place_names(axes: Axes) -> None:
        low, high = axes.get_ylim()
        lowest = 0.0
        for end, _, text in sorted(names, key=lambda name: name[:2]):
            height = max((end - low) / (high - low), lowest)  # names do not lie on each other
            lowest = height + apart
            text.set_y(height)

    axes.callbacks.connect("ylim_changed", place_names)
    axes.set_ylim(axes.get_ylim())


def draw_bars(axes: Axes, names: Sequence[str], values: Sequence[float], colour: str = BLUE):
    """One bar a name, its number above it."""
    axes.bar(range(len(names)), values, color=colour, width=0.65)
    axes.set_xticks(range(len(names)), names, fontsize=TEXT, color=INK)
    axes.axhline(0, color=INK, linewidth=0.8)
    for i, value in enumerate(values):
        axes.annotate(
            f"{value:.3g}", (i, value), xytext=(0, 3 if value >= 0 else -3), fontsize=TEXT,
            textcoords="offset points", ha="center", va="bottom" if value >= 0 else "top",
        )  # fmt: skip
    axes.margins(y=0.18)


def draw_heatmap(
    axes: Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    form: str = "{:.2f}",
) -> None:
    """Numbers on colours: white to blue from 0 up, red to blue where some are negative."""
    largest = float(np.abs(values).max()) or 1.0
    both = bool((values < 0).any())
    axes.imshow(
        values, cmap=BELOW_TO_ABOVE if both else LIGHT_TO_DARK, aspect="auto",
        vmin=-largest if both else 0.0, vmax=largest,
    )  # fmt: skip
    axes.set_xticks(range(len(columns)), columns, fontsize=SMALL)
    axes.set_yticks(range(len(rows)), rows, fontsize=SMALL)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    if values.size <= 150:
        for (i, j), value in np.ndenumerate(values):
            ink = "white" if abs(value) > 0.72 * largest else INK
            axes.text(j, i, form.format(value), ha="center", va="center", fontsize=SMALL, color=ink)


# ---- boxes of shapes: an array is a grid of its numbers, its name and shape above it


def draw_arrays(
    parts: Sequence[object], title: str, says: str, *, form: str = "{:g}", height: float = 0
) -> Picture:
    """A row of arrays and signs: ["x", x] or ["x", x, marks] is an array, "@" a sign.

    `marks` has the array's shape: 0 plain, 1 strong (look here), -1 pale (a copy that
    broadcasting makes, never stored). A vector is drawn as one row; its shape says that it is one.
    """
    arrays = [np.atleast_2d(part[1]) for part in parts if not isinstance(part, str)]
    rows = max(a.shape[0] for a in arrays)
    cells = sum(a.shape[1] + 0.5 for a in arrays)
    signs = sum(isinstance(part, str) for part in parts)
    width = min(0.78, 9.0 / (cells + 0.9 * signs))
    wide = (cells + 0.9 * signs) * width + 0.3
    figure, axes = new_figure(max(wide, 6.5), height or 0.42 * rows + 1.25)
    axes.axis("off")
    left = 0.0
    for part in parts:
        if isinstance(part, str):
            axes.text(left + 0.2, -rows / 2, part, fontsize=18, ha="center", va="center", color=INK)
            left += 0.9
        else:
            left = _draw_grid(axes, left, rows, part, form) + 0.5
    axes.set_xlim(-0.3, max(left, 6.5 / width - 0.3))
    axes.set_ylim(-rows - 0.2, 1.3)
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    return picture(figure, says)


def _draw_grid(axes: Axes, left: float, rows: int, part: Sequence[object], form: str) -> float:
    name, array, *marked = part
    values = np.atleast_2d(array)
    marks = np.broadcast_to(marked[0], values.shape) if marked else np.zeros(values.shape)
    top = -(rows - values.shape[0]) / 2
    for (i, j), value in np.ndenumerate(values):
        mark = marks[i, j]
        face = PALE[ORANGE] if mark > 0 else "white" if mark < 0 else PALE[BLUE]
        axes.add_patch(
            Rectangle(
                (left + j, top - i - 1),
                1,
                1,
                facecolor=face,
                edgecolor=GREY if mark < 0 else INK,
                linestyle=":" if mark < 0 else "-",
                linewidth=2.2 if mark > 0 else 1.0,
                zorder=2 + (mark > 0),
            )
        )
        axes.text(
            left + j + 0.5, top - i - 0.5, form.format(value), ha="center", va="center",
            fontsize=TEXT, color="#5c5c5c" if mark < 0 else INK, zorder=4,
            fontweight="bold" if mark > 0 else "normal",
        )  # fmt: skip
    middle = left + values.shape[1] / 2
    axes.text(
        middle, top + 0.15, f"{name}  {np.shape(array)}", ha="center", va="bottom",
        fontsize=TEXT, color=INK,
    )  # fmt: skip
    return left + values.shape[1]


# ---- the map: the whole machine on one page, forward down the left, backward up the right

FORWARD = [  # name, what it is, what comes out, lesson
    ("tokens", "text to token ids", "ids", "01"),
    ("batches", "batch: ids and the ids that follow", "ids (B, T)", "02"),
    ("embedding", "embedding of token and position", "x (B, T, C)", "07"),
    ("norm", "LayerNorm", "(B, T, C)", "06"),
    ("attention", "causal self-attention, added to x", "x (B, T, C)", "08"),
    ("mlp", "norm, linear, GELU, linear, added", "x (B, T, C)", "05, 06"),
    ("final norm", "LayerNorm", "(B, T, C)", "06"),
    ("logits", "linear: a number for every token", "logits (B, T, V)", "05"),
    ("loss", "softmax and cross-entropy", "loss, one number", "03"),
]
BACKWARD = {  # name: what comes out of its backward pass
    "embedding": "dwte, dwpe",
    "norm": "dx (B, T, C)",
    "attention": "dx (B, T, C)",
    "mlp": "dx (B, T, C)",
    "final norm": "dx (B, T, C)",
    "logits": "dx (B, T, C), dwte",
    "loss": "dlogits (B, T, V)",
}
AROUND = [  # name, what it is, lesson, height on the page
    ("map", "arrays and shapes", "00", 0),
    ("training loop", "training loop: this,\nagain and again", "04, 11", 1),
    ("optimizer", "AdamW: gradients\nmove the parameters", "10", 2.1),
    ("block", "the block, L times,\nand the GPT", "09", 4),
    ("look inside", "look inside,\nand experiments", "16", 5.1),
    ("speed", "KV cache, vectors,\nthreads, GPU", "13", 6.1),
    ("sampling", "sampling: logits to\nthe next token", "12", 7.1),
    ("speculative", "several tokens\nfor the price of one", "14", 8.1),
    ("serving", "serving: HTTP\nand a page", "15", 9.1),
]
PLACES = [*(row[0] for row in FORWARD), *(row[0] for row in AROUND)]


def draw_map(*mark: str) -> Picture:
    """The machine on one page. `mark` names the places where this lesson is, of PLACES."""
    here = f"; you are at: {', '.join(mark)}" if mark else ""
    return picture(map_figure(*mark), "the machine, forward and backward" + here)


def map_figure(*mark: str) -> Figure:
    unknown = set(mark) - set(PLACES)
    if unknown:
        raise ValueError(f"the map has no {', '.join(sorted(unknown))}; it has {', '.join(PLACES)}")
    figure, axes = new_figure(9.5, 8.8)
    axes.axis("off")
    axes.set_xlim(0, 9.5)
    axes.set_ylim(9.75, -0.75)  # downwards
    axes.set_title("A GPT on one page: forward down, backward up", fontsize=TITLE, loc="left")
    axes.add_patch(Rectangle((0.08, 2.64), 6.7, 2.72, fill=False, edgecolor=INK, linestyle="--"))
    axes.text(6.65, 3.5, "block, L times", fontsize=SMALL, ha="right", va="center", color=INK)
    axes.text(1.9, -0.6, "FORWARD", fontsize=TEXT, ha="center", color=BLUE, fontweight="bold")
    axes.text(5.3, -0.6, "BACKWARD", fontsize=TEXT, ha="center", color=PURPLE, fontweight="bold")
    axes.text(8.2, -0.6, "AROUND IT", fontsize=TEXT, ha="center", color=INK, fontweight="bold")
    for y, (name, what, out, lesson) in enumerate(FORWARD):
        _draw_place(axes, 0.2, y, 3.5, what, lesson, BLUE, name in mark)
        _draw_arrow(axes, 1.3, y + 0.29, y + 0.71, BLUE, out)
        if name in BACKWARD:
            _draw_place(axes, 4.0, y, 2.65, f"{name}, backward", "", PURPLE, name in mark)
            if y > 2:
                _draw_arrow(axes, 4.5, y - 0.29, y - 0.71, PURPLE, BACKWARD[name])
            else:
                axes.text(
                    5.3, y - 0.4, f"{BACKWARD[name]}: to AdamW", fontsize=SMALL, ha="center",
                    va="center", color=INK,
                )  # fmt: skip
    axes.text(1.3, 9.0, "loss", fontsize=TEXT, ha="center", va="center", color=INK)
    axes.annotate(
        "", (4.5, 8.29), (1.6, 9.02),
        arrowprops={
            "arrowstyle": "->", "color": PURPLE, "connectionstyle": "angle,angleA=0,angleB=90",
        },
    )  # fmt: skip
    axes.text(3.0, 9.22, "dloss = 1: the way back begins", fontsize=SMALL, ha="center", color=INK)
    for name, what, lesson, y in AROUND:
        _draw_place(axes, 7.05, y, 2.35, what, lesson, GREEN, name in mark)
    return figure


def _draw_place(
    axes: Axes, x: float, y: float, width: float, what: str, lesson: str, colour: str, here: bool
) -> None:
    """A box with words and, at its right, the lesson's number. Where we are: orange in a thick
    frame, and a box that has a lesson says so in words."""
    high = 0.29 if "\n" not in what else 0.4
    axes.add_patch(
        FancyBboxPatch(
            (x, y - high),
            width,
            2 * high,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=ORANGE if here else PALE[colour],
            edgecolor=INK if here else colour,
            linewidth=3.0 if here else 1.0,
            zorder=2,
        )
    )
    axes.text(x + 0.1, y, what, fontsize=SMALL, va="center", color=INK, zorder=3)
    axes.text(
        x + width - 0.08, y, lesson, fontsize=SMALL, va="center", ha="right", color=INK, zorder=3
    )
    if here and lesson:
        axes.text(
            x + width - 0.12, y - high - 0.03, "you are here", fontsize=SMALL, va="center",
            ha="right", color="white", weight="bold", zorder=4,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": INK, "edgecolor": "none"},
        )  # fmt: skip


def _draw_arrow(axes: Axes, x: float, start: float, end: float, colour: str, what: str) -> None:
    axes.annotate("", (x, end), (x, start), arrowprops={"arrowstyle": "->", "color": colour})
    axes.text(x + 0.15, (start + end) / 2, what, fontsize=SMALL, va="center", color=INK)


# ---- tokens: a text cut into pieces, each in a box of its own


def draw_tokens(rows: Mapping[str, Sequence[str]], title: str, says: str) -> Picture:
    """One line a row: its name, its tokens in boxes as wide as their letters, and how many.

    Blanks are drawn as dots. A row should have 50 letters at most.
    """
    left = 0.8 * max(map(len, rows)) + 2
    letters = max(sum(len(token) + 0.3 for token in row) for row in rows.values())
    figure, axes = new_figure(9.5, 0.5 * len(rows) + 0.6)
    axes.axis("off")
    axes.set_xlim(-left, max(letters + 11, 76 - left))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    faces = [PALE[colour] for colour in (BLUE, ORANGE, GREEN, RED)]
    for y, (name, row) in enumerate(rows.items()):
        axes.text(-left, y, name, fontsize=TEXT, va="center", color=INK)
        x = 0.0
        for i, token in enumerate(row):
            axes.add_patch(
                Rectangle(
                    (x, y - 0.33), len(token), 0.66, facecolor=faces[i % 4], edgecolor=INK,
                    linewidth=0.8,
                )
            )  # fmt: skip
            axes.text(
                x + len(token) / 2, y, token.replace(" ", "·"), fontsize=TEXT, ha="center",
                va="center", color=INK, family="monospace",
            )  # fmt: skip
            x += len(token) + 0.3
        axes.text(
            x + 0.8,
            y,
            f"{len(row)} token{'s' * (len(row) != 1)}",
            fontsize=TEXT,
            va="center",
            color=INK,
        )
    return picture(figure, says)


# ---- the residual stream: what flows along it, forward above, backward below


def draw_stream(
    branches: Sequence[tuple[str, str, str]],
    forward: Sequence[str],
    backward: Sequence[str],
    title: str,
    says: str,
    *,
    widths: Sequence[float] = (),
) -> Picture:
    """A stream from the embedding to the output layer; each branch reads it and adds to it.

    A branch is (name, what it adds forward, what it adds backward). `forward` and `backward` say
    what flows between the branches, so they are one longer than `branches`; `widths`, as many, are
    the widths of the arrows back, in points.
    """
    n = len(branches)
    figure, axes = new_figure(9.5, 3.3)
    axes.axis("off")
    axes.set_xlim(-0.85, n + 0.85)
    axes.set_ylim(-0.75, 1.75)
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    wide = list(widths) or [1.5] * (n + 1)
    words = {"fontsize": TEXT if n < 5 else SMALL, "ha": "center", "va": "center", "zorder": 4}

    def arrow(start: tuple[float, float], end: tuple[float, float], colour: str, width: float):
        style = f"simple,tail_width={width},head_width={width + 6},head_length=7"
        draw = {"arrowstyle": style, "mutation_scale": 1, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end, start, arrowprops={**draw, "facecolor": colour, "linewidth": 0})

    for k in range(n + 1):
        left, right = k - (0.22 if k else 0.4), k + (0.22 if k < n else 0.4)
        arrow((left, 0.12), (right, 0.12), BLUE, 1.5)
        arrow((right, -0.12), (left, -0.12), RED, wide[k])
        axes.text(k, 0.32, forward[k], color=BLUE, **words)
        axes.text(k, -0.45, backward[k], color=RED, **words)
    for k, (name, up, down) in enumerate(branches):
        fork, joint, x = k + 0.28, k + 0.72, k + 0.5
        arrow((fork + 0.06, 0.12), (joint - 0.06, 0.12), BLUE, 1.5)  # past the branch
        arrow((joint - 0.06, -0.12), (fork + 0.06, -0.12), RED, wide[k + 1])
        for foot, shift in ((fork, -0.035), (joint, 0.035)):
            ends = (foot + shift, 0.22), (foot + shift, 1.2)
            arrow(*(ends if foot == fork else ends[::-1]), BLUE, 1.2)
            ends = (foot - shift, 0.22), (foot - shift, 1.2)
            arrow(*(ends[::-1] if foot == fork else ends), RED, 1.2)
        axes.text(joint + 0.1, 0.75, up, color=BLUE, **{**words, "ha": "left"})
        axes.text(fork - 0.1, 0.75, down, color=RED, **{**words, "ha": "right"})
        box = {"boxstyle": "round,pad=0.4", "facecolor": PALE[GREEN], "edgecolor": GREEN}
        axes.text(x, 1.4, name, color=INK, bbox=box, **words)
        for at, colour in ((joint, BLUE), (fork, RED)):
            box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour}
            axes.text(at, 0, "+", color=colour, bbox=box, **words)
    box = {"boxstyle": "round,pad=0.4", "facecolor": PALE[BLUE], "edgecolor": BLUE}
    for x, name in ((-0.62, "wte"), (n + 0.62, "wteᵀ")):
        axes.text(x, 0, name, color=INK, bbox=box, **words)
    return picture(figure, says)


# ---- a text whose tokens are of kinds, in runs


def draw_runs(
    runs: Sequence[Sequence[tuple[str, str]]], kinds: Mapping[str, str], title: str, says: str
) -> Picture:
    """A text as it reads, token by token, in boxes; a gap after each run.

    A run is a list of (token, kind), 100 letters at most. `kinds` names the kinds, each with its
    colour (of PALE); the last of them is drawn bold.
    """
    wide, strong = 100.0, list(kinds)[-1]
    places, x, line = [], 0.0, 0
    for run in runs:
        if x + sum(len(token) for token, _ in run) > wide:
            x, line = 0.0, line + 1
        for token, kind in run:
            places.append((x, line, token, kind))
            x += len(token)
        x += 1.6
    figure, axes = new_figure(9.5, 0.33 * (line + 2) + 0.45)
    axes.axis("off")
    axes.set_xlim(-0.5, wide + 0.5)
    axes.set_ylim(line + 1.6, -0.7)
    axes.set_title(title, fontsize=TITLE, loc="left", color=INK)
    x = 0.0
    for kind in kinds:  # the legend, below
        places.append((x, line + 1.1, f" {kind} ", kind))
        x += len(kind) + 4
    for x, y, token, kind in places:
        axes.add_patch(
            Rectangle(
                (x, y - 0.36), len(token), 0.72, facecolor=PALE[kinds[kind]], edgecolor=INK,
                linewidth=1.6 if kind == strong else 0.5, zorder=2 + (kind == strong),
            )
        )  # fmt: skip
        axes.text(
            x + len(token) / 2, y, token, fontsize=SMALL, ha="center", va="center", color=INK,
            family="monospace", weight="bold" if kind == strong else "normal", zorder=4,
        )  # fmt: skip
    return picture(figure, says)
