"""The install line of a release: by default a wheel of this very tinygpt, beside the handout."""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tinygpt.errors import AssignmentError

CHECKOUT = Path(__file__).parents[2]


def make_wheel(folder: Path) -> str:
    """Put a wheel of this tinygpt into `folder`; its file name. Raises AssignmentError.

    In a checkout pip builds it (which needs setuptools, and no network where that is installed);
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
        done = subprocess.run([*command, str(source)], capture_output=True, text=True)
        wheels = list(Path(built).glob("*.whl"))
        if done.returncode or not wheels:
            says = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise AssignmentError(
                f"pip could not make a wheel ({says}); say where students get tinygpt: --install"
            )
        shutil.copy(wheels[0], folder / wheels[0].name)
    return wheels[0].name
