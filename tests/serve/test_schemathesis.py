"""schemathesis against a real server: whatever /openapi.json promises is so.

It lives in an environment of its own, .venv/judges, which .ci/run makes:

    python -m venv .venv/judges && .venv/judges/bin/pip install schemathesis==4.32.5
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from server_process import CONTEXT, ROOT, environment, save_small_model, served

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
PLACES = os.pathsep.join([str(ROOT / ".venv/judges/bin"), os.environ["PATH"]])
SECONDS = os.environ.get("TINYGPT_SCHEMATHESIS_SECONDS", "60")  # more by hand

KEYS = """
[auth.openapi.bearer]
bearer = "secret"
[auth.openapi.header]
api_key = "secret"
"""


@pytest.fixture
def command():
    """Where schemathesis is. Without it the test is skipped at home, and fails in CI."""
    found = shutil.which("schemathesis", path=PLACES)
    if found is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("schemathesis is not installed")
    return found


@pytest.mark.slow
def test_the_description_holds(command, tmp_path):
    save_small_model(tmp_path / "small.h5")
    flags = ("--max-new-tokens", "200", "--max-body-bytes", "65536")
    (tmp_path / "schemathesis.toml").write_text(KEYS)
    with served(tmp_path / "small.h5", *flags, TINYGPT_API_KEY="secret") as server:
        given = {
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "CONTEXT": str(CONTEXT),
            "CAPACITY": str(32 + 256),
        }
        said = subprocess.run(
            [command, "run", f"{server.url}/openapi.json", "--no-color", "--max-time", SECONDS,
             "--max-examples", "50", "--generation-deterministic"],
            cwd=tmp_path,
            env=environment(**given),
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert said.returncode == 0, said.stdout + said.stderr
        assert "11 selected / 11 total" in said.stdout
        assert not any("traceback" in record for record in server.records())
