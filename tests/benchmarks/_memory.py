"""Peak memory of training mixed towers, by batch size, each in a process of its own over the same 16,384 pairs.

python -m tests.benchmarks._memory --plot memory.png      the curve with and without GradCache
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from threading import Event, Thread

import matplotlib.pyplot as plt
import torch

from models.text.tokens import train_tokenizer
from models.towers.config import PRESETS
from models.towers.two_tower import TwoTower
from models.training.fit import fit
from tests.benchmarks._pairs import bert_towers, texts, training

BATCHES, CHUNK = (512, 1024, 2048, 4096, 8192, 16_384), 256


def peak_mib(batch: int, chunk: int, preset: str) -> float:
    """Peak MiB of a process that takes one step, files that it maps left out."""
    words = [sys.executable, "-m", "tests.benchmarks._memory", "--batch", str(batch), "--chunk", str(chunk)]
    done = subprocess.run([*words, "--preset", preset], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def one_step(batch: int, chunk: int, preset: str) -> None:
    """Take a step, print the peak."""
    towers = bert_towers("both") if preset == "minilm" else _small(preset)
    # as many pairs for every batch size: their features are no memory of the step
    steps = fit(training(towers, batch, BATCHES[-1] // batch, chunk, "auto"))
    readings, ended = [anonymous_mib()], Event()

    def watch() -> None:
        while not ended.wait(0.01):
            readings.append(anonymous_mib())

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    for _ in islice(steps, 1):
        pass
    ended.set()
    watcher.join()
    line = {"batch": batch, "chunk": chunk, "before_mib": round(readings[0]), "peak_mib": round(max(readings))}
    sys.stdout.write(json.dumps(line) + "\n")


def anonymous_mib() -> float:
    """Memory of this process that is no mapped file: files come and go with what else the machine does."""
    return int(Path("/proc/self/status").read_text("utf-8").split("RssAnon:")[1].split()[0]) / 1024


def _small(preset: str) -> TwoTower:
    torch.manual_seed(0)
    return TwoTower(PRESETS[preset], train_tokenizer(texts(5_000).titles, 4096))


def plot(path: str) -> None:
    """Both curves, and their numbers as JSON lines."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for label, chunk, batches in (("GradCache", CHUNK, BATCHES), ("plain loss", 0, BATCHES[:-1])):
        peaks = [peak_mib(batch, chunk, "small") for batch in batches]
        sys.stdout.write(json.dumps({"name": label, **dict(zip(map(str, batches), peaks, strict=True))}) + "\n")
        axes.plot(batches, peaks, marker="o", label=label)
    axes.set(xscale="log", ylim=(0, None), xlabel="pairs per step", ylabel="peak MiB of the process")
    axes.set_xticks(BATCHES, [f"{batch:,}" for batch in BATCHES], minor=False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--plot", default="")
    asked = parser.parse_args()
    if asked.plot:
        plot(asked.plot)
    else:
        one_step(asked.batch, asked.chunk, asked.preset)
