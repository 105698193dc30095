"""`python -m tinygpt.generate` as a process, in a folder with small checkpoints."""

import os
import subprocess
import sys

import numpy as np

from tinygpt.checkpoint import save_checkpoint
from tinygpt.config import ModelConfig
from tinygpt.generation import generate_text
from tinygpt.model import GPT
from tinygpt.tokenizers import ByteTokenizer, CharTokenizer

BYTES = ByteTokenizer()
SEEDED = ("--seed", "3", "--max-new-tokens", "24")


def make_model(vocab_size):
    model = GPT(ModelConfig(vocab_size, 16, 1, 2, 8), seed=1)
    model.flat += np.random.default_rng(1).normal(0, 0.5, model.flat.shape)
    return model


def working_folder(folder):
    """Put checkpoints/tiny/step0000005.h5 (bytes), char.h5 and other.h5 into it."""
    run = folder / "checkpoints" / "tiny" / "step0000005.h5"
    letters, others = CharTokenizer("\nabcdefgh"), CharTokenizer("\nstuvwxyz")
    places = ((run, BYTES), (folder / "char.h5", letters), (folder / "other.h5", others))
    for path, tokenizer in places:
        model = make_model(tokenizer.vocab_size)
        save_checkpoint(
            path, config=model.config, flat=model.flat, tokenizer=tokenizer, state={"step": 5}
        )
    return folder


def start(folder, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-m", "tinygpt.generate", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=folder, env=environment, **options)


def finish(process, given=None):
    out, err = process.communicate(given, timeout=60)
    return process.returncode, out.decode(), err.decode()


def finish_stderr(process):
    _, err = process.communicate(timeout=60)
    return process.returncode, err.decode()


def continuation(prompt, **settings):
    """What Python's face gives for SEEDED."""
    settings = {"seed": 3, "max_new_tokens": 24, **settings}
    return generate_text(make_model(257), BYTES, prompt, **settings)
