"""Jobs that die in their middle, each in a process of its own."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable


def killed_at(fault: str, job: Callable[[], object]) -> None:
    """Run a job in a fork of this process, and check that it was killed at a point of `jobs.lake.fault`.

    A fork has all modules at once; a new interpreter takes seconds to import torch and MLflow.
    """
    assert died_at(fault, job), f"{fault}: the job ended before it came to this point"


def died_at(fault: str, job: Callable[[], object]) -> bool:
    """Run a job in a fork, and return whether it was killed; an error of the job is an error of the test."""
    if not (child := os.fork()):
        os.environ["NIGHTSHELF_FAULT"] = fault
        try:
            job()
            os._exit(0)
        finally:  # nothing of the fork may go on as a second test run
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, f"{fault}: the job failed; its error is above"
    return False
