"""`python -m tinygpt.evaluate`: how well a model predicts a text."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tinygpt.commands import Parser, run
from tinygpt.config import MOST_THREADS
from tinygpt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from tqdm import tqdm

    from tinygpt.checkpoint.read import Checkpoint, Outline
    from tinygpt.data.tokens import Ids
    from tinygpt.model import GPT
    from tinygpt.tokenizers import Tokenizer

EXAMPLES = """\
  python -m tinygpt.evaluate --run-name book               on the text that the run held out
  python -m tinygpt.evaluate --checkpoint checkpoints/book/best
  python -m tinygpt.evaluate --checkpoint book --data other.txt --json
  python -m tinygpt.evaluate --run-name book --step 1000 --data book.txt --part val
  python -m tinygpt.evaluate --data tales                  the shipped model on fresh stories
  python -m tinygpt.evaluate --data tales --context 32 --samples 0
  python -m tinygpt.evaluate --checkpoint book --dtype int8  what one byte a weight costs
  python -m tinygpt.evaluate --run-name book --context 64 --stride 16
  python -m tinygpt.evaluate --choices questions.jsonl     multiple choice, one JSON object a line:
      {"context": "The sky is", "choices": [" blue", " made of cheese"], "answer": 0}

The whole text is read in consecutive windows of the model's context, dropout off. With --stride S
each window begins S tokens after the one before, so that a token has at least --context - S + 1
tokens before it. A model that was trained with --windows documents is measured document by
document, and so is --data tales. Where all documents are tales the loss of a perfect model, the
floor, is known, and samples are counted that are tales."""


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
    parser.add_argument(
        "--stories",
        type=int,
        metavar="N",
        help="of --data tales: how many (default 1000)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=2,
        metavar="N",
        help="of --data tales, and of the samples (default 2; the shipped model learnt from 1)",
    )
    parser.add_argument(
        "--context",
        type=int,
        metavar="N",
        help="tokens that a window has (default: all that the model can read)",
    )
    parser.add_argument(
        "--stride",
        type=int,
        metavar="N",
        help="tokens from one window to the next (default 1 with --context, else no overlap)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        default=1000,
        help="how many samples to look for tales in, where the text is tales (default 1000)",
    )
    parser.add_argument(
        "--choices", metavar="FILE", help="answer these questions, in place of reading a text"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu (default auto)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64", "int8"),
        help="arithmetic (default: as the weights are stored, float16 and int8 in float32); int8: "
        "weights of one byte, as generate has them",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="worker threads (default 0: all cores)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate and print.   Raises TinyGPTError."""
    arguments = build_parser().parse_args(argv)
    for name in ("seed", "samples", "threads"):
        if getattr(arguments, name) < 0:
            raise ConfigError(f"--{name} is {getattr(arguments, name)}; give at least 0")
    if arguments.threads > MOST_THREADS:
        raise ConfigError(f"--threads is too large; give at most {MOST_THREADS:,}")
    from tinygpt.threads import keep_freed_memory

    keep_freed_memory()
    results = _measure(arguments)
    if arguments.json:
        print(json.dumps(results))  # noqa: T201
        return
    for name, value in results.items():
        print(f"{name.replace('_', ' '):17} {_shown(name, value)}")  # noqa: T201


def _shown(name: str, value: Any) -> str:
    if name in ("above_floor", "tales", "accuracy", "accuracy_per_byte", "chance"):
        return f"{value:.2%}" + (" of the samples" if name == "tales" else "")
    if isinstance(value, float):
        units = {"loss": " nats per token", "floor": " nats per token", "bits_per_byte": " bits"}
        return f"{value:.4f}{units.get(name, '')}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _measure(arguments: Namespace) -> dict[str, Any]:
    """What is printed: a name and a number a line."""
    import numpy as np

    from tinygpt.evaluation import evaluate_loss, text_bytes
    from tinygpt.run_state import measured_by_documents
    from tinygpt.threads import WorkerPool, default_workers

    model, checkpoint = _load(arguments)
    path, tokenizer = checkpoint.path, checkpoint.tokenizer
    if arguments.choices is not None:
        flags = ("data", "part", "stories", "context", "stride")
        if any(getattr(arguments, name) is not None for name in flags):
            raise ConfigError("--choices reads questions, not a text; leave the text's flags out")
        return _answers(model, tokenizer, arguments.choices) | {"checkpoint": str(path)}
    context, stride = _context(arguments, model.config.block_size)
    by_documents = arguments.data == "tales" or measured_by_documents(checkpoint)
    texts = _texts(checkpoint, arguments, by_documents)
    workers = 1 if model.xp is not np else (arguments.threads or default_workers())
    tokens = sum(len(ids) - 1 for ids in texts)
    with WorkerPool(workers) as pool, _bar("reading", tokens, "tokens") as bar:
        measured = evaluate_loss(
            model, texts, context=context, stride=stride, pool=pool, done=bar.update
        )
    n_bytes = sum(text_bytes(ids[1:], tokenizer) for ids in texts)
    results = {
        "loss": measured.loss,
        "perplexity": measured.perplexity,
        "bits_per_byte": measured.bits_per_byte(n_bytes) if n_bytes else None,
        "tokens": measured.tokens,
        "context": context,
        "stride": context if stride is None else stride,
    }
    if by_documents:
        results |= {"documents": len(texts)} | _tales(model, tokenizer, texts, results, arguments)
    return results | {"checkpoint": str(path)}


