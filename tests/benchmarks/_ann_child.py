"""One side in a process of its own: it builds, then measures one point after another as it is told.

The parent gives a point as a JSON line and gets its figures as one. Children stand at the same time and take turns, so
that what else the machine does falls on all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from models.evaluation.recall import overlap

K, SINGLES = 100, 500
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class Child:
    """A side as its parent sees it. `built` has what its index took."""

    def __init__(self, side: str, folder: Path) -> None:
        self.side, self.folder = side, folder
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (close() closes it)
        words = [sys.executable, "-m", "tests.benchmarks._ann_child", "--side", side, "--folder", str(folder)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | ONE_THREAD,
        )
        self.built = self._answer()

    def measure(self, point: dict[str, int]) -> dict[str, float]:
        """One turn: recall, queries per CPU-second of all queries at once, milliseconds of single ones."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(point) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise RuntimeError(f"{self.side} ended: {self.errors.read()[-2_000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main(name: str, folder: Path, told: TextIO) -> None:
    """Build, say what it took, then answer."""
    import faiss

    from tests.benchmarks._ann_sides import side

    faiss.omp_set_num_threads(1)
    items, queries, tune, exact = (np.load(folder / f"{file}.npy") for file in ("items", "queries", "tune", "exact"))
    one = side(name)
    before = _status("RssAnon"), _peak_from_now()
    started, cpu = time.perf_counter(), time.process_time()
    one.build(items, tune)
    choice = float(getattr(one, "choice_cpu_s", 0.0))
    spent = {"build_cpu_s": time.process_time() - cpu - choice, "choice_cpu_s": choice}
    took = {"build_s": time.perf_counter() - started, **spent}
    took["peak_mb"] = (_status("VmHWM") - before[1]) / 1024
    with tempfile.TemporaryDirectory() as saved:
        one.save(Path(saved))
        took["bytes"] = sum(file.stat().st_size for file in Path(saved).rglob("*"))
    _say(told, took | {"points": one.points})
    for line in sys.stdin:
        one.at(json.loads(line))
        one.search(queries[:SINGLES], K)
        cpu = time.process_time()
        found = one.search(queries, K)
        qps = len(queries) / (time.process_time() - cpu)
        _say(told, {"recall": overlap(found, exact), "qps": qps, **_singles(one, queries)})


def _singles(one: Any, queries: Any) -> dict[str, float]:
    took = []
    for row in range(min(SINGLES, len(queries))):
        started = time.perf_counter()
        one.search(queries[row : row + 1], K)
        took.append(1000 * (time.perf_counter() - started))
    p50, p99 = np.percentile(took, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def _peak_from_now() -> int:
    """Forget the peak so far; KB resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _say(told: TextIO, answer: dict[str, Any]) -> None:
    told.write(json.dumps(answer) + "\n")
    told.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--side", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asked = parser.parse_args()
    # libraries print: what they say goes to the errors, and the answers have a stream of their own
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(asked.side, asked.folder, answers)
