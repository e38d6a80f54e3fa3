"""Alerts as lines, and the menu of Airflow."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from uuid import UUID

import pytest
from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext
from airflow.dag_processing import processor
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.api.datamodels._generated import DagRun, TaskInstance

from dags import channels, operators
from dags.alerts import MAX_CHARS, Alert, PodAlerts
from dags.process import ROOT, JobCrashed, JobProcess, JobRefused
from tests.dags.servers import mail_server, silent_server, webhook


def test_a_failure_is_one_line_with_all_that_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    context = {
        "dag_run": SimpleNamespace(dag_id="pairs_daily", run_id="r", partition_key="2026-01-31"),
        "task_instance": SimpleNamespace(task_id="pairs", try_number=3, log_url="http://x"),
        "exception": ValueError('0 rows\nof "5" ' + "x" * 9_999),
    }
    Alert()(context)
    Alert()({"dag_run": context["dag_run"], "reason": "timed out"})
    lines = (tmp_path / "var" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = map(json.loads, lines)
    # what the overview of data quality may show: of an error that nobody foresaw, its kind
    assert (first["public"], second["public"]) == ("ValueError; its log says more", "timed out")
    assert (first["dag"], first["task"], first["try_number"]) == ("pairs_daily", "pairs", 3)
    assert first["partition_key"] == "2026-01-31"
    assert first["reason"].startswith('0 rows\nof "5"') and len(first["reason"]) == MAX_CHARS
    assert (second["task"], second["reason"]) == (None, "timed out")


def test_the_menu_links_what_is_there_and_nothing_else() -> None:
    path = ROOT / "dags" / "plugins" / "nightshelf_views.py"
    spec = importlib.util.spec_from_file_location("nightshelf_views", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.views("", "") == []
    found = module.views("http://localhost:8090", "http://localhost:5000")
    assert [view["name"] for view in found] == ["Data quality", "Reports", "MLflow"]
    assert found[0]["href"] == "/nightshelf/data-quality/index.html"
    assert found[1]["href"] == "http://localhost:8090/"
    assert len({view.get("url_route", view["name"]) for view in found}) == 3


def test_what_a_job_wants_to_be_told_is_a_line_that_did_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    code = "import json; print(json.dumps({'alerts': ['R@60 fell', 'too old'], 'verdict': 'pass'}))"
    task = operators.JobOperator(task_id="report", argv=["python", "-c", code])
    context = {
        "dag_run": SimpleNamespace(dag_id="index_nightly", run_id="r", partition_key="2026-01-31"),
        "task_instance": SimpleNamespace(task_id="report", try_number=1, log_url="http://x"),
        "ti": SimpleNamespace(dag_id="index_nightly", task_id="report", run_id="r", try_number=1),
    }
    monkeypatch.setattr(operators, "_process", lambda argv, _: JobProcess(argv, {}))
    assert task.execute(context)["verdict"] == "pass"
    lines = (tmp_path / "var" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["R@60 fell", "too old"]
    assert json.loads(lines[0])["failed"] is False


SECRET = "T000/B000/sEcReT"
Received = tuple[list[EmailMessage], list[tuple[str, dict[str, object]]]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTSHELF_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("NIGHTSHELF_SITE_URL", "http://localhost:8090")
    monkeypatch.setenv("NIGHTSHELF_ALERT_TO", "oncall@shop.example, search@shop.example")
    return tmp_path / "var"


def mail_env(port: int) -> dict[str, str]:
    conn = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": port,
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "nightshelf@shop.example"},
    }
    return {"NIGHTSHELF_ALERT_SMTP_CONN": "mail", "AIRFLOW_CONN_MAIL": json.dumps(conn)}


def slack_env(port: int) -> dict[str, str]:
    conn = {"conn_type": "slackwebhook", "host": f"http://127.0.0.1:{port}/services", "password": SECRET}
    return {"NIGHTSHELF_ALERT_SLACK_CONN": "chat", "AIRFLOW_CONN_CHAT": json.dumps(conn)}


def set_up(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def both(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """Both channels set up: mails and messages received."""
    with mail_server() as (mail, mails), webhook() as (hook, messages):
        set_up(monkeypatch, mail_env(mail) | slack_env(hook))
        yield mails, messages


def context(error: BaseException | None = None, **more: object) -> dict[str, object]:
    dag_run = SimpleNamespace(dag_id="pairs_daily", run_id="r", partition_key="2026-01-31")
    task = SimpleNamespace(task_id="expect_tables", try_number=3, log_url="http://airflow/log?a=1&b=2")
    return {"dag_run": dag_run, "task_instance": task, "exception": error, **more}


def lines(home: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]


REFUSED = "exit code 1, not tried again: items/ds=2026-01-31: rows 3, expected 10 to 20\nprice: 2 of 9 below 0"


def test_mail_and_slack_get_what_a_person_on_call_needs(home: Path, both: Received) -> None:
    mails, messages = both
    Alert()(context(JobRefused(REFUSED)))
    (mail,) = mails
    assert mail["Subject"] == "[nightshelf] pairs_daily.expect_tables 2026-01-31 failed"
    assert mail["To"] == "oncall@shop.example, search@shop.example"
    page = mail.get_body(("html",))
    assert page is not None
    for words in (
        REFUSED,
        'href="http://airflow/log?a=1&amp;b=2"',
        'href="http://localhost:8090/data_docs/index.html"',
    ):
        assert words in page.get_content()
    ((path, body),) = messages
    assert path == f"/services/{SECRET}"
    assert body["text"] == (
        f"pairs_daily.expect_tables 2026-01-31 failed\n{REFUSED}\nlog: http://airflow/log?a=1&amp;b=2\n"
        "Data Docs: http://localhost:8090/data_docs/index.html"
    )
    assert body["mrkdwn"] is False
    assert [line["reason"] for line in lines(home)] == [REFUSED]


@pytest.mark.parametrize(
    "error",
    [
        # what a library quotes of the data, in an error that a job hands on
        JobRefused("exit code 1: labels.csv: not readable as labels (invalid value 'jan@poczta.example')"),
        JobRefused('exit code 1: found "jan@poczta.example", expected a number'),
        JobRefused("exit code 1: found `jan@poczta.example`"),
        # what nobody foresaw: its last line may be anything
        JobCrashed("exit code 1: KeyError: jan@poczta.example"),
        ValueError("jan@poczta.example"),
    ],
)
def test_what_anybody_typed_does_not_leave_the_house(home: Path, both: Received, error: BaseException) -> None:
    mails, messages = both
    Alert()(context(error))
    assert len(mails) == len(messages) == 1
    assert "jan@" not in mails[0].as_string() and "jan@" not in json.dumps(messages[0][1])


def test_what_a_job_says_is_no_markup_no_header_and_no_mention(home: Path, both: Received) -> None:
    mails, messages = both
    hostile = context(JobRefused("<!channel> <script>alert(1)</script> <https://evil|x> \x1b[31m\u202e"))
    hostile["dag_run"] = SimpleNamespace(dag_id="pairs_daily", run_id="r", partition_key="x\r\nBcc: evil@x.example")
    Alert()(hostile)
    (mail,) = mails
    assert mail["Bcc"] is None and "evil@x.example" in str(mail["Subject"])
    page = mail.get_body(("html",))
    assert page is not None and "<script>" not in page.get_content()
    text = str(messages[0][1]["text"])
    assert "<" not in text and "\x1b" not in text and "\u202e" not in text


def test_what_a_job_wants_to_be_told_is_one_message(
    home: Path, both: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails, messages = both
    said = ["items/ds=2026-01-31: 2 warnings, 14 checks", "pairs/ds=2026-01-31: 1 warnings, 9 checks"]
    code = f"import json; print(json.dumps({{'alerts': {said!r}}}))"
    task = operators.JobOperator(task_id="expect_tables", argv=["python", "-c", code])
    monkeypatch.setattr(operators, "_process", lambda argv, _: JobProcess(argv, {}))
    task.execute(context())
    assert mails[0]["Subject"] == "[nightshelf] pairs_daily.expect_tables 2026-01-31 wants a look"
    assert "\n".join(said) in str(messages[0][1]["text"])
    assert [line["reason"] for line in lines(home)] == said
    # the same of a pod, whose result comes by XCom
    pulled = SimpleNamespace(
        task_id="expect_tables", map_index=-1, xcom_pull=lambda task_ids, map_indexes: {"alerts": said}
    )
    PodAlerts()(context(ti=pulled))
    assert len(mails) == len(messages) == 2 and len(lines(home)) == 4


@pytest.mark.parametrize("broken", ["refused", "silent", "unknown", "nobody"])
def test_a_broken_mail_server_is_a_line_and_holds_nothing_up(
    home: Path, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "LIMIT_S", 1.0)
    with silent_server() as silent, webhook() as (hook, messages):
        set_up(monkeypatch, slack_env(hook) | mail_env(1 if broken == "refused" else silent))
        if broken == "unknown":
            monkeypatch.setenv("NIGHTSHELF_ALERT_SMTP_CONN", "no_such_connection")
        if broken == "nobody":
            monkeypatch.setenv("NIGHTSHELF_ALERT_TO", " ")
        began = time.monotonic()
        Alert()(context(JobRefused(REFUSED)))
        assert time.monotonic() - began < 3
    assert len(messages) == 1, "the other channel is not held up"
    first, second = lines(home)
    assert "channel" not in first and second["channel"] == "smtp"
    said = {
        "refused": "ConnectionRefusedError",
        "silent": "no answer in 1 s",
        "unknown": "not found",
        "nobody": "NIGHTSHELF_ALERT_TO is empty",
    }[broken]
    assert said in str(second["reason"]) and str(second["reason"]).startswith("alert not sent by smtp: ")
    assert second["day"] == "2026-01-31" and second["task"] == "expect_tables"


@pytest.mark.parametrize("status", [404, 500])
def test_a_webhook_that_says_no_is_a_line_without_its_secret(
    home: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook(status) as (hook, _):
        set_up(monkeypatch, slack_env(hook))
        Alert()(context(JobRefused(REFUSED)))
    monkeypatch.setenv(
        "AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "slackwebhook", "host": "nowhere://x", "password": SECRET})
    )
    Alert()(context(JobRefused(REFUSED)))
    assert [line.get("channel") for line in lines(home)] == [None, "slack", None, "slack"]
    assert f"Status Code: {status}" in str(lines(home)[1]["reason"])
    assert SECRET not in (home / "alerts.jsonl").read_text(encoding="utf-8")


def test_without_settings_nothing_is_sent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert channels.channels() == {}
    Alert()(context(JobRefused(REFUSED)))
    assert len(lines(home)) == 1


@pytest.mark.parametrize(
    ("dag_run", "params", "day"),
    [
        (SimpleNamespace(partition_key="2026-01-31"), {"ds": "2026-01-15"}, "2026-01-15"),
        (SimpleNamespace(partition_key="2026-01-31"), {"ds": None}, "2026-01-31"),
        (SimpleNamespace(partition_key=None, logical_date=datetime(2026, 1, 20, tzinfo=UTC)), {}, "2026-01-20"),
        (
            SimpleNamespace(partition_key=None, logical_date=None, run_after=datetime(2026, 3, 3, tzinfo=UTC)),
            {},
            "2026-03-03",
        ),
    ],
)
def test_an_alert_names_the_day_of_the_partitions(
    home: Path, dag_run: SimpleNamespace, params: dict[str, object], day: str
) -> None:
    Alert()({"dag_run": dag_run, "params": params, "reason": "task_failure"})
    assert lines(home)[0]["day"] == day


@pytest.mark.parametrize("task_known", [True, False])
def test_a_failed_run_is_told_by_what_the_dag_processor_knows(
    tmp_path: Path, both: Received, home: Path, task_known: bool
) -> None:
    """Airflow's own call of a DAG's callback, which `airflow dags test` leaves out."""
    (tmp_path / "tried.py").write_text(TRIED)
    now = datetime(2026, 2, 1, 3, tzinfo=UTC)
    dag_run = DagRun.model_construct(
        dag_id="tried",
        run_id="r",
        logical_date=None,
        run_after=now,
        partition_key="2026-01-31",
        conf={},
        data_interval_start=None,
        data_interval_end=None,
        start_date=now,
        run_type="manual",
        state="failed",
        consumed_asset_events=[],
    )
    last = TaskInstance.model_construct(
        id=UUID(int=1),
        task_id="broke",
        dag_id="tried",
        run_id="r",
        try_number=2,
        map_index=-1,
        dag_version_id=UUID(int=2),
    )
    seen = DagRunContext.model_construct(dag_run=dag_run, last_ti=last if task_known else None)
    request = DagCallbackRequest(
        dag_id="tried",
        run_id="r",
        msg="task_failure",
        context_from_server=seen,
        filepath="tried.py",
        bundle_name="dags",
        bundle_version=None,
    )
    processor._execute_dag_callbacks(DagBag(str(tmp_path)), request, MagicMock())
    (line,) = lines(home)
    assert (line["dag"], line["dag_run"], line["reason"]) == ("tried", "r", "task_failure")
    # from here on the task has a line of its own, as its worker writes it
    processor._execute_dag_callbacks(DagBag(str(tmp_path)), request, MagicMock())
    assert len(lines(home)) == (1 if task_known else 2), "each failure alerts once"
    mails, messages = both
    subject = mails[0]["Subject"]
    if task_known:
        assert subject == "[nightshelf] tried.broke 2026-01-31 failed"
    else:
        assert subject == "[nightshelf] tried failed"
    assert "task_failure" in str(messages[0][1]["text"])


TRIED = """
from datetime import timedelta
from airflow.sdk import DAG
from dags.day import DEFAULTS
from dags.operators import JobOperator