def _load(arguments: Namespace) -> "tuple[GPT, Checkpoint | Outline]":
    """The model, and what else its file holds."""
    from tinygpt.backend import select, to_device
    from tinygpt.checkpoint import find_checkpoint, load_checkpoint, load_int8
    from tinygpt.model import GPT

    path = find_checkpoint(arguments.checkpoint, run_name=arguments.run_name, step=arguments.step)
    if arguments.dtype == "int8":
        small: tuple[GPT, Outline] = load_int8(path, device=arguments.device)
        return small
    xp = select(arguments.device)
    checkpoint = load_checkpoint(path, mapped=True)
    flat = checkpoint.flat.astype(arguments.dtype or checkpoint.flat.dtype, copy=False)
    checkpoint = replace(checkpoint, flat=flat)  # of both, the model's alone stay in memory
    return GPT(checkpoint.config, to_device(flat, xp), dtype=flat.dtype, xp=xp), checkpoint


def _tales(
    model: "GPT",
    tokenizer: "Tokenizer",
    texts: list["Ids"],
    results: dict[str, Any],
    arguments: Namespace,
) -> dict[str, Any]:
    """What is known besides if the documents are tales: the floor, and who else writes tales."""
    from tinygpt.corpus import floor
    from tinygpt.evaluation import count_tales

    least = floor(texts, tokenizer)
    if least is None:
        return {}
    found = {"floor": least, "above_floor": results["loss"] / least - 1}
    if samples := arguments.samples:
        with _bar("telling", samples, "tales") as bar:
            n = count_tales(model, tokenizer, samples, seed=arguments.seed, done=bar.update)
        found |= {"samples": samples, "tales": n / samples}
    return found


def _answers(model: "GPT", tokenizer: "Tokenizer", file: str) -> dict[str, Any]:
    from tinygpt.choices import read_questions, score

    questions = read_questions(Path(file))
    with _bar("answering", len(questions), "questions") as bar:
        return asdict(score(model, tokenizer, questions, done=bar.update))


def _bar(doing: str, total: int, unit: str) -> "tqdm[NoReturn]":
    """Progress on a terminal; in a pipe nothing."""
    from tqdm import tqdm

    return tqdm(total=total, desc=doing, unit=f" {unit}", leave=False, disable=None)


def _context(arguments: Namespace, block_size: int) -> tuple[int, int | None]:
    """(context, stride) as `evaluate_loss` takes them."""
    if arguments.context is None:
        return block_size, arguments.stride
    if arguments.context > block_size:
        raise ConfigError(
            f"--context is {arguments.context} and the model reads at most {block_size} tokens; "
            "lower it"
        )
    return arguments.context, 1 if arguments.stride is None else arguments.stride


def _texts(
    checkpoint: "Checkpoint | Outline", arguments: Namespace, by_documents: bool
) -> list["Ids"]:
    """The ids to predict: of --data, or of the text that the run learnt from."""
    from dataclasses import replace

    from tinygpt.config import TrainConfig
    from tinygpt.corpus import documents_of, prepare_text
    from tinygpt.data.sources import find_source
    from tinygpt.data.tokens import encode_corpus
    from tinygpt.run_state import read_run_state

    data, tokenizer = arguments.data, checkpoint.tokenizer
    part = arguments.part or ("val" if data is None else "all")
    fresh = {}
    if data == "tales":
        if part != "all":
            raise ConfigError("--data tales is fresh text and has no parts; leave --part out")
        stories = 1000 if arguments.stories is None else arguments.stories
        fresh = {"stories": stories, "seed": arguments.seed}
    elif arguments.stories is not None:
        raise ConfigError("--stories goes with --data tales; leave it out")
    if data is None:
        state = read_run_state(checkpoint)
        text = prepare_text(replace(state.config, device="cpu"), tokenizer)
        if text.sha256 != state.sha256:
            raise DataError(
                f"the text {state.config.data!r} is not the one that {checkpoint.path} was trained "
                "on (another SHA-256); restore it, or name a text with --data"
            )
        data = state.config.data
    elif part != "all":
        windows = "documents" if by_documents else "anywhere"
        text = prepare_text(TrainConfig(data=data, windows=windows, block_size=1), tokenizer)
    if part == "all":
        ids = encode_corpus(find_source(data, **fresh).texts, tokenizer)
    else:
        ids = text.train if part == "train" else text.val
    return documents_of(ids, tokenizer) if by_documents else [ids]


if __name__ == "__main__":
    run(main)
