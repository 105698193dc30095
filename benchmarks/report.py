"""The suite's numbers as Markdown.

python benchmarks/report.py [SUITE.json]
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS = "tinygpt"
TITLES = {
    "train": "Training: forward, backward, clipping at 1, AdamW",
    "decode": "Decoding at GPT-2 124M: a token for each text",
    "verify": "Verification at GPT-2 124M: several tokens of one text, context 128",
    "prefill": "Prefill at GPT-2 124M: a prompt, and the logits of its end",
    "start": "Start of a process to its first token, GPT-2 124M, warm",
}
HEADS = ("contender", "best ms", "median ms", "tokens/s", "time over tinygpt's", "share of peak")


def tables(found: dict[str, Any]) -> str:
    """All that was raced, and what it was raced on."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    races, about = found["races"], found["machine"]
    peaks = {
        what: max(race[when][what] for race in races for when in ("before", "after"))
        for what in ("gflops", "bandwidth")
    }
    yield (
        f"{about['began']}, {about['processor']}, {about['cores']} cores, Python "
        f"{about['python']}. Best of {found['rounds']} interleaved rounds, a process for each "
        f"contender. Peaks seen in NumPy: {peaks['gflops']:.0f} GFLOP/s in matrix products, "
        f"{peaks['bandwidth']:.0f} GB/s in products with a vector; shares are of these. "
        "Peak memory is the whole process's, from its start."
    )
    if removed := about["removed from the environment"]:
        yield f"Removed from every contender's environment: {', '.join(removed)}."
    group = None
    for race in races:
        if race["group"] != group:
            group = race["group"]
            yield f"\n## {TITLES[group]}"
        yield f"\n{race['name']} ({_machine_then(race)})\n"
        yield f"| {' | '.join(HEADS)} | peak memory MB |"
        yield "|---|" + "---:|" * len(HEADS)
        for name, result in race["contenders"].items():
            yield _row(name, result, race, peaks)
    yield from _verification(races)


def _machine_then(race: dict[str, Any]) -> str:
    before, after = race["before"], race["after"]
    return (
        f"machine before and after: {before['gflops']:.0f}, {after['gflops']:.0f} GFLOP/s, "
        f"{before['bandwidth']:.0f}, {after['bandwidth']:.0f} GB/s, load {race['load']:.1f}; "
        f"results differ by {race['difference']:.0e} at most"
    )


def _row(name: str, result: dict[str, Any], race: dict[str, Any], peaks: dict[str, float]) -> str:
    if "error" in result:
        last = result["error"].splitlines()[-1].replace("|", "/")
        return f"| {name} | did not run: {last:.120} " + "| " * len(HEADS) + "|"
    seconds = result["best"]
    ours = race["contenders"][OURS].get("best")
    if race["flops"]:
        share = f"{race['flops'] / seconds / 1e9 / peaks['gflops']:.0%}"
    else:
        share = f"{race['bytes'] / seconds / 1e9 / peaks['bandwidth']:.0%}" if race["bytes"] else ""
    cells = (
        name,
        f"{1e3 * seconds:,.1f}",
        f"{1e3 * result['median']:,.1f}",
        f"{race['tokens'] / seconds:,.0f}" if race["group"] != "start" else "",
        f"{seconds / ours:.2f}" if ours else "",
        share,
        f"{result['rss']:,.0f}" if "rss" in result else "",
    )
    return f"| {' | '.join(cells)} |"


def _verification(races: list[dict[str, Any]]) -> Iterator[str]:
    """What a pass over several tokens costs ours, in passes over one."""
    ours = {(race["group"], race["name"]): race["contenders"][OURS].get("best") for race in races}
    one = ours.get(("decode", "context 128, batch 1"))
    if one is None:
        return
    for (group, name), seconds in ours.items():
        if group == "verify" and seconds is not None:
            yield f"\nVerifying {name.split(', ')[1]} costs ours {seconds / one:.2f} of one token."


def main() -> None:
    default = Path(__file__).resolve().parent / "results" / "suite.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    sys.stdout.write(tables(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
