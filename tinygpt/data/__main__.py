"""`python -m tinygpt.data`: make the text, or the token file, that a model can train on."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinygpt.commands import Parser, run
from tinygpt.tokenizers import DEFAULT_VOCAB_SIZE, NAMES

if TYPE_CHECKING:
    from tinygpt.data.sources import Source

EXAMPLES = """\
  python -m tinygpt.data python                          the standard library -> data/python.txt
  python -m tinygpt.data shakespeare                     downloads data/shakespeare.txt
  python -m tinygpt.data shakespeare --from input.txt    the same without a network
  python -m tinygpt.data tales --stories 50000           stories from a grammar -> data/tales.txt
  python -m tinygpt.data notes/ --tokenizer bytes        token ids -> data/notes.npy
  python -m tinygpt.data book.txt                        looks whether it can be trained on

recipes (a file or folder of the same name wins):
  python        the source of this Python's standard library: on every machine, no network
  shakespeare   Tiny Shakespeare, 1.1 MB, downloaded once and its SHA-256 checked
  tales         small stories whose probability is known, written by a grammar

Text is read as UTF-8: a byte-order mark is dropped, line ends are kept."""


def build_parser() -> Parser:
    """The flags of this command."""
    parser = Parser("data", "Make text to train on: recipes, files, folders.", EXAMPLES)
    parser.add_argument("data", metavar="RECIPE|FILE|FOLDER", help="where the text comes from")
    parser.add_argument(
        "--from",
        dest="from_file",
        metavar="FILE",
        help="the recipe's text, fetched by other means (shakespeare only)",
    )
    parser.add_argument(
        "--out", metavar="PATH", help="file to write (default: data/NAME.txt or data/NAME.npy)"
    )
    parser.add_argument(
        "--tokenizer",
        choices=NAMES,
        help="write token ids, for memory-mapped reading, in place of text",
    )
    parser.add_argument(
        "--vocab-size",
        type=int,
        default=DEFAULT_VOCAB_SIZE,
        metavar="N",
        help="token ids that bpe learns at most, from all of the text "
        f"(default {DEFAULT_VOCAB_SIZE})",
    )
    parser.add_argument("--stories", type=int, help="how many tales to write (default: 20000)")
    parser.add_argument("--seed", type=int, help="for the tales: which ones (default: 0)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Raises TinyGPTError for data that cannot be read or written."""
    arguments = build_parser().parse_args(argv)
    # after parsing, so that --help does not wait for NumPy
    from tinygpt.data.sources import find_source
    from tinygpt.errors import DataError

    chosen = {name: getattr(arguments, name) for name in ("stories", "seed")}
    given = {name: value for name, value in chosen.items() if value is not None}
    if given and arguments.data != "tales":
        raise DataError(
            f"--{next(iter(given))} goes with the recipe tales, and the data is "
            f"{arguments.data!r}; leave it out"
        )
    source = find_source(arguments.data, from_file=arguments.from_file, **given)
    for path in source.skipped:
        print(f"skipped {path}: not text in UTF-8", file=sys.stderr)  # noqa: T201
    characters = sum(map(len, source.texts))
    noun = "text" if len(source.texts) == 1 else "texts"
    print(f"{source.name}: {len(source.texts):,} {noun}, {characters:,} characters")  # noqa: T201
    written = _write(source, arguments)
    if written:
        print(written)  # noqa: T201


def _write(source: "Source", arguments: Namespace) -> str | None:
    """Write what was asked for and say so; None when the text lies in its file already."""
    from tinygpt.data.files import written_whole
    from tinygpt.errors import DataError

    suffix = "npy" if arguments.tokenizer else "txt"
    out = Path(arguments.out or f"data/{source.name}.{suffix}")
    if source.path and not (arguments.out or arguments.tokenizer):
        return f"{source.path} is ready to train on"
    if source.path and out.exists() and out.samefile(source.path):
        raise DataError(f"--out {out} is the file that is read; choose another")
    if arguments.tokenizer:
        return _write_tokens(source, arguments, out)
    with written_whole(out) as file:
        file.write("\n".join(source.texts).encode("utf-8"))
    return f"wrote {out}: {out.stat().st_size:,} bytes"


def _write_tokens(source: "Source", arguments: Namespace, out: Path) -> str:
    from tinygpt.data.tokens import encode_corpus, write_tokens
    from tinygpt.tokenizers import make_tokenizer

    tokenizer = make_tokenizer(arguments.tokenizer, source.texts, arguments.vocab_size)
    ids = encode_corpus(source.texts, tokenizer)
    meta = {"tokenizer": tokenizer.to_json(), "source": source.name, "sha256": source.sha256()}
    write_tokens(out, ids, meta)
    return f"wrote {out}: {len(ids):,} ids of {tokenizer.vocab_size:,}"


if __name__ == "__main__":
    run(main)
