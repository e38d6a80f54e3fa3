"""Peak memory of one training step in a process of its own: `python -m tests.benchmarks._memory <batch> <chunk>`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from itertools import islice

from models.fit import fit
from tests.benchmarks._pairs import bert_towers, training


def peak_mib(batch: int, chunk: int, encoders: str = "both") -> float:
    """Peak resident MiB of a process that trains mixed towers for two steps."""
    words = [sys.executable, "-m", "tests.benchmarks._memory", str(batch), str(chunk), encoders]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def main(batch: int, chunk: int, encoders: str) -> None:
    """Take the steps, print the peak."""
    begun = training(bert_towers(encoders), batch, 2, chunk, "auto")
    for _ in islice(fit(begun), 2):
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"batch": batch, "chunk": chunk, "peak_mib": round(peak)}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
