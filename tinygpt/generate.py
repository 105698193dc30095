"""Speak: text from a trained model, as it comes.   python -m tinygpt.generate --prompt "Once"

stdout carries the prompt and its continuation alone; everything else goes to stderr. NumPy and
the model are imported only once the arguments are known to be good.
"""

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from tinygpt.commands import has_colours, run
from tinygpt.config import SamplingConfig
from tinygpt.errors import ConfigError, VocabularyError
from tinygpt.generate_flags import SAMPLING, build_parser, refuse_contradictions

if TYPE_CHECKING:
    from tinygpt.generation import Generation
    from tinygpt.model import GPT
    from tinygpt.speculative import Speculation
    from tinygpt.tokenizers import Tokenizer

_SEPARATOR = "---\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, speak."""
    parser = build_parser()
    args = parser.parse_args(argv)
    refuse_contradictions(parser, args)
    given = {name: getattr(args, name) for name in SAMPLING if getattr(args, name) is not None}
    if args.show_probs:
        given["logprobs"] = 0  # the chosen token's own
    sampling = SamplingConfig(
        **given, stop=tuple(args.stop or ()), stop_ids=tuple(args.stop_id or ())
    )
    for name in ("num_samples", "batch_size"):
        value = getattr(args, name)
        if not 1 <= value <= 10_000:
            raise ConfigError(f"{name} is {value}; it must be from 1 to 10,000")
    if args.seed is not None and args.seed < 0:
        raise ConfigError(f"seed is {args.seed}; it must be a whole number of at least 0")
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    prompts = [_read_stdin() if p == "-" else p for p in args.prompt or [None]]

    loaded, tokenizer = load_named_model(args)
    with _laid_out(loaded, len(prompts), args) as model:
        guessing = _speculation(model, tokenizer, args)
        if args.interactive:
            from tinygpt.interactive import Session

            session = Session(
                model, tokenizer, sampling, guessing=guessing, seed=args.seed, quiet=args.quiet
            )
            session.run(args.prompt)
            return 0
        samples = _samples(model, tokenizer, prompts, sampling, args)
        if not args.quiet:
            _report(model, samples, args)
        _speak(model, samples, guessing, args, sys.stdout)
    return 0


def _read_stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"stdin is not UTF-8 text ({error.reason}); convert it first") from None
    return text.removesuffix("\n")


def load_named_model(args: argparse.Namespace) -> "tuple[GPT, Tokenizer]":
    """The model that the flags of `add_model_flags` name, and its tokenizer."""
    from tinygpt.checkpoint import find_checkpoint, load_model
    from tinygpt.threads import keep_freed_memory
    from tinygpt.tokenizers import make_tokenizer

    keep_freed_memory()
    path = find_checkpoint(args.checkpoint, run_name=args.run_name, step=args.step)
    model, tokenizer = load_model(path, device=_device(args), dtype=args.dtype)
    if args.tokenizer is not None:
        tokenizer = make_tokenizer(args.tokenizer, "")
        if tokenizer.vocab_size != model.config.vocab_size:
            raise ConfigError(
                f"--tokenizer {args.tokenizer} has {tokenizer.vocab_size:,} ids and the model "
                f"{model.config.vocab_size:,}; leave it out to use the model's own"
            )
    return model, tokenizer


def _laid_out(
    model: "GPT", prompts: int, args: argparse.Namespace
) -> AbstractContextManager["GPT"]:
    """The model laid out for the size of pass that these flags lead to."""
    from tinygpt.int8 import Int8GPT, with_workers
    from tinygpt.panels import MOST_ROWS, in_panels

    if isinstance(model, Int8GPT):
        return with_workers(model)
    guesses = args.draft is not None or args.lookup is not None
    rows = min(prompts * args.num_samples, args.batch_size)
    return in_panels(model) if guesses or 1 < rows <= MOST_ROWS else nullcontext(model)


def _device(args: argparse.Namespace) -> str:
    return "gpu" if args.device == "cuda" else str(args.device)


