"""The machine's peaks at this moment, in a process of their own.

python benchmarks/probe.py [--json]
"""

import json
import sys

from tinygpt.probe import bandwidth, gflops

if __name__ == "__main__":
    peaks = {"gflops": gflops(), "bandwidth": bandwidth()}
    if sys.argv[1:] == ["--json"]:
        sys.stdout.write(json.dumps(peaks) + "\n")
    else:
        sys.stdout.write(
            f"{peaks['gflops']:.0f} GFLOP/s in float32 matrix products, "
            f"{peaks['bandwidth']:.1f} GB/s in products with a vector\n"
        )
