"""The install line of a release: by default a wheel of this very tinygpt, beside the handout."""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tinygpt.errors import AssignmentError

CHECKOUT = Path(__file__).parents[2]
NEEDED = 77  # the version of setuptools that pyproject.toml asks for


def make_wheel(folder: Path) -> str:
    """Put a wheel of this tinygpt into `folder`; its file name. Raises AssignmentError.

    In a checkout pip builds it, without a network where setuptools is installed and new enough;
    from anywhere else there is nothing to build it from.
    """
    if not (CHECKOUT / "pyproject.toml").is_file():
        raise AssignmentError(
            "there is no source tree to make a wheel from; say where students get tinygpt: "
            f"--install tinygpt=={importlib.metadata.version('tinygpt')}, an address, or a file"
        )
    with tempfile.TemporaryDirectory() as built:
        source = Path(built) / "source"
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("tinygpt", "checkpoints"):
            shutil.copytree(CHECKOUT / name, source / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(CHECKOUT / name, source / name)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", built]
        command += ["--no-build-isolation"] * (_setuptools() >= NEEDED)
        done = subprocess.run([*command, str(source)], capture_output=True, text=True)
        wheels = list(Path(built).glob("*.whl"))
        if done.returncode or not wheels:
            raise AssignmentError(
                f"pip could not make a wheel ({_reason(done.stderr)}); without a network, pip "
                f"install 'setuptools>={NEEDED}' once, or say where students get tinygpt: --install"
            )
        shutil.copy(wheels[0], folder / wheels[0].name)
    return wheels[0].name


def _setuptools() -> int:
    """The installed version; 0 if there is none, and pip has to fetch it."""
    try:
        return int(importlib.metadata.version("setuptools").partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return 0


def _reason(stderr: str) -> str:
    """The line that says what is wrong, of all that pip says."""
    lines = stderr.strip().splitlines() or ["no wheel came"]
    errors = [line.strip() for line in lines if line.strip().startswith("ERROR: ")]
    return (errors or lines)[0].removeprefix("ERROR: ")
