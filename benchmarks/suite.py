"""Ours and its peers, side by side, in one command.

    python benchmarks/suite.py [--python-torch PYTHON] [--rounds N] [--only train,decode,…]

`--python-torch` names the Python of an environment with benchmarks/requirements.txt in it; without
one, only ours and plain NumPy run. Ours needs tinygpt[convert], for the weights that all begin
with. The groups: train, decode, verify, prefill, int8, start. Each race starts a process for every
contender, checks that all compute the same numbers, then lets them take turns. The tables go to
stdout and, with every number, to benchmarks/results/suite.md and suite.json. All of it takes about
half an hour on two cores, 20 GB of memory and 2 GB of disk.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from race import NOT_A_USERS, ROOT, environment, first_output, race
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


def run(work: Work, rounds: int) -> dict[str, Any]:
    """Race once, with the machine's peaks before and after."""
    before = probe()
    load = os.getloadavg()[0]
    if work.group == "start":
        result = first_output(work.contenders, rounds=rounds)
    else:
        result = race(work.contenders, rounds=rounds, steps=work.steps)
    about = {name: getattr(work, name) for name in ("group", "name", "tokens", "flops", "bytes")}
    return about | result | {"before": before, "after": probe(), "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python-torch", metavar="PYTHON", help="of the peers' environment")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender")
    parser.add_argument("--only", metavar="GROUPS", help=f"some of {','.join(GROUPS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    args = parser.parse_args()
    groups = args.only.split(",") if args.only else GROUPS
    if not set(groups) <= set(GROUPS):
        parser.error(f"--only takes some of {','.join(GROUPS)}, with commas between them")
    torch = args.python_torch and shutil.which(args.python_torch)
    if args.python_torch and not torch:
        parser.error(f"there is no program {args.python_torch}")

    found: dict[str, Any] = {"machine": machine(), "rounds": args.rounds, "races": []}
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tinygpt-suite-") as folder:
        places = Places(torch or "", Path(folder))
        works = [work for work in all_works(places) if work.group in groups]
        write_weights(works, places.weights)
        for work in works:
            sys.stderr.write(f"{work.group}: {work.name}\n")
            here = [c for c in work.contenders if c.command[0]]
            found["races"].append(run(work._replace(contenders=here), args.rounds))
            (args.out / "suite.json").write_text(json.dumps(found, indent=1) + "\n")
            (args.out / "suite.md").write_text(tables(found), encoding="utf-8")
    sys.stdout.write(tables(found))


if __name__ == "__main__":
    main()
