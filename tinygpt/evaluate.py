"""`python -m tinygpt.evaluate`: how well a model predicts a text."""

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinygpt.commands import Parser, run
from tinygpt.errors import DataError

if TYPE_CHECKING:
    from tinygpt.backend import Array
    from tinygpt.checkpoint.read import Checkpoint

EXAMPLES = """\
  python -m tinygpt.evaluate --run-name book               on the text that the run held out
  python -m tinygpt.evaluate --checkpoint checkpoints/book/best
  python -m tinygpt.evaluate --checkpoint book --data other.txt --json
  python -m tinygpt.evaluate --run-name book --step 1000 --data book.txt --part val

The whole text is read in consecutive windows of the model's context, dropout off."""


def build_parser() -> Parser:
    """The flags of this command."""
    parser = Parser(
        "evaluate", "Loss, perplexity and bits per byte of a model on a text.", EXAMPLES
    )
    parser.add_argument("--checkpoint", metavar="X", help="file, run's folder, or tag in one")
    parser.add_argument("--run-name", metavar="NAME", help="the run in checkpoints/NAME")
    parser.add_argument("--step", type=int, metavar="N", help="its file of step N")
    parser.add_argument(
        "--data", metavar="TEXT", help="file, folder or recipe (default: the run's own text)"
    )
    parser.add_argument(
        "--part",
        choices=("val", "train", "all"),
        help="the last 10 %% of the text, the rest, or all of it (default: all of --data, "
        "val of the run's own text)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu (default auto)")
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="worker threads (default 0: all cores)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate and print.   Raises TinyGPTError."""
    arguments = build_parser().parse_args(argv)
    import numpy as np

    from tinygpt.backend import select, to_device
    from tinygpt.checkpoint import find_checkpoint, load_checkpoint
    from tinygpt.evaluation import evaluate_loss, text_bytes
    from tinygpt.model import GPT
    from tinygpt.threads import WorkerPool, default_workers, keep_freed_memory

    keep_freed_memory()
    xp = select(arguments.device)
    path = find_checkpoint(arguments.checkpoint, run_name=arguments.run_name, step=arguments.step)
    checkpoint = load_checkpoint(path)
    model = GPT(
        checkpoint.config, to_device(checkpoint.flat, xp), dtype=checkpoint.flat.dtype, xp=xp
    )
    ids = _text(checkpoint, arguments)
    workers = 1 if xp is not np else (max(0, arguments.threads) or default_workers())
    with WorkerPool(workers) as pool:
        measured = evaluate_loss(model, [ids], context=model.config.block_size, pool=pool)
    n_bytes = text_bytes(ids[1:], checkpoint.tokenizer)
    results = {
        "loss": measured.loss,
        "perplexity": measured.perplexity,
        "bits_per_byte": measured.bits_per_byte(n_bytes) if n_bytes else None,
        "tokens": measured.tokens,
        "checkpoint": str(path),
    }
    if arguments.json:
        print(json.dumps(results))  # noqa: T201
        return
    units = {"loss": " nats per token", "bits_per_byte": " bits"}
    for name, value in results.items():
        shown = f"{value:.4f}" if isinstance(value, float) else value
        shown = f"{value:,}" if isinstance(value, int) else shown
        print(f"{name.replace('_', ' '):14} {shown}{units.get(name, '')}")  # noqa: T201


def _text(checkpoint: "Checkpoint", arguments: Namespace) -> "Array":
    """The ids to predict: of --data, or of the text that the run learnt from."""
    from dataclasses import replace

    from tinygpt.config import TrainConfig
    from tinygpt.corpus import prepare_text
    from tinygpt.data.sources import find_source
    from tinygpt.data.tokens import encode_corpus

    if arguments.data is None:
        try:
            config = TrainConfig(**checkpoint.state["train_config"])
            sha256 = checkpoint.state["data"]["sha256"]
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{checkpoint.path} does not say what it was trained on; give --data"
            ) from error
    elif arguments.part in (None, "all"):
        return encode_corpus(find_source(arguments.data).texts, checkpoint.tokenizer)
    else:
        config = TrainConfig(data=arguments.data, block_size=1)
    text = prepare_text(replace(config, device="cpu"), checkpoint.tokenizer)
    if arguments.data is None and text.sha256 != sha256:
        raise DataError(
            f"the text {config.data!r} is not the one that {checkpoint.path} was trained on "
            "(another SHA-256); restore it, or name a text with --data"
        )
    if arguments.part == "all":
        return encode_corpus(find_source(config.data).texts, checkpoint.tokenizer)
    return text.train if arguments.part == "train" else text.val


if __name__ == "__main__":
    run(main)
