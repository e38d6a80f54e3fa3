"""A program in the background: started once, found again, ended with all it started.

Its pid file stays locked for as long as it lives, so a number that the system gave to another program is never taken
for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.platform.tracking import home

STOP_S = 20.0


@dataclass(frozen=True)
class Service:
    """One background program by name."""

    name: str
    command: Sequence[str]

    @property
    def pid_file(self) -> Path:
        """Holds the pid, and a lock while the program lives."""
        return home() / "run" / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """All it has said since it was last started."""
        return home() / "run" / f"{self.name}.log"

    def start(self, env: Mapping[str, str], cwd: Path) -> None:
        """Start it in a session of its own, so that it outlives this terminal.

        Raises:
            RuntimeError: it runs already.
        """
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        with self.pid_file.open("a+") as file:
            if not _lock(file.fileno()):
                raise RuntimeError(f"{self.name}: runs already, pid {self._pid()}")
            with self.log_file.open("w") as log:
                # the child inherits the open file and with it the lock
                child = subprocess.Popen(
                    list(self.command),
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(file.fileno(),),
                )
            file.truncate(0)
            file.write(str(child.pid))

    def runs(self) -> bool:
        """Whether it lives."""
        if not self.pid_file.is_file():
            return False
        with self.pid_file.open() as file:
            return not _lock(file.fileno())

    def ask_to_stop(self) -> bool:
        """Send the polite signal to its process group; False when it does not run."""
        if not self.runs():
            return False
        self._signal(signal.SIGTERM)
        return True

    def stop(self) -> None:
        """End it and its process group: asked first, made to after STOP_S."""
        if self.ask_to_stop() and not self._gone_within(STOP_S):
            self._signal(signal.SIGKILL)
            self._gone_within(STOP_S)
        self.pid_file.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid(), number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.runs():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def tail(self, lines: int = 5) -> str:
        """The end of its log."""
        text = self.log_file.read_text("utf-8", errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _pid(self) -> int:
        return int(self.pid_file.read_text("utf-8"))


def _lock(descriptor: int) -> bool:
    """Take the lock unless another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
