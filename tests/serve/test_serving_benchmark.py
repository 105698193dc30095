"""benchmarks/serving.py runs, and what it says of the texts is true."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FEW = ["--streams", "3", "--tokens", "8", "--rounds", "1"]


@pytest.mark.slow
def test_it_measures_model_and_server_in_one_command(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "serving.py"), *FEW, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "serving.md").read_text(encoding="utf-8")
    found = json.loads((tmp_path / "serving.json").read_text())
    assert found["same_texts"] == 3  # of 3: through HTTP came what the model says
    names = ["model, one text", "model, 3 texts", "server, one stream", "server, 3 streams"]
    assert list(found["contenders"]) == names
    assert all(ran["tokens_per_second"] > 0 for ran in found["contenders"].values())
    streams = found["contenders"]["server, 3 streams"]
    assert len(streams["first_token"]) == 3
    assert streams["health"]
