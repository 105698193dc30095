"""`python -m tinygpt.convert`: GPT-2's published weights in, models of our own out."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tinygpt.commands import Parser, run

EXAMPLES = """\
  python -m tinygpt.convert from-gpt2 gpt2-folder gpt2.h5
  python -m tinygpt.generate --checkpoint gpt2.h5 --prompt "The meaning of life is"
  python -m tinygpt.train --init-from gpt2.h5 --data book.txt --run-name tuned --lr 1e-4
  python -m tinygpt.convert to-gpt2 checkpoints/tuned tuned-folder

The folder is one that transformers' save_pretrained writes, or a model's page offers: config.json,
model.safetensors (or its shards), and tokenizer.json or vocab.json with merges.txt."""


def build_parser() -> Parser:
    """The command line."""
    parser = Parser("convert", "Hugging Face GPT-2 folders in and out, without PyTorch.", EXAMPLES)
    parser.add_argument("action", choices=("from-gpt2", "to-gpt2"), help="which way")
    parser.add_argument("source", metavar="FROM", help="a folder, or (to-gpt2) a checkpoint")
    parser.add_argument("target", metavar="TO", help="a new .h5 file, or (to-gpt2) a new folder")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Convert, and say what came of it.   Raises CheckpointError, BackendError."""
    args = build_parser().parse_args(argv)
    from tinygpt.checkpoint import find_checkpoint
    from tinygpt.checkpoint.read import rounding_note
    from tinygpt.convert import from_gpt2, to_gpt2

    target = Path(args.target)
    if args.action == "from-gpt2":
        from_gpt2(Path(args.source), target)
        hint = f"speak with it: python -m tinygpt.generate --checkpoint {target}"
    else:
        source = find_checkpoint(args.source)
        to_gpt2(source, target)
        if note := rounding_note(source):
            sys.stderr.write(note + "\n")
        hint = f'transformers loads it: AutoModelForCausalLM.from_pretrained("{target}")'
    sys.stdout.write(f"{args.source} -> {target}; {hint}\n")


if __name__ == "__main__":
    run(main)
