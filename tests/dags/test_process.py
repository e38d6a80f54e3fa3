"""A job as a child process: results, exit codes, hostile words, and an end that leaves nothing behind."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from dags import operators
from dags.process import JobCrashed, JobProcess, JobRefused, job_environment


def run(code: str, *words: str) -> tuple[dict[str, object], list[str]]:
    """Run Python code as a job; returns its result and what the task's log shows."""
    said: list[str] = []
    return JobProcess(["python", "-c", code, *words], {}).run(said.append), said


def test_the_last_json_object_is_the_result_whatever_is_said_after_it() -> None:
    code = """
import sys
print('{"pairs": "old"}')
print('{"pairs": "pairs/ds=2026-01-31", "rows": 3}', flush=True)
print('{not json', flush=True)
print('[1]', flush=True)
print('a JVM says goodbye', file=sys.stderr)
"""
    result, said = run(code)
    assert result == {"pairs": "pairs/ds=2026-01-31", "rows": 3}
    assert said[-1] == "a JVM says goodbye"


def test_a_job_that_knows_what_is_wrong_is_not_tried_again() -> None:
    with pytest.raises(JobRefused, match="pairs/ds=2026-01-31: 0 rows"):
        run("import sys; sys.stderr.write('pairs/ds=2026-01-31: 0 rows\\n'); sys.exit(1)")
    with pytest.raises(JobRefused, match="exit code 2, not tried again: unrecognised arguments"):
        run("import sys; sys.stderr.write('unrecognised arguments\\n'); sys.exit(2)")


def test_a_refusal_is_the_whole_of_the_last_error_whatever_is_said_after_it() -> None:
    """jobs.quality.expect names a rule a line; a JVM may warn when the job has ended."""
    log = "2026-01-31 00:00:00,000 {} jobs.quality.expect: {}"
    lines = [
        log.format("ERROR", "an earlier one"),
        log.format("INFO", "checked"),
        log.format("ERROR", "items/ds=2026-01-31: rows 3, expected 10 to 20"),
        "pairs/ds=2026-01-31: weight 2 of 9 not above 0",
        "nothing downstream may run on that",
        log.format("WARNING", "a JVM says goodbye"),
    ]
    with pytest.raises(JobRefused) as refused:
        run("import sys; sys.stderr.write(sys.argv[1]); sys.exit(1)", "\n".join(lines))
    assert str(refused.value) == (
        "exit code 1, not tried again: items/ds=2026-01-31: rows 3, expected 10 to 20\n"
        "pairs/ds=2026-01-31: weight 2 of 9 not above 0\nnothing downstream may run on that"
    )


# as a command ends that meets another writer of its partition
WRITTEN_BY_ANOTHER = """
import sys
from jobs.lake.partitions import LABELS
from jobs.lake.publish import publish
from jobs.platform.cli import run
from jobs.privacy.housekeeping import Args
def main(args):
    with publish(LABELS.at(ds="2026-01-31"), args), publish(LABELS.at(ds="2026-01-31"), args):
        pass
sys.argv = ["x"]
run(Args, main)
"""


@pytest.mark.parametrize(
    "code",
    [
        "raise ConnectionError('the store is away')",  # unforeseen: a trace and exit code 1
        "import os; os.kill(os.getpid(), 9)",  # the machine ran out of memory
        "import sys; sys.exit(75)",  # EX_TEMPFAIL
        WRITTEN_BY_ANOTHER,
    ],
)
@pytest.mark.usefixtures("lake")
def test_a_job_that_broke_is_tried_again(code: str) -> None:
    with pytest.raises(JobCrashed) as crashed:
        run(code)
    assert code != WRITTEN_BY_ANOTHER or "another process is writing" in str(crashed.value)


def test_a_job_with_nothing_to_do_is_skipped() -> None:
    with pytest.raises(AirflowSkipException, match="champion: points nowhere"):
        run("print('champion: points nowhere'); raise SystemExit(99)")


