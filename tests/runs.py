"""Training runs as tests see them: processes of their own, and what they leave behind."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinygpt.checkpoint import load_checkpoint

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-W", "error", "-m", "tinygpt.train"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run_process(*words):
    """The training command, waited for: its exit status and what it printed."""
    return subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
    )


@contextmanager
def started_process(*words):
    """The training command, left to run; killed where the block ends, if it runs still."""
    with subprocess.Popen(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(path):
    """Until there is something in the file; at most half a minute."""
    for _ in range(600):
        if path.exists() and path.stat().st_size:
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing was written to {path}")


def assert_same_end(one, other):
    """The last checkpoints of two runs under checkpoints/ agree bit for bit."""
    one, other = (
        load_checkpoint(f"checkpoints/{name}/final.h5", optimizer=True) for name in (one, other)
    )
    for name in ("flat", "m", "v"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