with DAG("tried", schedule=None, default_args=DEFAULTS | {"retries": 1, "retry_delay": timedelta(0),
         "retry_exponential_backoff": 0, "max_retry_delay": None}, on_failure_callback=DEFAULTS["on_failure_callback"]):
    JobOperator(task_id="broke", argv=["python", "-c", "raise SystemExit(75)"])
    JobOperator(task_id="told", argv=["python", "-c", "print('{\\"alerts\\": [\\"R@60 fell\\"]}')"])
"""


@pytest.mark.slow
def test_airflow_itself_tells_of_the_last_try_alone(tmp_path: Path, home: Path, both: Received) -> None:
    """`airflow dags test` with a database of its own: a task that fails twice is one alert, with a mail."""
    mails, messages = both
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "tried.py").write_text(TRIED)
    env = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    for words in (["db", "migrate"], ["dags", "test", "tried", "2026-01-31"]):
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *words], env=env, capture_output=True, text=True, check=False
        )
    said = [(line["task"], line["day"], line["try_number"]) for line in lines(home) if line["task"]]
    assert sorted(said) == [("broke", "2026-01-31", 2), ("told", "2026-01-31", 1)], (
        done.stdout[-3000:] + done.stderr[-3000:]
    )
    subjects = sorted(mail["Subject"] for mail in mails)
    assert subjects[-2:] == [
        "[nightshelf] tried.broke 2026-01-31 failed",
        "[nightshelf] tried.told 2026-01-31 wants a look",
    ]
    assert len(messages) == len(mails) == len(lines(home))
    assert not [line for line in lines(home) if "channel" in line]
