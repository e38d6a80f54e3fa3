"""Every task speaks its job's language, under every runner: golden commands, parsed by the job's own Args."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, BaseOperator

from dags.runner import RUNNERS
from jobs.lake.commands import module_of
from jobs.platform import check, cli
from tests.dags import rendering
from tests.dags.conftest import GOLDEN, Golden
from tests.dags.rendering import DAGS, load, pulled, rendered


class PodOperator(BaseOperator):
    """Stands for the provider's operator, which need not be installed: takes what it is given."""

    template_fields: Sequence[str] = ("arguments",)

    def __init__(
        self,
        *,
        arguments: Sequence[str],
        name: str,
        image: str,
        cmds: Sequence[str],
        env_vars: object,
        pod_template_file: object,
        container_resources: object,
        do_xcom_push: bool,
        skip_on_exit_code: int,
        startup_timeout_seconds: int,
        reattach_on_restart: bool,
        on_finish_action: str,
        deferrable: bool,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.given = {"cmds": cmds, "container_resources": container_resources}
        self.arguments = arguments


def commands(dag: DAG, params: dict[str, object] | None = None) -> dict[str, list[str]]:
    """task_id -> rendered words, in the order of the corridor."""
    return {
        task.task_id: [*(getattr(filled, "argv", None) or filled.arguments), *getattr(filled, "more", [])]
        for task in dag.topological_sort()
        if task.task_id != "check"  # it repeats all others
        and (filled := rendered(task, params))
        and (hasattr(filled, "argv") or hasattr(filled, "arguments"))
    }


def as_text(found: dict[str, list[str]]) -> str:
    """One paragraph a task, one flag a line."""
    paragraphs = (f"# {task_id}\n{shlex.join(words)}" for task_id, words in found.items())
    return "\n\n".join(paragraphs).replace(" --", " \\\n    --") + "\n"


def with_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the Kubernetes provider importable."""
    pod = SimpleNamespace(KubernetesPodOperator=PodOperator)
    resources = SimpleNamespace(V1ResourceRequirements=lambda limits: {"limits": limits})
    monkeypatch.setitem(sys.modules, "airflow.providers.cncf.kubernetes.operators.pod", pod)
    monkeypatch.setitem(sys.modules, "kubernetes", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "kubernetes.client", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "kubernetes.client.models", resources)


@pytest.mark.parametrize("dag_id", DAGS)
@pytest.mark.parametrize("runner", RUNNERS)
def test_commands_are_the_recorded_ones(
    runner: str, dag_id: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_RUNNER", runner)
    monkeypatch.setenv("NIGHTSHELF_SPARK_MASTER", "spark://spark-master:7077")
    monkeypatch.delenv("NIGHTSHELF_SPARK_ARGS", raising=False)
    if runner == "kubernetes":
        with_pods(monkeypatch)
    golden(f"{runner}/{dag_id}.txt", as_text(commands(load(dag_id))))


def test_what_is_recorded_is_of_a_dag() -> None:
    """A DAG that was lost or renamed leaves its files."""
    recorded = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.*")}
    assert recorded == {f"{runner}/{dag_id}.txt" for runner in RUNNERS for dag_id in DAGS}


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_command_is_understood_by_its_job(dag_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown, missing or misspelt flag, or a value out of range, ends cli.parse with an error."""
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "local")
    for task_id, (*start, command, flags) in (
        (task_id, (*words[:4], words[4:])) for task_id, words in commands(load(dag_id)).items()
    ):
        assert start == ["python", "-m", "jobs"], task_id
        args = cli.parse(importlib.import_module(module_of(command)).Args, flags)
        given = dict(zip(flags[::2], flags[1::2], strict=True))
        assert {str(getattr(args, flag[2:])) for flag in given} == {
            str(type(getattr(args, flag[2:]))(text)) if not text.count("/") else text
            for flag, text in given.items()
            if text
        } | ({""} if "" in given.values() else set())


@pytest.mark.parametrize("dag_id", DAGS)
def test_a_field_that_was_emptied_is_an_empty_flag(dag_id: str) -> None:
    """The page sends null for it; the word None must not reach a command."""
    dag = load(dag_id)
    emptied: dict[str, object] = {name: None for name in dag.params if dag.params[name] == ""}
    assert commands(dag, emptied) == commands(dag)


CHECKED = ("pairs_daily", "index_nightly", "towers_weekly", "refresh_towers", "pretrain_monthly")


def checked(dag: DAG, params: dict[str, object] | None = None) -> list[list[str | None]]:
    """The commands that the task `check` is given."""
    filled = rendered(dag.get_task("check"), params)
    words = list(getattr(filled, "argv", None) or filled.arguments)
    given: list[list[str | None]] = json.loads(words[-1])
    return given


