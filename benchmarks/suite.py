"""Ours and its peers, side by side, in one command.

    python benchmarks/suite.py [--python-torch PYTHON] [--rounds N] [--only train,decode,…]

`--python-torch` names the Python of an environment with benchmarks/requirements.txt in it; without
one, only ours and plain NumPy run. Ours needs tinygpt[convert], for the weights that all begin
with. The groups: train, decode, verify, prefill, int8, start. Each race starts a process for every
contender, checks that all compute the same numbers, then lets them take turns; a training step is
raced five times. The tables go to stdout and, with every number, to benchmarks/results/suite.md
and suite.json, race by race. All of it takes about half an hour on two cores, 20 GB of memory and
2 GB of disk.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from race import NOT_A_USERS, ROOT, environment, first_output, positive, race, stoppable
from report import tables
from works import GROUPS, Places, Work, all_works, other_kernels


def probe() -> dict[str, float]:
    """The machine's peaks now, each in a process of its own: with the kernels that OpenBLAS
    chooses, and for "gflops of KERNELS" with others."""
    command = [sys.executable, ROOT / "benchmarks" / "probe.py", "--json"]
    peaks: dict[str, float] = {}
    for kernels in ("", *other_kernels()):
        env = environment(kernels=kernels)
        done = subprocess.run(command, env=env, capture_output=True, check=True)
        found = json.loads(done.stdout)
        peaks |= {f"gflops of {kernels}": found["gflops"]} if kernels else found
    return peaks


def processor() -> str:
    """Its name, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": processor(),
        "cores": cores,
        "python": platform.python_version(),
        "began": time.strftime("%Y-%m-%d %H:%M"),
        "removed from the environment": [name for name in NOT_A_USERS if name in os.environ],
    }


def write_weights(works: list[Work], folder: Path) -> None:
    """The weights that these works need."""
    needed = {work.name[1] if work.group == "train" else "gpt2" for work in works}
    for name in sorted(needed):
        command = [sys.executable, ROOT / "benchmarks" / "weights.py", name, folder / name]
        subprocess.run(command, env=environment(), check=True)


def run(work: Work, rounds: int, races: int) -> dict[str, Any]:
    """Race, with the machine's peaks before and after; of several races each one's best counts,
    and "repeats" keeps them all."""
    before, load = probe(), os.getloadavg()[0]
    found = [
        first_output(work.contenders, rounds=rounds)
        if work.group == "start"
        else race(work.contenders, rounds=rounds, steps=work.steps)
        for _ in range(races)
    ]
    repeats = [result["contenders"] for result in found]
    best = {
        name: min((repeat[name] for repeat in repeats), key=lambda r: r.get("best", math.inf))
        for name in repeats[0]
    }
    differences = [r["difference"] for r in found if r["difference"] is not None]
    return {
        **{name: getattr(work, name) for name in ("group", "name", "tokens", "flops", "bytes")},
        "contenders": best,
        "repeats": repeats,
        "difference": max(differences, default=None),
        "before": before,
        "after": probe(),
        "load": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python-torch", metavar="PYTHON", help="of the peers' environment")
    parser.add_argument("--rounds", type=positive, default=5, help="turns of each contender")
    parser.add_argument("--races", type=positive, default=5, help="of each training step")
    parser.add_argument("--only", metavar="GROUPS", help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    args = parser.parse_args()
    groups = GROUPS if args.only is None else args.only.split(",")
    if not set(groups) <= set(GROUPS):
        parser.error(f"--only takes some of {','.join(GROUPS)}, with commas between them")
    torch = args.python_torch and shutil.which(args.python_torch)
    if args.python_torch:
        command = [torch or args.python_torch, "-c", "import torch, transformers, safetensors"]
        if not torch or subprocess.run(command, capture_output=True, check=False).returncode:
            parser.error(
                f"{args.python_torch} has no PyTorch and transformers; in its environment, "
                "pip install -r benchmarks/requirements.txt"
            )

    found: dict[str, Any] = {"machine": machine(), "rounds": args.rounds, "races": []}
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tinygpt-suite-") as folder:
        places = Places(torch or "", Path(folder))
        works = [work for work in all_works(places) if work.group in groups]
        write_weights(works, places.weights)
        for work in works:
            sys.stderr.write(f"{work.group}: {work.name}\n")
            here = [c for c in work.contenders if c.command[0]]
            races = args.races if work.group == "train" else 1
            found["races"].append(run(work._replace(contenders=here), args.rounds, races))
            (args.out / "suite.json").write_text(json.dumps(found, indent=1) + "\n")
            (args.out / "suite.md").write_text(tables(found), encoding="utf-8")
    sys.stdout.write(tables(found))


if __name__ == "__main__":
    stoppable(main)
