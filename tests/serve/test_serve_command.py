"""`python -m tinygpt.serve`: its settings, its refusals, and the places where it is installed."""

import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap

import httpx
import pytest
from server_process import (
    BYTES,
    COMMAND,
    ROOT,
    environment,
    save_small_model,
    served,
    small_model,
)
from server_process import Server as Process

from tinygpt.errors import ConfigError
from tinygpt.serve.app import create_app
from tinygpt.serve.server import Server, listen
from tinygpt.serve.settings import read_settings


def refused(*flags, **settings):
    """What the command says on stderr before it exits with 1."""
    done = subprocess.run(
        [*COMMAND, *flags],
        capture_output=True,
        text=True,
        env=environment(**settings),
        timeout=60,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture(autouse=True)
def no_settings_of_ours(monkeypatch):
    for name in os.environ:
        if name.startswith("TINYGPT_"):
            monkeypatch.delenv(name)


def test_a_flag_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("TINYGPT_PORT", "9001")
    monkeypatch.setenv("TINYGPT_LOG_LEVEL", "error")
    settings = read_settings(port=9002, log_level=None)
    assert (settings.port, settings.log_level, settings.host) == (9002, "error", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "70000"), ("port", "x"), ("batch_size", "0"), ("log_level", "loud"),
     ("device", "tpu"), ("grace_seconds", "nan"), ("chat_template", "none")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_named_where_it_was_given(monkeypatch, name, value):
    with pytest.raises(ConfigError, match=f"^--{name.replace('_', '-')} is '{value}'; it must be "):
        read_settings(**{name: value})
    monkeypatch.setenv(f"TINYGPT_{name.upper()}", value)
    with pytest.raises(ConfigError, match=f"^TINYGPT_{name.upper()} is '{value}'; it must be "):
        read_settings()


def test_a_key_is_shown_nowhere(monkeypatch):
    monkeypatch.setenv("TINYGPT_API_KEY", "a secret")
    assert "a secret" not in f"{read_settings()!r}{read_settings()}"
    assert read_settings(api_key="clé-1/2~").api_key.get_secret_value() == "clé-1/2~"
    for key in ("", " ", "XYZ\n", " XYZ", "XYZ\x7f", "XYZ\udcff"):
        with pytest.raises(ConfigError, match="key is empty, begins or ends") as refusal:
            read_settings(api_key=key)
        assert "XYZ" not in str(refusal.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_a_host_that_others_reach_needs_a_key(host):
    with pytest.raises(ConfigError, match="TINYGPT_API_KEY"):
        read_settings(host=host)
    assert read_settings(host=host, api_key="k").host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_ones_own_machine_needs_none(host):
    assert read_settings(host=host).api_key is None


def test_what_cannot_be_served_is_said_in_one_sentence(tmp_path):
    assert "nowhere.h5" in refused("--checkpoint", str(tmp_path / "nowhere.h5"))
    assert "nowhere.h5" in refused(TINYGPT_MODEL_PATH=str(tmp_path / "nowhere.h5"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in refused("--port", str(port))


@pytest.mark.parametrize("host", [".example", 80 * "a", "\udcff"])
def test_a_host_that_can_be_no_name_is_refused(host):
    with pytest.raises(ConfigError, match=r"^(--host is|cannot listen at) "):
        listen(read_settings(host=host, api_key="k"))


def test_of_two_servers_that_start_together_one_is_told_that_the_port_is_taken():
    free = read_settings(port=0)
    with listen(free) as first:
        again = read_settings(port=first.getsockname()[1])
        with listen(again) as second:  # both are bound, as nobody listens yet
            first.listen()
            app = create_app(again, small_model(), BYTES, "small")
            with pytest.raises(ConfigError, match=f"port {again.port} .* choose another"):
                Server(app, again, second).run([second])


def test_without_the_extra_the_command_says_what_to_install(tmp_path):
    hide = "import sys; sys.modules['fastapi'] = None\nimport runpy\n"
    run = "runpy.run_module('tinygpt.serve', run_name='__main__', alter_sys=True)"
    done = subprocess.run(
        [sys.executable, "-c", hide + run], capture_output=True, text=True, env=environment()
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pip install 'tinygpt[serve]'" in done.stderr


def test_the_environment_names_model_and_key(tmp_path):
    run = tmp_path / "checkpoints" / "book"
    save_small_model(run / "latest.h5")
    settings = environment(TINYGPT_MODEL_PATH=str(run), TINYGPT_API_KEY="k", TINYGPT_PORT="0")
    with subprocess.Popen(
        [*COMMAND, "--log-level", "warning"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=settings,
    ) as process:
        server = Process(process)
        try:
            assert server.said[0] == f"playground: {server.url}/\n"
            assert server.get("/v1/models").status_code == 401
            listed = server.get("/v1/models", headers={"X-API-Key": "k"}).json()
            assert [one["id"] for one in listed["data"]] == ["book"]  # the run's name
        finally:
            server.end()
        assert server.log == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_shipped_model_speaks_when_none_is_named(dtype):
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--dtype", dtype],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    ) as process:
        server = Process(process)
        try:
            body = {"prompt": "Once upon a time,", "temperature": 0, "max_new_tokens": 5}
            told = server.post("/generate", body).json()
            assert told["generated_text"].isascii() and told["token_count"] == 5
            assert server.post("/v1/completions", {"model": "tales"}).status_code == 200
        finally:
            server.end()


def docker_steps(name):
    """What stands after each of these words in the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{name} (.*)$", text, re.M)


@pytest.mark.slow
def test_the_dockerfiles_steps_make_a_server(tmp_path):
    """In a fresh virtual environment, from what .dockerignore lets through, far from here."""
    build, home, venv = tmp_path / "build", tmp_path / "home", tmp_path / "venv"
    home.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    passed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    for step in docker_steps("COPY"):
        *sources, _ = step.split()
        for file in filter(None, tracked):
            copied = any(file == s or file.startswith(f"{s}/") for s in sources)
            if copied and any(file == p or file.startswith(f"{p}/") for p in passed):
                (build / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, build / file)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    settings = {
        name: value for name, value in environment().items() if name not in ("PYTHONPATH",)
    } | {"PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    installs = [step for step in docker_steps("RUN") if "pip install" in step]
    assert len(installs) == 1
    subprocess.run(installs[0], shell=True, cwd=build, env=settings, check=True, timeout=600)
    shutil.rmtree(build)  # the image keeps it, but the server must not need it

    for pair in docker_steps("ENV")[0].split():
        name, _, value = pair.partition("=")
        settings[name] = value
    assert settings["TINYGPT_HOST"] == "0.0.0.0"
    (start,), (probe,) = docker_steps("CMD"), docker_steps(r"HEALTHCHECK.* CMD")
    no_key = subprocess.run(
        eval(start), cwd=home, env=settings, capture_output=True, text=True, timeout=60
    )
    assert no_key.returncode == 1 and "TINYGPT_API_KEY" in no_key.stderr

    settings |= {"TINYGPT_API_KEY": "k", "TINYGPT_PORT": str(free_port())}
    with subprocess.Popen(eval(start), cwd=home, env=settings, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            subprocess.run(eval(probe), env=settings, check=True, timeout=60)
            home_page = f"http://127.0.0.1:{settings['TINYGPT_PORT']}/"
            assert "<html" in httpx.get(home_page).text
            told = httpx.post(
                f"{home_page}generate", json={"seed": 1}, headers={"X-API-Key": "k"}, timeout=60
            )
            assert told.json()["token_count"] > 10
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def test_compose_gives_the_container_what_it_needs():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"TINYGPT_([A-Z_]+):", text))
    assert named <= {name.upper() for name in type(read_settings()).model_fields}
    assert "API_KEY" in named and f"{docker_steps('EXPOSE')[0]}:8000" in text


@pytest.mark.slow
def test_the_readmes_server_answers_the_readmes_client(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```bash\n(.*?)```", readme, re.S)
    _, shipped, own = commands.splitlines()
    assert shipped == "python -m tinygpt.serve"
    assert own == "python -m tinygpt.serve --checkpoint book.h5"
    (client,) = re.findall(r"```python\n(from openai.*?)```", readme, re.S)
    save_small_model(tmp_path / "book.h5")
    with served(tmp_path / "book.h5") as server:
        assert server.get("/v1/models").json()["data"][0]["id"] == "book"
    with served(ROOT / "checkpoints" / "tales.h5") as server:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                textwrap.dedent(client).replace("http://127.0.0.1:8000", server.url),
            ],
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.strip()