def _speculation(
    model: "GPT", tokenizer: "Tokenizer", args: argparse.Namespace
) -> "Speculation | None":
    from tinygpt.checkpoint import find_checkpoint, load_model
    from tinygpt.speculative import make_speculation

    draft = None
    if args.draft is not None:
        path = find_checkpoint(args.draft)
        draft, drafts_own = load_model(path, device=_device(args), dtype=args.dtype)
        if args.tokenizer is None and drafts_own.to_json() != tokenizer.to_json():
            raise VocabularyError(
                f"{path} was trained with another vocabulary than the model; use a draft that was "
                "trained with the model's tokenizer"
            )
    draft_tokens = 4 if args.draft_tokens is None else args.draft_tokens
    return make_speculation(model, draft=draft, lookup=args.lookup, draft_tokens=draft_tokens)


def _samples(
    model: "GPT",
    tokenizer: "Tokenizer",
    prompts: Sequence[str | None],
    sampling: SamplingConfig,
    args: argparse.Namespace,
) -> "list[Generation]":
    """Every sample of every prompt, checked and ready, none begun."""
    from tinygpt.generation import Generation, encode_prompt, fresh_seed

    seed = fresh_seed() if args.seed is None else args.seed
    samples = []
    for prompt in prompts:
        settings = sampling
        if "max_length" in args:
            length = len(encode_prompt(tokenizer, prompt))
            if args.max_length <= length:
                raise ConfigError(
                    f"--max-length is {args.max_length} and the prompt alone has {length} tokens; "
                    "raise it, or say --max-new-tokens"
                )
            settings = replace(sampling, max_new_tokens=args.max_length - length)
        samples += [
            Generation(model, tokenizer, prompt, settings, seed=seed, sample=i)
            for i in range(args.num_samples)
        ]
    return samples


def _report(model: "GPT", samples: "Sequence[Generation]", args: argparse.Namespace) -> None:
    """Notices on stderr: prompts longer than the window; at a terminal also the seed, and what
    the colours of --show-probs mean."""
    window = model.config.block_size
    for length in dict.fromkeys(len(s.prompt_ids) for s in samples):
        if length > window:
            sys.stderr.write(
                f"note: the prompt has {length} tokens and the model sees {window} at a time; "
                "it goes on from the prompt's end\n"
            )
    if sys.stdout.isatty():
        sys.stderr.write(f"note: seed {samples[0].seed}\n")
    if args.show_probs and has_colours(sys.stdout):
        from tinygpt.display import legend

        sys.stderr.write(f"note: probability of each token: {legend()}\n")


def _speak(
    model: "GPT",
    samples: "Sequence[Generation]",
    guessing: "Speculation | None",
    args: argparse.Namespace,
    out: TextIO,
) -> None:
    """Draw all samples, side by side or with guesses, and show them in order, each as it comes."""
    from tinygpt.display import Stats
    from tinygpt.generation import draw_texts

    batch_size = args.batch_size if guessing is None else 1
    stats = Stats(sum(len(sample.window()) for sample in samples[:batch_size]), guessing)
    steps = stats.timed(draw_texts(model, samples, guessing=guessing, batch_size=batch_size))
    try:
        for number, sample in enumerate(samples):
            if args.json:
                _write_json(sample, steps, out)
            else:
                out.write(_SEPARATOR if number > 0 else "")
                _write_text(sample, steps, args, out)
    finally:
        if args.stats:
            sys.stderr.write(stats.line())


def _write_text(
    sample: "Generation", steps: "Iterator[Generation]", args: argparse.Namespace, out: TextIO
) -> None:
    from tinygpt.display import coloured, listed, show
    from tinygpt.generation import pieces

    paint = None
    if args.show_probs:
        paint = coloured if has_colours(out) else listed
    if not args.no_echo:
        out.write(sample.prompt or "")
        out.write("\n" if paint is listed and sample.prompt else "")
    show(sample, pieces(sample, steps), out, stream=not args.no_stream, paint=paint)


def _write_json(sample: "Generation", steps: "Iterator[Generation]", out: TextIO) -> None:
    from tinygpt.generation import pieces

    for _ in pieces(sample, steps):
        pass
    said: dict[str, Any] = {
        "prompt": sample.prompt,
        "generated_text": sample.text,
        "token_count": len(sample.ids),
        "finish_reason": sample.finish_reason,
        "seed": sample.seed,
    }
    if sample.sampling.logprobs is not None:
        said["tokens"] = [
            {"id": i, "logprob": chosen, "best": best}
            for i, (chosen, best) in zip(sample.ids, sample.logprobs, strict=True)
        ]
    out.write(json.dumps(said, ensure_ascii=False) + "\n")
    out.flush()


if __name__ == "__main__":
    run(main)