@pytest.mark.parametrize("dag_id", CHECKED)
@pytest.mark.parametrize("runner", ["local", "spark_submit", "kubernetes"])
def test_every_setting_is_checked_before_anything_begins(
    runner: str, dag_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word by word what the tasks are given later, but for what their run has yet to find out."""
    monkeypatch.setenv("NIGHTSHELF_RUNNER", runner)
    if runner == "kubernetes":
        with_pods(monkeypatch)
    dag = load(dag_id)
    assert not dag.get_task("check").upstream_task_ids
    assert {"check"} <= dag.get_task("wait").upstream_task_ids
    later = sorted(
        words[words.index(runner_mark) + 1 :] if (runner_mark := mark(words)) else words
        for words in commands(dag).values()
    )
    given = sorted(checked(dag), key=lambda words: [str(word) for word in words])
    assert sorted(words[0] for words in later) == sorted(str(words[0]) for words in given)
    for words in given:
        same = [
            each
            for each in later
            if len(each) == len(words) and all(new in (None, old) for new, old in zip(words, each, strict=True))
        ]
        assert same, words
    assert check.main(check.Args(json.dumps(given))) == {"checked": len(later)}


def mark(words: list[str]) -> str:
    """The word before the command's name, or nothing in a pod."""
    return next((word for word in words if word in ("jobs", "jobs/__main__.py")), "")


@pytest.mark.parametrize(
    ("dag_id", "params", "said"),
    [
        ("towers_weekly", {"factory": "IVF4096,SQ88"}, r"trained_index: factory=IVF4096,SQ88: .*expected one such as"),
        ("index_nightly", {"factory": "IVFF64,Flat"}, "trained_index: factory=IVFF64,Flat"),
        ("index_nightly", {"lookalikes": "sometimes"}, "index: lookalikes"),
        ("towers_weekly", {"r_min": 300}, "negatives: "),
        ("towers_weekly", {"matryoshka": "999"}, "towers: matryoshka='999'"),
        ("refresh_towers", {"min_relevance": 1.0, "zero_gain": 2.0}, "report: zero_gain=2.0"),
        ("pretrain_monthly", {"hidden": 100, "heads": 7}, "prodbert: hidden=100"),
    ],
)
def test_a_setting_that_a_late_task_refuses_ends_the_run_at_its_beginning(
    dag_id: str, params: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "local")
    with pytest.raises(ValueError, match=said):
        check.main(check.Args(json.dumps(checked(load(dag_id), params))))


def test_every_refusal_is_named() -> None:
    commands = [["negatives", "--r_min", "x"], ["pairs", "--nothing", "1"], ["pairs", "--pairs", "pairs/ds=../x"]]
    with pytest.raises(ValueError, match=r"negatives: .*'x'(.|\n)*pairs: has no --nothing(.|\n)*pairs: .*found keys"):
        check.main(check.Args(json.dumps(commands)))


@pytest.mark.parametrize(
    ("params", "key", "logical", "day"),
    [
        # a day typed into the form wins over all
        ({"ds": "2026-01-15"}, "2026-01-31", None, "2026-01-15"),
        # schedule, backfill, asset event: the partition key
        ({}, "2026-01-31", None, "2026-01-31"),
        # `airflow dags test pairs_daily 2026-01-20` leaves the key empty
        ({}, None, "2026-01-20", "2026-01-20"),
        # a trigger with nothing filled in has no logical date either
        ({}, None, None, "2026-03-03"),
    ],
)
def test_a_run_says_its_day_in_one_of_three_ways(
    params: dict[str, object], key: str | None, logical: str | None, day: str
) -> None:
    task = load("pairs_daily").get_task("items")
    found = rendered(task, params, key, logical)
    assert found.argv[4:8] == ["--catalogue", f"catalogue/ds={day}", "--items", f"items/ds={day}"]


@pytest.mark.parametrize(
    ("params", "pairs", "labels"),
    [
        # judged by clicks: the judged days lie after what was learnt
        ({"judge_days": 3}, "pairs/ds=2026-01-28", ""),
        # judged by people: nothing to keep apart by time
        ({"judge_days": 3, "labels_ds": "2026-01-31"}, "pairs/ds=2026-01-31", "labels/ds=2026-01-31"),
    ],
)
def test_towers_learn_from_days_before_the_judged_ones(params: dict[str, object], pairs: str, labels: str) -> None:
    argv = rendered(load("towers_weekly").get_task("towers_in_batch"), params).argv
    assert argv[argv.index("--pairs") + 1] == pairs
    argv = rendered(load("pairs_daily").get_task("qrels"), params).argv
    assert argv[argv.index("--labels") + 1] == labels


@pytest.mark.parametrize(
    ("params", "key", "unless"),
    [
        ({}, "2026-01-31", ""),  # a Saturday: always trained
        ({}, "2026-02-01", "reranking/champion"),  # Sunday to Friday: where the ranker does not fit the towers
        ({}, "2026-02-02", "reranking/champion"),
        ({"ds": "2026-02-02"}, "2026-02-02", ""),  # by hand
        ({}, None, ""),
    ],
)
def test_rankers_are_trained_on_saturdays_and_else_where_none_fits(
    params: dict[str, object], key: str | None, unless: str
) -> None:
    dag = load("ranker_weekly")
    argv = rendered(dag.get_task("pin"), params, key).argv
    assert argv[argv.index("--unless_ranked") + 1] == unless
    argv = rendered(dag.get_task("listings"), {"window_days": 9}, key).argv
    assert argv[argv.index("--window_days") + 1] == "6", "what pin found, not the form"
    assert argv[argv.index("--index") + 1].startswith("index/ds=2026-01-25/")


def test_a_day_without_an_earlier_one_takes_nothing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "pulled", lambda task_ids: pulled(task_ids) | {"previous_embeddings": ""})
    argv = rendered(load("index_nightly").get_task("embeddings_0")).argv
    assert argv[argv.index("--previous") + 1] == ""


