"""`python -m tinygpt.checkpoint slim`: a small checkpoint to give away."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tinygpt.commands import Parser, run

EXAMPLES = """\
  python -m tinygpt.checkpoint slim checkpoints/book book.h5
  python -m tinygpt.checkpoint slim checkpoints/book/best book.h5 --dtype float16"""


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(
        "checkpoint",
        "slim: copy a checkpoint without the optimiser's state, which only resuming needs.",
        EXAMPLES,
    )
    parser.add_argument("action", choices=("slim",), help="what to do")
    parser.add_argument("source", metavar="FROM", help="a checkpoint, or the folder of a run")
    parser.add_argument("target", metavar="TO", help="the file to write (ending in .h5)")
    parser.add_argument(
        "--dtype",
        choices=("float16", "float32"),
        default="float32",
        help="how the weights are stored; float16 halves the file (default float32)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Copy the checkpoint.   Raises CheckpointError."""
    args = build_parser().parse_args(argv)
    from tinygpt.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
    from tinygpt.errors import CheckpointError

    source, target = find_checkpoint(args.source), Path(args.target)
    if target.exists():
        raise CheckpointError(f"{target} exists already; give another name, or move it away")
    loaded = load_checkpoint(source, verify=True)
    save_checkpoint(
        target,
        config=loaded.config,
        flat=loaded.flat,
        tokenizer=loaded.tokenizer,
        state=loaded.state,
        dtype=args.dtype,
    )
    before, after = (path.stat().st_size / 1e6 for path in (source, target))
    sys.stdout.write(f"{source}: {before:.1f} MB -> {target}: {after:.1f} MB, {args.dtype}\n")


if __name__ == "__main__":
    run(main)
