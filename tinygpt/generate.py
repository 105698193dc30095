"""Speak: text from a trained model, as it comes.   python -m tinygpt.generate --prompt "Once"

stdout carries the prompt and its continuation alone; everything else goes to stderr. NumPy and
the model are imported only once the arguments are known to be good.
"""

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, TextIO

from tinygpt.commands import Parser, has_colours, run
from tinygpt.config import SamplingConfig
from tinygpt.errors import ConfigError, VocabularyError

if TYPE_CHECKING:
    from tinygpt.generation import Generation
    from tinygpt.model import GPT
    from tinygpt.speculative import Speculation
    from tinygpt.tokenizers import Tokenizer

EXAMPLES = """\
  python -m tinygpt.generate                                   the shipped model, from nothing
  python -m tinygpt.generate --prompt "Once upon a time" --temperature 0.5 --seed 7
  python -m tinygpt.generate --run-name shakespeare --step 1000 --prompt "ROMEO:" --top-k 40
  python -m tinygpt.generate --prompt "Long ago," --stop "." --num-samples 3 --top-p 0.9
  python -m tinygpt.generate --min-p 0.1 --temperature 1.5     wild, but never absurd
  python -m tinygpt.generate --repetition-penalty 1.1 --presence-penalty 0.5 --frequency-penalty 0.2
  python -m tinygpt.generate --max-new-tokens 1000 --window-hop 1 --eos-id -1 --stop-id 10
  python -m tinygpt.generate --num-samples 1000 --batch-size 100 --no-stream --quiet > samples.txt
  python -m tinygpt.generate --prompt "Not so " --show-probs   how likely was each token?
  python -m tinygpt.generate --json --logprobs 5               the same, and what else was likely
  python -m tinygpt.generate --stats --device cpu --dtype float64
  python -m tinygpt.generate --checkpoint gpt2.h5 --tokenizer gpt2 --prompt "The meaning of"
  echo "Once upon" | python -m tinygpt.generate --prompt - --no-echo --json
  python -m tinygpt.generate --prompt "def " --lookup 3 --stats   does the text repeat itself?
  python -m tinygpt.generate --checkpoint gpt2.h5 --draft small.h5 --draft-tokens 5
  python -m tinygpt.generate --interactive                     a session; /help lists its commands
"""

# What people type who come from other tools. These work and are kept out of --help.
ALIASES = {
    "--max-tokens": "--max-new-tokens",
    "--num-tokens": "--max-new-tokens",
    "--length": "--max-new-tokens",
    "--max-length": "--max-length",  # prompt plus new tokens
    "--temp": "--temperature",
    "--top-k-tokens": "--top-k",
    "--rep-penalty": "--repetition-penalty",
}

_SAMPLING = {  # field of SamplingConfig: its type, what --help calls the value
    "max_new_tokens": (int, "N"),
    "temperature": (float, "T"),
    "top_k": (int, "K"),
    "top_p": (float, "P"),
    "min_p": (float, "P"),
    "repetition_penalty": (float, "R"),
    "presence_penalty": (float, "X"),
    "frequency_penalty": (float, "X"),
    "eos_id": (int, "ID"),
    "window_hop": (int, "N"),
    "logprobs": (int, "N"),
}
_SEPARATOR = "---\n"


def build_parser() -> argparse.ArgumentParser:
    """The command line, in groups."""
    parser = Parser("generate", "Speak: text from a trained model, as it comes.", EXAMPLES)
    _add_model_flags(parser)

    text = parser.add_argument_group("what to continue")
    text.add_argument(
        "--prompt", action="append", metavar="TEXT",
        help="text to continue, may be repeated; - reads stdin, less its last newline "
        "(default: the model begins by itself)",
    )  # fmt: skip
    text.add_argument(
        "--num-samples", type=int, default=1, metavar="N", help="samples of every prompt"
    )
    text.add_argument(
        "--batch-size", type=int, default=32, metavar="N",
        help="samples drawn side by side, which takes memory and changes no text (default 32)",
    )  # fmt: skip
    text.add_argument(
        "--interactive", action="store_true", help="a session: type, read, /help for its commands"
    )

    _add_sampling_flags(parser)
    _add_speculation_flags(parser)

    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--no-echo", action="store_true", help="show the continuation alone")
    shown.add_argument("--no-stream", action="store_true", help="show the text when it is whole")
    shown.add_argument(
        "--json", action="store_true",
        help="one object a line: prompt, generated_text, token_count, finish_reason, seed; with "
        "--logprobs also tokens",
    )  # fmt: skip
    shown.add_argument(
        "--show-probs", action="store_true",
        help="colour each token by its probability (one token a line where there are no colours)",
    )  # fmt: skip
    shown.add_argument(
        "--stats", action="store_true", help="tokens per second and peak memory, on stderr"
    )
    shown.add_argument("--quiet", action="store_true", help="no notices on stderr, only errors")
    _add_aliases(parser)
    return parser


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("which model (default: the one that came with tinygpt)")
    which = model.add_mutually_exclusive_group()
    which.add_argument("--checkpoint", metavar="PATH", help="a file, or the folder of a run")
    which.add_argument("--run-name", metavar="NAME", help="the run in checkpoints/NAME")
    model.add_argument("--step", type=int, metavar="N", help="the run as it was after step N")
    model.add_argument(
        "--tokenizer", choices=("bytes", "gpt2"), help="instead of the checkpoint's own"
    )
    model.add_argument(
        "--device", choices=("auto", "cpu", "gpu", "cuda"), default="auto",
        help="where to compute; cuda means gpu (default auto)",
    )  # fmt: skip
    model.add_argument(
        "--dtype", choices=("float32", "float64"), help="arithmetic (default float32)"
    )


