"""A command as a child process: an argument list and never a shell; its log is the task's log."""

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

# the folder in which `python -m jobs pairs` finds its module and its SQL
ROOT = Path(jobs.__file__).absolute().parent.parent
NOTHING_TO_DO = 99  # the exit code that Airflow's own operators read as `skip`
KILL_AFTER_S = 5.0
TRACE = "Traceback (most recent call last)"
# a line that begins a log record, as jobs/platform/cli.py writes it; other lines continue the record before
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (?P<level>[A-Z]+) \S+: (?P<text>.*)")
MAX_CHARS = 2_000
LOGIN_SECRET = "NIGHTSHELF_OIDC_SECRET"
# the address of Airflow's database, with its password, and the one command that gets it
DATABASE, CLEANS_DATABASE = "NIGHTSHELF_AIRFLOW_DB", "housekeeping"


class JobRefused(AirflowFailException):
    """The command refused its arguments or its data, with one clear line. Another try would end the same."""


class JobCrashed(AirflowException):
    """The command was killed or met an unexpected error: perhaps the machine's fault, so it is tried again."""


class OutputTail:
    """The last line of a command's output, and its whole last error: `expect` names one rule a line."""

    def __init__(self) -> None:
        self._line = ""
        self._error: list[str] = []
        self._in_error = False

    def add(self, line: str) -> None:
        """Take the next line."""
        self._line = line or self._line
        if record := RECORD.match(line):
            self._in_error = record["level"] == "ERROR"
            if self._in_error:
                self._error = [record["text"]]
        elif self._in_error and line:
            self._error.append(line)

    def reason(self, traced: bool) -> str:
        """The error; the last line where there is no error or a trace."""
        return self._line if traced or not self._error else "\n".join(self._error)


class JobProcess:
    """One command as a process. `end` may be called from another thread while `run` waits."""

    def __init__(self, argv: Sequence[str], context: Mapping[str, str]) -> None:
        self.argv = [interpreter(argv[0]), *argv[1:]]
        self.environment = job_environment(os.environ, context, argv)
        self._child: subprocess.Popen[str] | None = None

    def run(self, log: Callable[[str], object]) -> dict[str, object]:
        """Run it to its end and log each line of its output; returns the JSON object that it printed last.

        Raises:
            JobRefused: exit code 2, or 1 without a trace: the command knows what is wrong.
            JobCrashed: any other code, or a signal.
            AirflowSkipException: exit code 99, the command had nothing to do.
        """
        result: dict[str, object] = {}
        tail, traced = OutputTail(), False
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
                log(line)
                traced = traced or TRACE in line
                tail.add(line)
                # searched in every line: Spark and atexit hooks may print after the command
                result = json_object(line) or result
        raise_for_exit_code(self._child.returncode, tail.reason(traced)[:MAX_CHARS], traced)
        return result

    def end(self) -> None:
        """End the command and all that it started: SIGTERM first, then SIGKILL."""
        if self._child is None or self._child.poll() is not None:
            return
        os.killpg(self._child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(KILL_AFTER_S)
        # the command may be gone while a child of it still runs
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)


def raise_for_exit_code(exit_code: int, reason: str, traced: bool) -> None:
    """Raise the exception by which Airflow fails, retries or skips the task; return where the code is 0."""
    if exit_code == NOTHING_TO_DO:
        raise AirflowSkipException(reason)
    if exit_code == 2 or (exit_code == 1 and not traced):
        raise JobRefused(f"exit code {exit_code}, not tried again: {reason}")
    if exit_code:
        raise JobCrashed(f"exit code {exit_code}: {reason}")


def interpreter(program: str) -> str:
    """The program of this environment, whatever PATH says: `python`, and `spark-submit` where there is one."""
    if program == "python":
        return sys.executable
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.is_file() else program


def job_environment(outer: Mapping[str, str], context: Mapping[str, str], argv: Sequence[str] = ()) -> dict[str, str]:
    """This process's environment without Airflow's own settings, which hold secrets that no command needs."""
    kept = {name: value for name, value in outer.items() if not name.startswith("AIRFLOW__") and name != LOGIN_SECRET}
    if CLEANS_DATABASE not in argv[3:4]:  # python -m jobs housekeeping
        kept.pop(DATABASE, None)
    return {**kept, "PYTHONUNBUFFERED": "1", **context}


def json_object(line: str) -> dict[str, object]:
    """The line as a JSON object; empty for any other line."""
    if not line.startswith("{"):
        return {}
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
