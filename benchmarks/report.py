"""The suite's numbers as Markdown.

python benchmarks/report.py [SUITE.json]

First the bar, which the README shows: ours beside its fastest peer; then every race.
"""

import json
import statistics
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
    "int8": "int8 weights at GPT-2 124M: a token of one text",
    "start": "Start of a process to its first token, GPT-2 124M, warm",
}
AVX2 = f"{OURS} with AVX2"
PEERS = ("PyTorch", "Hugging Face")  # how their names begin
HEADS = ("contender", "best ms", "median ms", "tokens/s", "time over tinygpt's", "share of peak")


def tables(found: dict[str, Any]) -> str:
    """All that was raced, and what it was raced on."""
    return "\n".join(_lines(found)) + "\n"


def bar(found: dict[str, Any]) -> Iterator[str]:
    """Ours beside the fastest of its peers, a row for each race."""
    about, peaks = found["machine"], _peaks(found["races"])
    loads = [race["load"] for race in found["races"]]
    yield (
        f"{about['began']}, {about['processor']}, {about['cores']} cores, best of "
        f"{found['rounds']} interleaved rounds. NumPy multiplies matrices at "
        f"{peaks['gflops']:.0f} GFLOP/s here"
        + "".join(
            f" ({peak:.0f} with kernels for AVX2)" for what, peak in peaks.items() if " of " in what
        )
        + f", and reads them at {peaks['bandwidth']:.0f} GB/s. Load before the races: "
        f"{min(loads):.1f} to {max(loads):.1f}, of which a race's own work is up to 2."
    )
    yield "\n| | tinygpt ms | with AVX2 | fastest peer ms | | times as fast | with AVX2 | memory |"
    yield "|---|---:|---:|---:|---|---:|---:|---:|"
    for race in found["races"]:
        ran = {name: r for name, r in race["contenders"].items() if "best" in r}
        peers = [name for name in ran if name.startswith(PEERS)]
        if OURS not in ran or not peers:
            continue
        peer = min(peers, key=lambda name: ran[name]["best"])
        ours, avx2 = ran[OURS], ran.get(AVX2)
        memory = [ran[name]["rss"] for name in peers if "rss" in ran[name]]
        cells = (
            f"{race['group']}: {race['name']}",
            _ms(ours["best"]),
            _ms(avx2["best"]) if avx2 else "",
            _ms(ran[peer]["best"]),
            peer,
            f"**{_ratio(race, peers, OURS)}**",
            _ratio(race, peers, AVX2) if avx2 else "",
            f"{ours['rss'] / min(memory):.0%}" if memory else "",
        )
        yield f"| {' | '.join(cells)} |"
    yield from _int8(found["races"])


def _ratio(race: dict[str, Any], peers: list[str], ours: str) -> str:
    """The fastest peer's time over ours: the median of the races, and from where to where."""
    times = [
        {name: repeat[name]["best"] for name in (ours, *peers) if "best" in repeat[name]}
        for repeat in race["repeats"]
    ]
    ratios = sorted(min(t[name] for name in t if name != ours) / t[ours] for t in times)
    median = statistics.median(ratios)
    if len(ratios) == 1:
        return f"{median:.2f}"
    return f"{median:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _int8(races: list[dict[str, Any]]) -> Iterator[str]:
    """What int8 gives, on all threads and on one."""
    for race in races:
        if race["group"] == "int8":
            ran = race["contenders"]
            all_, one = (
                ran[f"tinygpt{those}"]["best"] / ran[f"tinygpt int8{those}"]["best"]
                for those in ("", ", one thread")
            )
            yield (
                f"\nint8 weights, {race['name']}: {all_:.2f} times as fast as float32 on all "
                f"threads, {one:.2f} on one."
            )


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.{0 if seconds > 0.1 else 1}f}"


def _peaks(races: list[dict[str, Any]]) -> dict[str, float]:
    """The highest that the machine reached before or after any race."""
    seen = [race[when] for race in races for when in ("before", "after")]
    return {what: max(peaks[what] for peaks in seen) for what in seen[0]}


def _lines(found: dict[str, Any]) -> Iterator[str]:
    races, about, peaks = found["races"], found["machine"], _peaks(found["races"])
    yield from bar(found)
    yield (
        f"\nPython {about['python']}, a process for each contender. Shares are of the peaks above: "
        "of the kernels used in matrix products, of the reading where a pass is bound by that. "
        "Attention is counted whole, also what its mask hides. Memory is the peak of the whole "
        "process, from its start."
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
        + (
            "results not compared"
            if race["difference"] is None
            else f"results differ by {race['difference']:.0e} at most"
        )
    )


def _row(name: str, result: dict[str, Any], race: dict[str, Any], peaks: dict[str, float]) -> str:
    if "error" in result:
        last = result["error"].splitlines()[-1].replace("|", "/")
        return f"| {name} | did not run: {last:.120} " + "| " * len(HEADS) + "|"
    seconds = result["best"]
    ours = race["contenders"][OURS].get("best")
    kernels = result.get("kernels")
    if race["flops"]:
        peak = peaks[f"gflops of {kernels}" if kernels else "gflops"]
        share = f"{race['flops'] / seconds / 1e9 / peak:.0%}"
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
