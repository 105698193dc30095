"""`python -m tinygpt.bench`: how fast a model trains, reads and writes on this machine."""

import math
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinygpt.commands import Parser, run
from tinygpt.config import MOST_THREADS
from tinygpt.errors import ConfigError
from tinygpt.presets import describe_presets

if TYPE_CHECKING:
    from tinygpt.bench_report import Subject
    from tinygpt.speed import Part

EXAMPLES = f"""\
  python -m tinygpt.bench                                  the shipped model, in 15 seconds
  python -m tinygpt.bench --checkpoint gpt2.h5 --seconds 10
  python -m tinygpt.bench --run-name book --only decode --texts 16 --context 64
  python -m tinygpt.bench --preset shakespeare-char --only train --batch-size 8
  python -m tinygpt.bench --preset tiny --threads 1 --dtype float64 --json

presets (random weights):
{describe_presets()}

train    steps on whole windows: forward, backward, AdamW; 6 N + 12 L C T operations a token
prefill  reading a prompt of --context tokens; 2 N + 4 L C T operations a token, the output layer
         for the last alone
decode   the last of them alone, and a draw; GB/s: the bytes of N weights by the time of a pass
N are the parameters but for wpe, L layers, C channels, T the context. Ids are random. A rate is
that of the median time; a tenth of the times are below the 10th percentile. The peak is the speed
of NumPy's matrix products, measured before and after. Memory is that of the arrays; Python and its
libraries come on top. All is on the CPU. Ctrl-C prints what was measured so far."""

TEXTS = 8  # side by side, unless --texts says otherwise
GOES_WITH = {"batch_size": ("train",), "context": ("prefill", "decode"), "texts": ("decode",)}
SHAKESPEARE = 65  # characters: what a preset with the char tokenizer learns from


def build_parser() -> Parser:
    """The flags of this command."""
    parser = Parser("bench", "How fast a model trains, reads and writes on this machine.", EXAMPLES)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--checkpoint", metavar="X", help="file or run's folder (default: the shipped model)"
    )
    which.add_argument("--run-name", metavar="NAME", help="the run in checkpoints/NAME")
    which.add_argument("--preset", metavar="NAME", help="a model of named settings (below)")
    parser.add_argument(
        "--only", choices=("train", "prefill", "decode"), help="one part (default: all)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3.0,
        metavar="X",
        help="how long each line of the table may take (default 3)",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="train: windows in a step (default: the preset's, else 12)",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="prefill and decode: tokens in view (default: half of what the model can read)",
    )
    parser.add_argument(
        "--texts",
        type=int,
        metavar="N",
        help="decode: also so many texts side by side (default 8; 1: no)",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="threads (default 0: all cores)"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="arithmetic (default float32)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print what was measured, also after Ctrl-C.   Raises TinyGPTError."""
    parser = build_parser()
    args = parser.parse_args(argv)
    _refuse_contradictions(parser, args)
    _refuse_bad_numbers(args)
    from tinygpt.bench_report import print_results, title
    from tinygpt.probe import gflops
    from tinygpt.threads import blas_threads, default_workers, keep_freed_memory

    keep_freed_memory()
    threads = args.threads or default_workers()
    most = min(threads, default_workers())  # more threads than cores are slower
    subject = _subject(args)
    parts = _parts(subject, args, threads)
    _refuse_too_large(parts)
    if not args.json:
        print(title(subject, threads) + "\n", flush=True)  # noqa: T201
    peaks: list[float] = []
    try:
        with blas_threads(most):
            peaks.append(gflops(dtype=args.dtype))
        with blas_threads(threads):
            _measure(parts, args.seconds)
        with blas_threads(most):
            peaks.append(gflops(dtype=args.dtype))
    finally:
        parts = [part for part in parts if part.seconds]
        if parts:
            print_results(subject, parts, peaks, threads, as_json=args.json)


def _refuse_contradictions(parser: Parser, args: Namespace) -> None:
    """Exit 2 where a flag is for a part that --only leaves out."""
    for name, parts in GOES_WITH.items():
        if getattr(args, name) is not None and args.only not in (None, *parts):
            flag = name.replace("_", "-")
            parser.error(f"--{flag} goes with {' and '.join(parts)}, not with --only {args.only}")


def _refuse_bad_numbers(args: Namespace) -> None:
    for name, least, most in (
        ("batch_size", 1, 10_000), ("texts", 1, 10_000), ("threads", 0, MOST_THREADS)
    ):  # fmt: skip
        value = getattr(args, name)
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{name} is {value!r:.40}; it must be from {least} to {most:,}")
    if not (math.isfinite(args.seconds) and 0 < args.seconds <= 3600):
        raise ConfigError(f"seconds is {args.seconds}; it must be above 0 and at most 3,600")


def _subject(args: Namespace) -> "Subject":
    """The model that the flags name.   Raises CheckpointError or ConfigError."""
    from tinygpt.bench_report import Subject
    from tinygpt.checkpoint import find_checkpoint, load_model
    from tinygpt.config import TrainConfig
    from tinygpt.model import GPT
    from tinygpt.run_settings import preset_settings

    if args.preset is None:
        path = find_checkpoint(args.checkpoint, run_name=args.run_name)
        model, _ = load_model(path, device="cpu", dtype=args.dtype)
        return Subject(str(path), model, args.batch_size or TrainConfig.batch_size)
    config = TrainConfig(**preset_settings(args.preset))
    # a preset's text is not read: its tokenizer alone says how many ids there are
    known = {"bytes": 257, "char": SHAKESPEARE, "gpt2": 50257}
    shape = config.model_config(known.get(config.tokenizer, config.vocab_size))
    model = GPT(shape, dtype=args.dtype)
    return Subject(f"preset {args.preset}", model, args.batch_size or config.batch_size)


def _parts(subject: "Subject", args: Namespace, threads: int) -> list["Part"]:
    """What to measure, several texts last: they use the model up."""
    from tinygpt.speed import decoding, prefill, training

    model = subject.model
    most = model.config.block_size
    context = max(1, most // 2) if args.context is None else args.context
    if not 1 <= context <= most:
        raise ConfigError(f"context is {context!r:.40}; this model reads from 1 to {most:,} tokens")
    parts = [
        training(model, subject.rows, threads),
        prefill(model, context),
        decoding(model, 1, context, threads),
    ]
    texts = TEXTS if args.texts is None else args.texts
    if texts > 1:
        parts.append(decoding(model, texts, context, threads))
    return [part for part in parts if args.only in (None, part.name)]


def _refuse_too_large(parts: list["Part"]) -> None:
    """Raises ConfigError for what would not fit in memory."""
    from tinygpt.threads import memory_available

    available = memory_available()
    flags = {"train": "--batch-size", "prefill": "--context", "decode": "--texts"}
    for part in parts:
        if available is not None and part.needs > available:
            texts = f"{part.texts:,} text{'s' * (part.texts != 1)}"
            raise ConfigError(
                f"{part.name} of {texts} takes about {part.needs / 1e9:,.1f} GB of memory and "
                f"{available / 1e9:,.1f} GB can be had; lower {flags[part.name]}"
            )


def _measure(parts: list["Part"], seconds: float) -> None:
    from tqdm import tqdm

    # progress on a terminal; in a pipe nothing
    with tqdm(total=len(parts), unit=" parts", leave=False, disable=None) as bar:
        for part in parts:
            bar.set_description(part.name)
            part.measure(seconds)
            bar.update()


if __name__ == "__main__":
    run(main)
