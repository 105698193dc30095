"""OpenAI's own client for Node (openai_client.mjs) against a real server."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from server_process import alone, environment, save_small_model, served

VERSION = "6.49.0"
SCRIPT = Path(__file__).with_name("openai_client.mjs")


@pytest.fixture
def script(tmp_path):
    """The script in a folder of its own, with the client beside it. Without Node it is skipped
    at home, and a failure in CI, which installs Node."""
    if shutil.which("npm") is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("npm is not installed")
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", f"openai@{VERSION}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return shutil.copy(SCRIPT, tmp_path)


@pytest.mark.slow
def test_the_client_of_node_gets_what_it_asks_for(script, tmp_path):
    model = save_small_model(tmp_path / "small.h5")
    settings = {"temperature": 1.0, "logprobs": 0}
    six = [alone(model, "Once", 3, i, max_new_tokens=6, **settings) for i in range(3)]
    whole = alone(model, "Once", 3, max_new_tokens=40, **settings).text
    stop = whole[8:10]
    texts = {
        "six": [one.text for one in six],
        "logprobs": [p.chosen for p in six[0].logprobs],
        "greedy": alone(model, "Once", max_new_tokens=6, temperature=0).text,
        "stop": stop,
        "stopped": whole[: whole.index(stop)],
    }
    flags = ("--batch-size", "1", "--queue-size", "127", "--grace-seconds", "0")
    with served(tmp_path / "small.h5", *flags, TINYGPT_API_KEY="secret") as server:
        given = {
            "SERVER": server.url,
            "PID": str(server.process.pid),
            "KEY": "secret",
            "TEXTS": json.dumps(texts),
        }
        said = subprocess.run(
            ["node", "--test", "--test-reporter=tap", script],
            env=environment(**given),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert said.returncode == 0, said.stdout + said.stderr
        assert int(re.search(r"^# pass (\d+)$", said.stdout, re.M)[1]) == 13
        assert server.process.wait(60) == 0
        assert not any("traceback" in record for record in server.records())
