"""Write lessons/sampling.html: the settings of sampling as sliders, over real logits.

    python lessons/sampling_page.py              write the page
    python lessons/sampling_page.py --check      write nothing: is the page what its parts give?

The page is lessons/src/sampling.html, the only file of it that anyone edits, with one line of
data put in: what the shipped model gives for the prompts below, the vocabulary, and the settings in
the words of the command line. It needs no network, and opens with a double click.
"""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

import tinygpt
from tinygpt.config import SamplingConfig
from tinygpt.errors import ConfigError, TinyGPTError

HERE = Path(__file__).resolve().parent
TEMPLATE, PAGE = HERE / "src" / "sampling.html", HERE / "sampling.html"
PLACE = "{{data}}"  # where the template takes the data
BYTES = 300_000  # the most of a page
DECIMALS = 3  # of a logit: its probability is then within 0.05 % of itself
NEAR = 0.003  # other machines round otherwise: so much may a logit differ

SETTINGS = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p")  # as they are applied

TALE = (
    "In my grandmother's day, Ada the grumpy bat lived in a lighthouse at the end of a muddy "
    "lane. She liked peace and quiet above all. But one Friday Amy the pig moved in next to the "
    "lighthouse, with a purple gong. All day Amy played it. Clatter, bang! It went on even at "
    'breakfast. "Dear me!" groaned Ada'
)
PROMPTS = [  # what is asked, the text before it, what to see
    (
        "the first word",
        "",
        "Two beginnings lead, some twenty more are possible; the other two thousand tokens have "
        "next to nothing together (the last row). Predict their share at temperature 2. Then cut "
        "them off again: which leaves fewer of them, top-p 0.9 or min-p 0.1?",
    ),
    (
        "the next sentence",
        TALE[: TALE.index(" She")],
        "Two words lead, three follow, five come seldom. Predict how many tokens top-p 0.75 keeps "
        "(add up the first numbers) and how many min-p 0.3 keeps.",
    ),
    (
        "a colour",
        TALE[: TALE.index(" purple")],
        "Eighteen words fit, all about equally right. Predict what top-k 5 makes of them, and "
        "top-p 0.9. Min-p 0.1 keeps these eighteen and no other: why?",
    ),
    (
        "a thing",
        TALE[: TALE.index(" gong")],
        "Ten instruments fit, and are written in pieces: “b” begins banjo, bassoon and bugle, "
        "“bag” the bagpipe alone. Predict what temperature 0.5 makes of the share of “b”, and "
        "temperature 0.",
    ),
    (
        "a name that must come back",
        TALE[: TALE.rindex(" Ada")],
        "Only Ada can groan here, and the model is sure: no filter changes that. But her name "
        "stands in the text already. Predict what a repetition penalty of 2 does.",
    ),
    (
        "what it has never read",
        "The capital of France is",
        "The model has read nothing but tales and knows no France: two words that are often "
        "right, then a long tail. Filters make the text tidier, but not truer.",
    ),
]


def settings() -> list[dict[str, Any]]:
    """Each setting in the command line's words, and what is said of a value that cannot be."""
    known = {field.name: field for field in fields(SamplingConfig)}
    return [
        {
            "name": name,
            "flag": "--" + name.replace("_", "-"),
            "help": known[name].metadata["help"],
            "errors": {"text": complaint(name, "?"), "range": complaint(name, -1)},
        }
        for name in SETTINGS
    ]


def complaint(name: str, value: object) -> str:
    """What SamplingConfig says of this value; {} stands for it."""
    try:
        SamplingConfig(**{name: value})  # type: ignore[arg-type]
    except ConfigError as error:
        return str(error).replace(f"is {value!r};", "is {};")
    raise ValueError(f"{name} may be {value}")


def token_name(text: bytes) -> str:
    """A token as the page shows it: blanks are dots."""
    shown = text.decode("utf-8", errors="replace").replace(" ", "·")
    return shown if shown.isprintable() and "\ufffd" not in shown else f"bytes {text.hex(' ')}"


def data() -> dict[str, Any]:
    """Everything that the page shows and did not write itself."""
    model, tokenizer = tinygpt.load_model()
    prompts = []
    for name, text, see in PROMPTS:
        ids = [tokenizer.eot_id, *tokenizer.encode(text)]
        logits = model.forward(np.array([ids]))[0][0, -1].astype(np.float64)  # (V,)
        prompts.append(
            {
                "name": name,
                "text": text,
                "see": see,
                "ids": ids,
                "logits": (logits.round(DECIMALS) + 0.0).tolist(),
            }
        )
    names = [token_name(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)]
    names[tokenizer.eot_id] = "end of text"
    usual = SamplingConfig().temperature
    return {
        "settings": settings(), "usual_temperature": usual, "prompts": prompts, "tokens": names
    }  # fmt: skip


def make() -> str:
    """The page, as a text."""
    lines = json.dumps(data(), ensure_ascii=False, separators=(",", ":"))
    lines = lines.replace("<", "\\u003c").replace('{"name"', '\n{"name"')  # no tag; one row a line
    before, after = TEMPLATE.read_text(encoding="utf-8").split(PLACE)
    page = before + lines + after
    if len(page.encode()) > BYTES:
        raise TinyGPTError(f"{PAGE.name} would have {len(page)} bytes; {BYTES} are the most")
    return page


def parts(page: str) -> tuple[str, dict[str, Any], list[list[float]]]:
    """A page taken apart again: all that is written, the data less the logits, the logits."""
    before, opening, rest = page.partition('<script type="application/json" id="data">')
    text, closing, after = rest.partition("</script>")
    found = json.loads(text)
    logits = [prompt.pop("logits") for prompt in found["prompts"]]
    return before + opening + closing + after, found, logits


def check(committed: str, made: str) -> None:
    """Raise TinyGPTError unless both pages say the same and their logits are near each other."""
    remedy = "run python lessons/sampling_page.py"
    (text, rest, logits), (new_text, new_rest, new_logits) = parts(committed), parts(made)
    if text != new_text:
        raise TinyGPTError(f"{PAGE.name} is not what {TEMPLATE.name} in src/ gives; {remedy}")
    if rest != new_rest:
        raise TinyGPTError(f"{PAGE.name} has other prompts, settings or tokens; {remedy}")
    apart = np.abs(np.array(logits) - np.array(new_logits)).max()
    if apart > NEAR:
        raise TinyGPTError(f"a logit of {PAGE.name} is {apart:.3f} off; {remedy}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the sampling page, or check that it is so.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    args = parser.parse_args()
    try:
        page = make()
        if not args.check:
            PAGE.write_text(page, encoding="utf-8", newline="\n")
        elif not PAGE.exists():
            raise TinyGPTError(f"{PAGE.name} is missing; run python lessons/sampling_page.py")
        else:
            check(PAGE.read_text(encoding="utf-8"), page)
    except TinyGPTError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    did = "is what its parts give" if args.check else f"written, {len(page.encode()) // 1000} kB"
    print(f"{PAGE.name}: {did}", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
