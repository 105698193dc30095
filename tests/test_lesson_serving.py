"""What lesson 15 draws is a measurement that names its machine; the script that makes it runs."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parent.parent / "lessons" / "guide"


def is_drawable(measured):
    """The lesson finds what it draws: increasing times, and as many speeds as streams."""
    assert measured["machine"]["name"] and measured["machine"]["cores"]
    assert measured["machine"]["date"]
    assert len(measured["timeline"]) == 6
    for client in measured["timeline"]:
        times = [client["sent"], *client["events"]]
        assert len(times) > 2 and times == sorted(times)
    streams = measured["streams"]
    assert len(streams["n"]) == len(streams["each"]) == len(streams["together"]) > 1
    assert min(streams["each"] + streams["together"]) > 0


def test_the_measurement_names_its_machine_and_has_what_is_drawn():
    measured = json.loads((GUIDE / "serving.json").read_text(encoding="utf-8"))
    is_drawable(measured)
    assert measured["streams"]["n"] == [1, 2, 4, 8, 16, 32]


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("fastapi"), reason="needs pip install '.[serve]'")
def test_the_script_gives_what_the_lesson_reads(tmp_path):
    out = tmp_path / "serving.json"
    command = [sys.executable, GUIDE / "measure_serving.py", "--small", "--out", out]
    subprocess.run(command, cwd=GUIDE.parent.parent, check=True, capture_output=True, timeout=300)
    is_drawable(json.loads(out.read_text(encoding="utf-8")))
