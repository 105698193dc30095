"""`python -m tinygpt.checkpoint`: look into a checkpoint, verify it, slim it to give it away."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tinygpt.commands import Parser, run

EXAMPLES = """\
  python -m tinygpt.checkpoint show checkpoints/book
  python -m tinygpt.checkpoint verify checkpoints/book/best.h5
  python -m tinygpt.checkpoint slim checkpoints/book book.h5
  python -m tinygpt.checkpoint slim checkpoints/book/best book.h5 --dtype float16"""

DESCRIPTION = """\
show: what a checkpoint holds, and how its training went.
verify: compare every array with the hash that was stored with it.
slim: copy a checkpoint without the optimiser's state, which only resuming needs."""


def build_parser() -> Parser:
    """The command line."""
    parser = Parser("checkpoint", DESCRIPTION, EXAMPLES)
    parser.add_argument("action", choices=("show", "verify", "slim"), help="what to do")
    parser.add_argument("source", metavar="FILE", help="a checkpoint, or the folder of a run")
    parser.add_argument("target", metavar="TO", nargs="?", help="slim: the new file (ends in .h5)")
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32", "float64", "int8"),
        help="slim: how the weights are stored; float16 halves the file, int8 quarters it "
        "(default: as they are)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Do it, and say what came of it.   Raises CheckpointError."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.action == "slim" and args.target is None:
        parser.error("slim needs two names: FILE and TO, the new file")
    if args.action != "slim" and (args.target or args.dtype):
        parser.error(f"{args.action} takes one name, FILE, and no --dtype")
    say = {"show": _show, "verify": _verify, "slim": _slim}[args.action]
    sys.stdout.write(say(args) + "\n")


def _show(args: Namespace) -> str:
    from tinygpt.checkpoint import find_checkpoint, read_outline
    from tinygpt.checkpoint.describe import describe

    return describe(read_outline(find_checkpoint(args.source)))


def _verify(args: Namespace) -> str:
    from tinygpt.checkpoint import find_checkpoint, verify_checkpoint

    source = find_checkpoint(args.source)
    count = verify_checkpoint(source)
    return f"{source} is sound: the texts and all {count} arrays have the SHA-256 stored with them"


def _slim(args: Namespace) -> str:
    from tinygpt.checkpoint import find_checkpoint, load_checkpoint, read_outline, save_checkpoint
    from tinygpt.checkpoint.read import rounding_note
    from tinygpt.errors import CheckpointError

    source, target = find_checkpoint(args.source), Path(args.target)
    if target.exists():
        raise CheckpointError(f"{target} exists already; give another name, or move it away")
    loaded, dtype = load_checkpoint(source, verify=True), args.dtype or read_outline(source).dtype
    save_checkpoint(
        target,
        config=loaded.config,
        flat=loaded.flat,
        tokenizer=loaded.tokenizer,
        state=loaded.state,
        dtype=dtype,
    )
    if dtype != "int8" and (note := rounding_note(source)):
        sys.stderr.write(note + "\n")
    before, after = (path.stat().st_size / 1e6 for path in (source, target))
    return f"{source}: {before:.1f} MB -> {target}: {after:.1f} MB, {dtype}"


if __name__ == "__main__":
    run(main)
