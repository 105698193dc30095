"""lm-evaluation-harness against the server: does it get the model's own log-likelihoods?

    python benchmarks/lm_eval_check.py [--python PYTHON] [--checkpoint PATH] [--dtype float32]

Starts `python -m tinygpt.serve`, and in the environment of PYTHON, where lm_eval is installed
(pip install "lm_eval[api]" torch), its model `local-completions` with the server's own tokenizer
(/tokenizer_info, /tokenize): nothing is fetched from elsewhere. The harness scores continuations
(`loglikelihood`) and whole texts longer than the context (`loglikelihood_rolling`), one by one and
several at a time; the same is computed here from `model.forward`. Fails where they differ by more
than 1e-4, or where it says of a continuation that it is the likeliest and it is not.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygpt.checkpoint import find_checkpoint, load_model
from tinygpt.model import GPT
from tinygpt.sampling import log_probs
from tinygpt.tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[1]
MOST = 1e-4
PAIRS = [  # (context, continuation); of the shipped model's the first are its own words
    ("Once upon a time,", " Hugo the patient hare lived in a tiny castle"),
    ("Once upon a time,", " Hugo the patient submarine"),
    ("Hugo saw a big", " dog."),
    ("Hugo saw a big", " tree"),
    ("The hare was sad. Her mother said,", ' "Don\'t worry."'),
    ("One day", ", été 😀 and naïve 漢字"),
    ("", "Once upon a time"),
    ("He was happy." + " He was happy." * 90, " She was happy too."),  # outgrows the context
]
TEXTS = ["Once upon a time there was a red fox.", "Lily and Ben liked to play. " * 60, "x"]
HARNESS = """
import json, sys
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model

asked = json.load(sys.stdin)

def instances(kind, all_args):
    return [Instance(request_type=kind, doc={}, arguments=tuple(a), idx=i)
            for i, a in enumerate(all_args)]

told = []
for sizes in ({"batch_size": 1}, {"batch_size": 4}, {"batch_size": 2, "num_concurrent": 4}):
    lm = get_model("local-completions").create_from_arg_obj(asked["model"], sizes)
    told.append({
        "pairs": lm.loglikelihood(instances("loglikelihood", asked["pairs"])),
        "texts": lm.loglikelihood_rolling(
            instances("loglikelihood_rolling", [[t] for t in asked["texts"]])),
    })
json.dump(told, sys.stdout)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Ask both, compare, report."""
    args = parse(argv)
    path = find_checkpoint(args.checkpoint)
    model, tokenizer = load_model(path, dtype=args.dtype)
    words = ["--checkpoint", str(path), "--dtype", args.dtype, "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "tinygpt.serve", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as server:
        try:
            assert server.stdout is not None
            url = re.search(r"http://\S+:\d+", server.stdout.readline())
            assert url is not None, "the server did not say where it listens"
            told = ask_harness(args.python, url[0], path.stem, model, tokenizer)
        finally:
            server.terminate()
    return report(told, own_answers(model, tokenizer))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="that can import lm_eval")
    parser.add_argument("--checkpoint", help="default: the shipped model")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    return parser.parse_args(argv)


def ask_harness(python: str, url: str, name: str, model: GPT, tokenizer: Tokenizer) -> list[dict]:
    """What lm_eval says, in its own process: for each way to send, {"pairs", "texts"}."""
    settings = {
        "model": name,
        "base_url": f"{url}/v1/completions",
        "max_length": model.config.block_size,
        "custom_prefix_token_id": tokenizer.eot_id,
    }
    asked = {"model": settings, "pairs": PAIRS, "texts": TEXTS}
    done = subprocess.run(
        [python, "-c", HARNESS],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": "none"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def own_answers(model: GPT, tokenizer: Tokenizer) -> dict:
    """The same from the model called directly."""
    most = model.config.block_size - 1  # the harness leaves a place for a token that is drawn
    pairs = []
    for context, continuation in PAIRS:
        start = tokenizer.encode(context) if context else [tokenizer.eot_id]
        whole = start + tokenizer.encode(continuation)
        if context:  # the harness cuts the whole text, and counts the context's tokens
            whole = tokenizer.encode(context + continuation)
        scored = len(whole) - len(start)
        pairs.append(score(model, whole[-most:], min(scored, most)))
    return {"pairs": pairs, "texts": [rolling(model, tokenizer, t, most - 1) for t in TEXTS]}


def score(model: GPT, ids: Sequence[int], last: int) -> tuple[float, bool]:
    """The log-probability of the `last` ids after those before, and whether each is likeliest."""
    rows = [log_probs(row) for row in model.forward(np.array([ids]))[0][0][:-1]]
    scored = list(zip(rows, ids[1:], strict=True))[-last:]
    return float(sum(row[i] for row, i in scored)), all(row[i] == row.max() for row, i in scored)


def rolling(model: GPT, tokenizer: Tokenizer, text: str, window: int) -> float:
    """The log-probability of a text: windows that do not overlap in what they score; each but the
    first sees as much of the text before as there is room for."""
    ids = [tokenizer.eot_id, *tokenizer.encode(text)]
    total, done = 0.0, 1
    while done < len(ids):
        end = min(done + window, len(ids))
        start = max(0, end - window - 1)
        total += score(model, ids[start:end], end - done)[0]
        done = end
    return total


def report(told: list[dict], own: dict) -> int:
    """Print the largest difference of each way to send; 1 if one is too large."""
    failed = False
    for number, answers in enumerate(told):
        pairs = list(zip(answers["pairs"], own["pairs"], strict=True))
        off = [abs(theirs[0] - ours[0]) for theirs, ours in pairs]
        off += [abs(a - b) for a, b in zip(answers["texts"], own["texts"], strict=True)]
        agreed = sum(theirs[1] == ours[1] for theirs, ours in pairs)
        failed |= max(off) > MOST or agreed < len(pairs)
        sys.stdout.write(
            f"way {number + 1}: {len(off)} log-likelihoods, largest difference {max(off):.1e} "
            f"(at most {MOST:g}); greedy or not, as here: {agreed} of {len(pairs)}\n"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
