"""benchmarks/soak.py for seconds instead of minutes: its clients do what they are made for."""

import re
import subprocess
import sys

import pytest
from server_process import ROOT, environment

KINDS = ("/generate 200", "/generate 400", "/health 200", "/nowhere 404", "/playground/pulls 200",
         "/v1/chat/completions 200", "/v1/completions 200", "clients that hung up")  # fmt: skip


@pytest.mark.slow
def test_a_short_soak():
    said = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "soak.py", "--minutes", "0.15"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert said.stderr == ""
    for kind in KINDS:
        assert re.search(rf"^ *\d+ {kind}$", said.stdout, re.M), said.stdout
    assert "memory since three tenths: " in said.stdout
    # how fast it is and how much memory it takes tells a longer run, on a machine of its own
    wrong = re.findall(r"^WRONG: (.*)", said.stdout, re.M)
    assert [one for one in wrong if not re.match("memory|open files|/health once", one)] == []
