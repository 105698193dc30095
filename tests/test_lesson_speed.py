"""What lesson 13 draws is a measurement that names its machine; the script that makes it runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parent.parent / "lessons" / "guide"


def same_keys(a, b):
    if not isinstance(a, dict):
        return True
    return a.keys() == b.keys() and all(same_keys(a[key], b[key]) for key in a)


def test_the_measurement_names_its_machine_and_is_of_the_large_model():
    speed = json.loads((GUIDE / "speed.json").read_text(encoding="utf-8"))
    assert speed["machine"]["name"] and speed["machine"]["cores"] and speed["machine"]["date"]
    assert "124 M" in speed["model"]
    curve = speed["ms a token"]
    assert len(curve["length"]) == len(curve["plain"]) == len(curve["cached"])


@pytest.mark.slow
def test_the_script_gives_what_the_lesson_reads(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, GUIDE / "measure_speed.py", "--small", "--out", out]
    subprocess.run(command, cwd=GUIDE.parent.parent, check=True, capture_output=True, timeout=600)
    committed = json.loads((GUIDE / "speed.json").read_text(encoding="utf-8"))
    written = json.loads(out.read_text(encoding="utf-8"))
    for part in ("ms of a training step",):  # these names tell the number of cores
        committed[part], written[part] = (
            list(committed[part].values()),
            list(written[part].values()),
        )
    assert same_keys(committed, written)
