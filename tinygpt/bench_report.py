"""What `python -m tinygpt.bench` says of what it has measured: a table, or JSON."""

import json
import sys
from dataclasses import asdict
from typing import Any, NamedTuple

from tinygpt.flops import multiplied_count
from tinygpt.model import GPT
from tinygpt.params import parameter_count
from tinygpt.speed import Part
from tinygpt.threads import peak_memory

BUSY = 0.8  # of the better measurement of the peak: a quiet machine does not get below


class Subject(NamedTuple):
    """What is measured: a model by its name, and the rows of its training batch."""

    name: str
    model: GPT
    rows: int


def title(subject: Subject, threads: int) -> str:
    """What is measured, in a line."""
    model, config = subject.model, subject.model.config
    return (
        f"{subject.name}: {parameter_count(config):,} parameters ({config.n_layer} layers, "
        f"{config.n_head} heads, {config.n_embd} channels, context {config.block_size}, "
        f"{config.vocab_size:,} ids), {model.dtype}, {threads} thread{'s' * (threads != 1)}"
    )


def print_results(
    subject: Subject, parts: list[Part], peaks: list[float], threads: int, *, as_json: bool
) -> None:
    """Print parts that were measured, and a note if the machine was busy. `peaks` are the GFLOP/s
    of matrix products before and, unless there was Ctrl-C, after."""
    results = _results(subject, parts, peaks, threads)
    print(json.dumps(results) if as_json else _table(results), flush=True)  # noqa: T201
    if results["busy"]:
        after = f" and {peaks[1]:.0f} after" if len(peaks) > 1 else ""
        sys.stderr.write(
            f"note: matrix products ran at {peaks[0]:.0f} GFLOP/s before{after}; "
            "the machine is busy, so run this again when it is quiet\n"
        )


def _results(
    subject: Subject, parts: list[Part], peaks: list[float], threads: int
) -> dict[str, Any]:
    """What --json prints. Without the peak after, if there was Ctrl-C."""
    model = subject.model
    numbers = [_numbers(part, model, max(peaks)) for part in parts]
    # what is faster than the peak shows that the peak was measured at a bad moment
    beyond = any(each["share_of_peak"] > 1 for each in numbers)
    return {
        "model": subject.name,
        "parameters": parameter_count(model.config),
        "config": asdict(model.config),
        "dtype": str(model.dtype),
        "threads": threads,
        "parts": numbers,
        "peak_gflops_before": peaks[0],
        "peak_gflops_after": peaks[1] if len(peaks) > 1 else None,
        "busy": beyond or min(peaks) < BUSY * max(peaks),
        "process_peak_bytes": peak_memory(),
    }


def _numbers(part: Part, model: GPT, peak: float) -> dict[str, Any]:
    median = part.percentile(50)
    read = multiplied_count(model.config) * model.dtype.itemsize
    return {
        "part": part.name,
        "texts": part.texts,
        "tokens": part.tokens,
        "context": part.context,
        "times": len(part.seconds),
        "tokens_per_second": part.tokens_per_second,
        "median_ms": 1e3 * median,
        "p10_ms": 1e3 * part.percentile(10),
        "p90_ms": 1e3 * part.percentile(90),
        "gflops": part.gflops,
        "share_of_peak": part.gflops / peak,
        "weights_gb_per_second": read / median / 1e9 if part.name == "decode" else None,
        "memory_bytes": part.memory,
    }


def _table(results: dict[str, Any]) -> str:
    """The same for a reader: a line a part, and the machine below."""
    rows = [
        ("", "tokens/s", "ms: median", "10th", "90th", "times", "of peak", "GB/s", "memory"),
        *(_row(numbers) for numbers in results["parts"]),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    before, after = results["peak_gflops_before"], results["peak_gflops_after"]
    below = f"matrix products: {before:.0f} GFLOP/s before"
    below += ", stopped" if after is None else f", {after:.0f} after; the peak is the better"
    if (peak := results["process_peak_bytes"]) is not None:
        below += f"; peak memory of the whole process {peak / 1e6:,.0f} MB"
    return "\n".join([*lines, "", below])


def _row(numbers: dict[str, Any]) -> tuple[str, ...]:
    texts, context = numbers["texts"], numbers["context"]
    what = f"{texts} text{'s' * (texts != 1)}"
    what += (
        f", token {context}"
        if numbers["part"] == "decode"
        else f" of {context} token{'s' * (context != 1)}"
    )
    bandwidth = numbers["weights_gb_per_second"]
    return (
        f"{numbers['part']:7} {what}",
        f"{numbers['tokens_per_second']:,.0f}",
        *(f"{numbers[name]:,.2f}" for name in ("median_ms", "p10_ms", "p90_ms")),
        f"{numbers['times']:,}",
        f"{numbers['share_of_peak']:.0%}",
        "-" if bandwidth is None else f"{bandwidth:,.1f}",
        f"{numbers['memory_bytes'] / 1e6:,.1f} MB",
    )
