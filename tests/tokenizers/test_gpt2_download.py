"""Without tiktoken's file and without a network there is one sentence, and no waiting."""

import os
import subprocess
import sys

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens, so connecting fails at once


def load_gpt2(cache, *, code="from tinygpt.tokenizers import GPT2Tokenizer; GPT2Tokenizer()"):
    environment = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    environment |= {
        "TIKTOKEN_CACHE_DIR": str(cache),
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_missing_gpt2_vocabulary_is_one_sentence_that_says_what_to_do(tmp_path):
    done = load_gpt2(tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("tinygpt.errors.DataError: the gpt2 vocabulary could not be had")
    assert "network" in last and "TIKTOKEN_CACHE_DIR" in last


def test_the_command_line_shows_that_sentence_alone(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("hello")
    code = (
        "import sys; from tinygpt.commands import run; from tinygpt.data.__main__ import main;"
        f"sys.argv[1:] = [{str(text)!r}, '--tokenizer', 'gpt2', '--out', {str(tmp_path / 'o')!r}];"
        "run(main)"
    )
    done = load_gpt2(tmp_path / "cache", code=code)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: the gpt2 vocabulary")
    assert not (tmp_path / "o").exists()