@pytest.mark.parametrize(
    ("encoder", "runner", "start", "more"),
    [
        ("process", "local", ["python", "-m", "jobs", "embeddings", "--items"], False),
        ("torchrun", "local", ["torchrun", "--nnodes=2", "-m", "jobs", "embeddings", "--items"], False),
        ("spark", "local", ["python", "-m", "jobs", "embeddings", "--items"], True),
        # a driver that spark-submit starts, with what NIGHTSHELF_SPARK_ARGS says of GPUs
        ("spark", "spark_submit", ["spark-submit", "--master", "spark://m:7077"], True),
        ("torchrun", "spark_submit", ["torchrun", "--nnodes=2", "-m", "jobs", "embeddings"], False),
    ],
)
def test_how_embeddings_are_started(
    encoder: str, runner: str, start: list[str], more: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "ENCODER": encoder,
        "RUNNER": runner,
        "TORCHRUN": "--nnodes=2",
        "PROCESSES": "8",
        "SPARK_MASTER": "spark://m:7077",
    }.items():
        monkeypatch.setenv(f"NIGHTSHELF_{name}", value)
    argv = rendered(load("index_nightly").get_task("embeddings_1")).argv
    assert argv[: len(start)] == start
    assert (argv[-4:] == ["--engine", "spark", "--tasks", "8"]) == more
    flags = argv[argv.index("--items") :]
    args = cli.parse(importlib.import_module("jobs.embeddings.embed").Args, flags)
    assert (args.engine, args.embeddings.values["shard"]) == ("spark" if more else "process", "1of2")
    # trainings have a setting of their own
    assert rendered(load("towers_weekly").get_task("towers_star")).argv[0] == "python"


def test_an_unknown_encoder_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_ENCODER", "ray")
    with pytest.raises(ValueError, match="NIGHTSHELF_ENCODER='ray': expected one of process"):
        load("index_nightly")


def test_pods_ask_for_a_gpu_where_the_job_wants_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pods(monkeypatch)
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "kubernetes")
    dag = load("towers_weekly")
    wants = {
        task.task_id: bool(task.given["container_resources"]) for task in dag.tasks if isinstance(task, PodOperator)
    }
    assert wants["towers_star"] and wants["negatives"] and wants["embeddings_0"]
    assert not wants["report"]
    assert json.dumps(dag.get_task("report").given["cmds"]) == '["python", "-m", "jobs"]'
    assert not wants["trained_index"] and not wants["codes_0"]


def test_quantiser_and_codes_are_given_a_gpu_where_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pods(monkeypatch)
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "kubernetes")
    monkeypatch.setenv("NIGHTSHELF_GPU_JOBS", "towers,trained_index,codes")
    dag = load("towers_weekly")
    for name, wants in (("trained_index", True), ("codes_0", True), ("embeddings_0", False)):
        task = dag.get_task(name)
        assert bool(task.given["container_resources"]) is wants
        assert (task.pool == "gpu") is wants


def test_kubernetes_without_its_provider_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.cncf.kubernetes.operators.pod", None)
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "kubernetes")
    with pytest.raises(RuntimeError, match="apache-airflow-providers-cncf-kubernetes"):
        load("index_nightly")


def test_an_unknown_runner_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_RUNNER", "cloud")
    with pytest.raises(ValueError, match="expected one of local, spark_submit, kubernetes"):
        load("index_nightly")


@pytest.mark.parametrize(("approve", "verdict", "asked"), [(0, "pass", "0"), (1, "pass", "1"), (1, "stop", "0")])
def test_a_person_is_asked_where_the_form_says_so_and_the_gate_let_it_pass(
    approve: int, verdict: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"report": "report/ds=2026-01-31/space=3", "verdict": verdict, "summary": "| arm |"}
    monkeypatch.setattr(rendering, "pulled", lambda task_ids: told)
    task = rendered(load("index_nightly").get_task("approve"), {"approve": approve})
    assert task.asked == asked
    assert "report/ds=2026-01-31/space=3" in task.subject and task.body == "| arm |"
    assert task.defaults == ["Reject"], "without an answer the index in service stays"
    if asked == "0":
        assert task.execute({}) is None


def test_a_shops_own_rankings_are_read_where_it_delivers_them() -> None:
    task = load("index_nightly").get_task("rankings")
    for given, words in ((0, ""), (1, "external_runs/ds=2026-01-31")):
        argv = rendered(task, {"external_runs": given}).argv
        assert argv[argv.index("--external_runs") + 1] == words
