"""The flags of `python -m tinygpt.generate`, and which of them cannot both be meant."""

import argparse
from dataclasses import MISSING, fields

from tinygpt.commands import Parser
from tinygpt.config import SamplingConfig

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
  python -m tinygpt.generate --stats --checkpoint gpt2.h5 --dtype int8
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

SAMPLING = {  # field of SamplingConfig: its type, what --help calls the value
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


def build_parser() -> argparse.ArgumentParser:
    """The command line, in groups."""
    parser = Parser("generate", "Speak: text from a trained model, as it comes.", EXAMPLES)
    add_model_flags(parser)

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


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Which model, where it computes, and in which arithmetic."""
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
        "--dtype", choices=("float32", "float64", "int8"),
        help="arithmetic (default float32); int8: weights in a quarter of the memory, on the CPU",
    )  # fmt: skip


def _add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how the next token is chosen, and when the text ends")
    known = {field.name: field for field in fields(SamplingConfig)}
    for name, (kind, metavar) in SAMPLING.items():
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
        kind, _ = SAMPLING.get(name, (int, ""))
        parser.add_argument(
            alias, dest=name, type=kind, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def refuse_contradictions(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
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
