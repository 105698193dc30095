"""`python -m tinygpt.tokenize`: see how text becomes tokens, and what merging bytes buys."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinygpt.commands import Parser, has_colours, on_colour, run
from tinygpt.errors import CheckpointError, DataError
from tinygpt.tokenizers import DEFAULT_VOCAB_SIZE, BPETokenizer, split_documents
from tinygpt.tokenizers.bpe_train import N_FIXED

if TYPE_CHECKING:
    from tinygpt.tokenizers import Tokenizer

EXAMPLES = """\
  python -m tinygpt.tokenize --data shakespeare                         learn 1024 tokens, show them
  python -m tinygpt.tokenize --data book.txt --vocab-size 4096 --out book.json
  python -m tinygpt.tokenize "To be, or not to be" --tokenizer book.json
  python -m tinygpt.tokenize "To be, or not to be" --checkpoint run     what that model sees

A token may be a part of a character: its bytes are then shown as <e2>. A line end is shown as ⏎."""
_EXCERPT = 600  # characters of --data that are shown
_COLOURS = (153, 187, 218, 158, 223)  # of xterm's 256: pale, for black letters


def build_parser() -> Parser:
    """The flags of this command."""
    parser = Parser("tokenize", "See how text becomes tokens, and learn a vocabulary.", EXAMPLES)
    parser.add_argument("text", nargs="?", help="text to cut (default: the beginning of --data)")
    parser.add_argument("--data", metavar="SOURCE", help="a file, a folder, or a recipe's name")
    parser.add_argument(
        "--vocab-size",
        type=int,
        default=DEFAULT_VOCAB_SIZE,
        metavar="N",
        help="ids to learn from --data at most: 256 bytes, merges, end-of-text "
        f"(default {DEFAULT_VOCAB_SIZE})",
    )
    parser.add_argument("--out", metavar="FILE.json", help="write the vocabulary learnt")
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--checkpoint", metavar="PATH|RUN", help="use this model's tokenizer")
    known.add_argument(
        "--tokenizer", metavar="NAME|FILE.json", help="use bytes, gpt2, or what --out has written"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Raises TinyGPTError for text or a tokenizer that cannot be had."""
    arguments = build_parser().parse_args(argv)
    # after parsing, so that --help does not wait for NumPy
    from tinygpt.data.sources import find_source

    corpus = find_source(arguments.data).texts if arguments.data is not None else []
    text = "".join(corpus[:1])[:_EXCERPT] if arguments.text is None else arguments.text
    if not text:
        raise DataError("there is no text to cut; give some in quotes, or --data")
    if arguments.checkpoint is None and arguments.tokenizer is None:
        tokenizer: Tokenizer = _learn(corpus, arguments)
    else:
        tokenizer = _load(arguments)
    if corpus:
        print("\n".join(_table(corpus, tokenizer)) + "\n")  # noqa: T201
    print(cut(text, tokenizer, colour=has_colours(sys.stdout)))  # noqa: T201
    print(f"\n{_summary(text, tokenizer)}")  # noqa: T201


def _learn(corpus: list[str], arguments: Namespace) -> BPETokenizer:
    from tinygpt.data.files import written_whole

    if not corpus:
        raise DataError(
            "there is no text to learn a vocabulary from; give --data, or name one that is there "
            "with --checkpoint or --tokenizer"
        )
    if arguments.out and os.path.realpath(arguments.out) == os.path.realpath(arguments.data):
        raise DataError(f"--out {arguments.out} is the file that is read; choose another")
    tokenizer = BPETokenizer.from_text(corpus, arguments.vocab_size)
    if arguments.out:
        with written_whole(Path(arguments.out)) as file:
            file.write(json.dumps(tokenizer.to_json()).encode("ascii") + b"\n")
    return tokenizer


def _load(arguments: Namespace) -> "Tokenizer":
    from tinygpt.tokenizers import load_tokenizer, make_tokenizer

    if arguments.out:
        raise DataError("--out writes a vocabulary learnt from --data; leave out the other one")
    if arguments.checkpoint is not None:
        from tinygpt.checkpoint import find_checkpoint, load_checkpoint

        loaded: Tokenizer = load_checkpoint(find_checkpoint(arguments.checkpoint)).tokenizer
        return loaded
    if arguments.tokenizer in ("bytes", "gpt2"):
        return make_tokenizer(arguments.tokenizer, "")
    path = Path(arguments.tokenizer)
    try:
        return load_tokenizer(json.loads(path.read_bytes()))
    except OSError as error:
        raise DataError(
            f"the vocabulary {path} cannot be read ({error.strerror}); give bytes, gpt2, or a file "
            "that --out has written"
        ) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON; give a file that --out has written") from error


def _table(corpus: list[str], tokenizer: "Tokenizer") -> Iterator[str]:
    """What each doubling of the vocabulary buys; one line for a tokenizer without merges."""
    from tinygpt.data.tokens import encode_corpus

    characters = sum(len(document) for text in corpus for document in split_documents(text))
    steps: list[Tokenizer] = [tokenizer]
    if isinstance(tokenizer, BPETokenizer):
        sizes = [N_FIXED, *(1 << k for k in range(9, tokenizer.vocab_size.bit_length()))]
        steps = [
            BPETokenizer(tokenizer.merges[: size - N_FIXED])
            for size in sizes
            if size < tokenizer.vocab_size
        ] + steps
    yield f"{'ids':>7}  {'tokens of the text':>18}  {'characters per token':>20}  the last learnt"
    for step in steps:
        count = len(encode_corpus(corpus, step))
        merged = isinstance(step, BPETokenizer) and step.merges
        last = shown(step.token_bytes(step.vocab_size - 2)) if merged else ""
        yield f"{step.vocab_size:7,}  {count:18,}  {characters / count:20.2f}  {last!r}"


def cut(text: str, tokenizer: "Tokenizer", *, colour: bool) -> str:
    """The text with its tokens on coloured ground, or with a bar between two."""
    tokens = [shown(tokenizer.token_bytes(id)) for id in tokenizer.encode(text)]
    if not colour:
        return "|".join(tokens)
    return "".join(on_colour(token, _COLOURS[i % len(_COLOURS)]) for i, token in enumerate(tokens))


def shown(token: bytes) -> str:
    r"""A token for the eye: a line end visible, other controls and parts of characters in hex.

    >>> shown(b"day\n"), shown("né".encode()), shown(b"\xc3"), shown(b"\x1b[31m")
    ('day⏎\n', 'né', '<c3>', '<1b>[31m')
    """
    try:
        text = token.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"<{byte:02x}>" for byte in token)
    return "".join(
        "⏎\n" if c == "\n" else c if c.isprintable() else f"<{c.encode().hex()}>" for c in text
    )


def _summary(text: str, tokenizer: "Tokenizer") -> str:
    count = len(tokenizer.encode(text))
    return (
        f"{len(text):,} characters, {count:,} tokens of {tokenizer.vocab_size:,} "
        f"({tokenizer.name}): {len(text) / count:.2f} characters per token"
    )


if __name__ == "__main__":
    run(main)
