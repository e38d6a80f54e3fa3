"""Named points where a test kills a job as a power cut would: NIGHTSHELF_FAULT=publish.before_pointer."""

from __future__ import annotations

import os
import signal

POINTS = (
    "publish.started",
    "publish.files_written",
    "publish.before_pointer",
    "publish.after_pointer",
    "towers.step",
)


def fault_point(point: str) -> None:
    """SIGKILL this process when the environment names this point; nothing otherwise."""
    if os.environ.get("NIGHTSHELF_FAULT") == point:
        os.kill(os.getpid(), signal.SIGKILL)
