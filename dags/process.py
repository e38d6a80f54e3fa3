"""A job as a child process: an argument list and never a shell; its log is the task's log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

import jobs

# Where `python -m jobs pairs` finds its module and its SQL.
ROOT = Path(jobs.__file__).absolute().parent.parent
NOTHING_TO_DO = 99  # the exit code that Airflow's own operators read as `skip`
KILL_AFTER_S = 5.0
TRACE = "Traceback (most recent call last)"
# a line that begins a record of a job's log, as jobs/cli.py writes it; lines without go on with the one before
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+: (?P<text>.*)")
MAX_CHARS = 2_000


class JobRefused(AirflowFailException):
    """The job said no, in one line: wrong arguments or bad data. Another try would say the same."""


class JobBroke(AirflowException):
    """The job was killed or met what nobody foresaw: perhaps it was the machine, so it is tried again."""


class Said:
    """What a job said last, and the whole of its last error: jobs.quality.expect names a rule a line."""

    def __init__(self) -> None:
        self._line = ""
        self._error: list[str] = []
        self._in_error = False

    def hear(self, line: str) -> None:
        """Take the next line."""
        self._line = line or self._line
        if record := RECORD.match(line):
            self._in_error = record["level"] == "ERROR"
            if self._in_error:
                self._error = [record["text"]]
        elif self._in_error and line:
            self._error.append(line)

    def last(self, traced: bool) -> str:
        """The error, or where there is none, or it is a trace, the last line."""
        return self._line if traced or not self._error else "\n".join(self._error)


class JobProcess:
    """One command and what became of it. `end` may be called from elsewhere while `run` waits."""

    def __init__(self, argv: Sequence[str], context: Mapping[str, str]) -> None:
        self.argv = [interpreter(argv[0]), *argv[1:]]
        self.environment = job_environment(os.environ, context)
        self._child: subprocess.Popen[str] | None = None

    def run(self, say: Callable[[str], object]) -> dict[str, object]:
        """Run it to its end, saying each line of its output; returns the JSON object that it printed last.

        Raises:
            JobRefused: exit code 2, or 1 without a trace: the job knows what is wrong.
            JobBroke: any other code, or a signal.
            AirflowSkipException: exit code 99, the job had nothing to do.
        """
        result: dict[str, object] = {}
        said, traced = Said(), False
        # a session of its own: a signal meant for the worker does not reach it, one for its group reaches all of it
        with subprocess.Popen(
            self.argv,
            cwd=ROOT,
            env=self.environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
        ) as self._child:
            assert self._child.stdout is not None
            for line in map(str.rstrip, self._child.stdout):
                say(line)
                traced = traced or TRACE in line
                said.hear(line)
                # looked for in every line: Spark and atexit hooks may speak after the job
                result = json_object(line) or result
        judge(self._child.returncode, said.last(traced)[:MAX_CHARS], traced)
        return result

    def end(self) -> None:
        """End the job and all it started: asked first, then made to."""
        if self._child is None or self._child.poll() is not None:
            return
        os.killpg(self._child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(KILL_AFTER_S)
        # the job may be gone and a child of it not
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)


def judge(exit_code: int, said: str, traced: bool) -> None:
    """Turn an exit code into what Airflow should do next; returns when it is 0."""
    if exit_code == NOTHING_TO_DO:
        raise AirflowSkipException(said)
    if exit_code == 2 or (exit_code == 1 and not traced):
        raise JobRefused(f"exit code {exit_code}, not tried again: {said}")
    if exit_code:
        raise JobBroke(f"exit code {exit_code}: {said}")


def interpreter(word: str) -> str:
    """`python` is this environment's own, whatever PATH says; so is `spark-submit` where it has one."""
    if word == "python":
        return sys.executable
    beside = Path(sys.executable).parent / word
    return str(beside) if beside.is_file() else word


def job_environment(outer: Mapping[str, str], context: Mapping[str, str]) -> dict[str, str]:
    """This process's environment less Airflow's own settings, which hold secrets that no job needs."""
    kept = {name: value for name, value in outer.items() if not name.startswith("AIRFLOW__")}
    return {**kept, "PYTHONUNBUFFERED": "1", **context}


def json_object(line: str) -> dict[str, object]:
    """The object that the line is; empty for any other line."""
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