def _add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the next token is chosen, and when the text ends")
    known = {field.name: field for field in fields(SamplingConfig)}
    for name, (kind, metavar) in _SAMPLING.items():
        default, text = known[name].default, known[name].metadata["help"]
        if default is not None and default is not MISSING:
            text += f" (default {default})"
        group.add_argument(_flag(name), type=kind, metavar=metavar, help=text)
    group.add_argument(
        "--stop", action="append", metavar="TEXT",
        help=known["stop"].metadata["help"] + "; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--stop-id", action="append", type=int, metavar="ID",
        help=known["stop_ids"].metadata["help"] + "; may be repeated",
    )  # fmt: skip
    group.add_argument("--seed", type=int, metavar="N", help="the same seed, the same text")


def _add_speculation_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "guessing ahead: faster where guesses are good, and as likely to say one thing or another "
        "as without; samples are drawn one after another"
    )
    source = group.add_mutually_exclusive_group()
    source.add_argument(
        "--draft", metavar="PATH", help="guesses of a smaller checkpoint with the same vocabulary"
    )
    source.add_argument(
        "--lookup", type=int, metavar="N",
        help="guess what followed the last N tokens where they stood before",
    )  # fmt: skip
    group.add_argument(
        "--draft-tokens", type=int, metavar="K", help="guesses to check at a time (default 4)"
    )


def _flag(field: str) -> str:
    return "--" + field.replace("_", "-")


def _add_aliases(parser: argparse.ArgumentParser) -> None:
    for alias, flag in ALIASES.items():
        name = flag.removeprefix("--").replace("-", "_")
        kind, _ = _SAMPLING.get(name, (int, ""))
        parser.add_argument(
            alias, dest=name, type=kind, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, speak."""
    parser = build_parser()
    args = parser.parse_args(argv)
    _refuse_contradictions(parser, args)
    given = {name: getattr(args, name) for name in _SAMPLING if getattr(args, name) is not None}
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

    model, tokenizer = _load(args)
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


def _refuse_contradictions(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Exit 2 where two flags cannot both be meant."""
    if args.interactive and args.json:
        parser.error("--interactive and --json cannot go together; a session is text")
    if args.interactive and "-" in (args.prompt or ()):
        parser.error("--interactive reads stdin itself; give the prompt as text")
    if (args.prompt or []).count("-") > 1:
        parser.error("--prompt - may be given once; stdin can be read only once")
    ignored = {"--stats": args.stats, "--num-samples": args.num_samples > 1,
               "--no-stream": args.no_stream, "--no-echo": args.no_echo,
               "--max-length": "max_length" in args}  # fmt: skip
    if args.interactive and any(ignored.values()):
        flag = next(name for name, given in ignored.items() if given)
        parser.error(f"--interactive and {flag} cannot go together; leave one out")
    if args.show_probs and (args.json or args.interactive):
        parser.error("--show-probs is for reading; with --json, say --logprobs 0")
    if args.logprobs is not None and not args.json:
        parser.error("--logprobs goes with --json; to see probabilities, say --show-probs")
    if args.draft_tokens is not None and args.draft is None and args.lookup is None:
        parser.error("--draft-tokens goes with --draft or --lookup, which make the guesses")
    if "max_length" in args and args.max_new_tokens is not None:
        parser.error("--max-length and --max-new-tokens are both given; choose one")


def _read_stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"stdin is not UTF-8 text ({error.reason}); convert it first") from None
    return text.removesuffix("\n")


def _load(args: argparse.Namespace) -> "tuple[GPT, Tokenizer]":
    from tinygpt.checkpoint import find_checkpoint, load_model
    from tinygpt.tokenizers import make_tokenizer

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
