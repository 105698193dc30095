"""`python -m tinygpt.serve`: one's own model behind OpenAI's protocol, and a page to play on."""

import argparse
import importlib.util
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from tinygpt.commands import Parser, run
from tinygpt.errors import BackendError
from tinygpt.generate import load_named_model
from tinygpt.generate_flags import add_model_flags

if TYPE_CHECKING:
    from tinygpt.model import GPT

EXAMPLES = """\
  python -m tinygpt.serve                                      the shipped model, at 127.0.0.1:8000
  python -m tinygpt.serve --checkpoint book.h5 --port 9000
  python -m tinygpt.serve --run-name book --step 1000 --dtype float64
  python -m tinygpt.serve --checkpoint gpt2.h5 --model-name gpt2 --batch-size 8
  TINYGPT_API_KEY=secret python -m tinygpt.serve --host 0.0.0.0
  TINYGPT_MODEL_PATH=book.h5 TINYGPT_LOG_LEVEL=warning python -m tinygpt.serve

every flag may be given by the environment: --max-body-bytes as TINYGPT_MAX_BODY_BYTES, --checkpoint
as TINYGPT_MODEL_PATH; a flag comes first. A key is best given so: flags are seen by all who may
list processes.

then, for example:
  curl http://127.0.0.1:8000/generate -H 'Content-Type: application/json' \\
       -d '{"prompt": "Once upon a time", "seed": 1}'
"""

_FLAGS = {  # of Settings: type, what --help calls the value, what it says
    "model_name": (str, "NAME", "what clients call the model (default: its file's or run's name)"),
    "host": (str, "ADDRESS", "where to listen; another than 127.0.0.1 needs a key"),
    "port": (int, "N", "default 8000; 0 takes any free one"),
    "api_key": (str, "KEY", "clients must send it, as a Bearer token or as X-API-Key"),
    "cors_origins": (str, "URLS", "sites whose pages may call, with commas between (default none)"),
    "log_level": (str, "LEVEL", "debug, info (default), warning or error; JSON lines on stderr"),
    "chat_template": (str, "NAME", "how a chat becomes one text: plain (default) or roles"),
    "batch_size": (int, "N", "texts drawn side by side (default 32)"),
    "queue_size": (int, "N", "texts that may wait; more are refused with 429 (default 256)"),
    "max_body_bytes": (int, "N", "largest request (default 1048576)"),
    "max_prompt_tokens": (int, "N", "longest prompt (default 8192)"),
    "max_new_tokens": (int, "N", "longest answer (default 4096)"),
    "grace_seconds": (float, "S", "how long texts may still take when it is stopped (default 10)"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, load, serve until Ctrl-C or SIGTERM."""
    args = build_parser().parse_args(argv)
    for module in ("fastapi", "uvicorn", "pydantic_settings", "prometheus_client"):
        if importlib.util.find_spec(module) is None:
            raise BackendError(
                f"the server needs {module}, which is not installed; run: pip install "
                "'tinygpt[serve]'"
            )
    from tinygpt.checkpoint import find_checkpoint
    from tinygpt.serve.app import create_app
    from tinygpt.serve.logs import start_logs
    from tinygpt.serve.server import Server, listen
    from tinygpt.serve.settings import read_settings

    signal.signal(signal.SIGTERM, _terminate)
    settings = read_settings(
        model_path=args.checkpoint,
        device=args.device,
        dtype=args.dtype,
        **{name: getattr(args, name) for name in _FLAGS},
    )
    args.device, args.dtype = settings.device, settings.dtype
    if args.run_name is None:
        args.checkpoint = settings.model_path
    path = find_checkpoint(args.checkpoint, run_name=args.run_name, step=args.step)
    start_logs(settings.log_level)
    with listen(settings) as listener:
        model, tokenizer = load_named_model(args)
        with _with_workers(model) as ready:
            app = create_app(settings, ready, tokenizer, settings.model_name or name_of(path))
            Server(app, settings, listener).run([listener])
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line: which model, in the words of `generate`, and how it is served."""
    parser = Parser("serve", "Serve a model: OpenAI's protocol, and a page to play on.", EXAMPLES)
    add_model_flags(parser)
    parser.set_defaults(device=None)  # so that the environment has a say
    group = parser.add_argument_group("how it is served")
    for name, (kind, metavar, text) in _FLAGS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=text)
    return parser


def name_of(path: Path) -> str:
    """What clients call a checkpoint: its file's name, or its run's.

    >>> name_of(Path("checkpoints/tales.h5")), name_of(Path("checkpoints/book/latest.h5"))
    ('tales', 'book')
    """
    of_a_run = re.fullmatch(r"latest|final|best|step\d+", path.stem)
    return path.resolve().parent.name if of_a_run else path.stem


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM is how a server is told that it is done: no failure."""
    sys.exit(0)


def _with_workers(model: "GPT") -> "AbstractContextManager[GPT]":
    """int8 weights are multiplied by several threads; other models are ready as they are."""
    from tinygpt.int8 import Int8GPT, with_workers

    return with_workers(model) if isinstance(model, Int8GPT) else nullcontext(model)


if __name__ == "__main__":
    run(main)