def test_words_are_words_and_never_a_shells(tmp_path: Path) -> None:
    """Everything a shell would act upon arrives as it is."""
    hostile = [f"; touch {tmp_path}/made", f"$(touch {tmp_path}/made)", "`id`", "a\nb", "*", "", "{{ 1 }}"]
    code = "import json, sys; print(json.dumps({'words': sys.argv[1:]}))"
    result, _ = run(code, *hostile)
    assert result["words"] == hostile
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_do_not_break_the_log() -> None:
    _, said = run(r"import sys; sys.stdout.buffer.write(b'\xff\xfe caf\xc3\xa9\n')")
    assert said == [r"\xff\xfe café"]


def test_a_job_sees_no_secret_of_airflow() -> None:
    outer = {"AIRFLOW__API_AUTH__JWT_SECRET": "s", "AIRFLOW_HOME": "/a", "NIGHTSHELF_LAKE": "/l"}
    outer["NIGHTSHELF_OIDC_SECRET"] = "s"
    outer["NIGHTSHELF_AIRFLOW_DB"] = "postgresql://nightshelf:secret@postgres/airflow"
    found = job_environment(outer, {"AIRFLOW_CTX_DAG_RUN_ID": "r"}, ["python", "-m", "jobs", "pairs", "housekeeping"])
    assert found.keys() - {"PYTHONUNBUFFERED"} == {"AIRFLOW_HOME", "NIGHTSHELF_LAKE", "AIRFLOW_CTX_DAG_RUN_ID"}
    cleaning = job_environment(outer, {}, ["python", "-m", "jobs", "housekeeping", "--log_days", "30"])
    assert cleaning["NIGHTSHELF_AIRFLOW_DB"] == outer["NIGHTSHELF_AIRFLOW_DB"]
    assert found["NIGHTSHELF_LAKE"] == "/l"
    assert found["AIRFLOW_CTX_DAG_RUN_ID"] == "r"


FAMILY = """
import os, pathlib, signal, subprocess, sys, time
folder, depth, stubborn = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if stubborn == "True":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(folder, str(os.getpid())).touch()
if depth:
    subprocess.Popen([sys.executable, "-c", sys.orig_argv[2], folder, str(depth - 1), stubborn])
time.sleep(60)
"""


@pytest.mark.parametrize("stubborn", [False, True])
def test_ending_a_job_ends_all_it_started(tmp_path: Path, stubborn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child of the job (a JVM, a data loader) would hold memory and locks for ever."""
    monkeypatch.setitem(JobProcess.end.__globals__, "KILL_AFTER_S", 0.5)
    process = JobProcess(["python", "-c", FAMILY, str(tmp_path), "2", str(stubborn)], {})
    outcome: list[BaseException] = []

    def follow() -> None:
        try:
            process.run(lambda _: None)
        except JobCrashed as error:
            outcome.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    deadline = time.monotonic() + 20
    while len(list(tmp_path.iterdir())) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.end()
    thread.join(20)
    assert not thread.is_alive()
    assert outcome
    # a signal is delivered when the process next runs
    while left := [path.name for path in tmp_path.iterdir() if runs(path.name)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def runs(pid: str) -> bool:
    """True for a live process; one that only waits to be reaped is dead."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_connection_says_which_cluster_jobs_use(monkeypatch: pytest.MonkeyPatch) -> None:
    show = [
        sys.executable,
        "-c",
        "import json, os, sys; print(json.dumps({'env': os.environ.get('NIGHTSHELF_SPARK_MASTER'), 'argv': sys.argv[1:]}))",
    ]
    submit = [*show, "--master", "local[*]", "--name", "local[*]"]
    monkeypatch.delenv("NIGHTSHELF_SPARK_MASTER", raising=False)
    assert operators._process(submit, {}).run(print)["env"] is None
    monkeypatch.setenv(
        f"AIRFLOW_CONN_{operators.SPARK_CONN.upper()}", '{"conn_type": "spark", "host": "spark://big", "port": 7077}'
    )
    found = operators._process(submit, {}).run(print)
    assert found["env"] == "spark://big:7077"
    assert found["argv"] == ["--master", "spark://big:7077", "--name", "local[*]"]
