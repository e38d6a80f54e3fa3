"""The kinds of task: run a command, wait for partitions, hand on a list, announce a day."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from airflow.sdk import DAG, Asset, BaseOperator, BaseSensorOperator, Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSensorTimeout
from airflow.sdk.execution_time.context import context_to_airflow_vars

from dags.alerts import day_of, send_alerts
from dags.process import JobProcess

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

# states of a task that has not begun, or looks for the first time
UNSEEN = (None, "scheduled", "queued", "running")
ENDED = ("success", "failed", "upstream_failed", "skipped", "removed")
# longer than a day takes: by then a run that does not end is a fault
TURN_HOURS = 24
# the user by whom `airflow dags test` starts a run
DAG_TEST = "dag_test"
# under which a run leaves its day for the others
DAY_KEY = "day"
# an Airflow connection names the cluster: host spark://name, and its port
SPARK_CONN = "nightshelf_spark"
MASTER = "NIGHTSHELF_SPARK_MASTER"


class JobOperator(BaseOperator):
    """Runs one command on the worker; the JSON object that it printed last is the task's XCom."""

    template_fields: Sequence[str] = ("argv", "more")
    ui_color = "#dfeef0"

    def __init__(self, *, argv: Sequence[str], more: Sequence[str] = (), **kwargs: object) -> None:
        """argv: the command; more: further arguments, which a mapped task gets from an earlier one."""
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.argv = list(argv)
        self.more = list(more)
        self._process: JobProcess | None = None

    def execute(self, context: Context) -> dict[str, object]:
        """Run the command and send the alerts that it printed; see JobProcess.run for how it can fail."""
        self._process = _process([*self.argv, *self.more], context)
        result = self._process.run(self.log.info)
        send_alerts(context, cast("list[str]", result.get("alerts", [])))
        return result

    def on_kill(self) -> None:
        """Airflow ends the task: end the command and every process that it started."""
        if self._process is not None:
            self._process.end()


class ReadySensor(BaseSensorOperator):
    """Waits for `python -m jobs ready` to report nothing missing; it holds no worker between two checks."""

    template_fields: Sequence[str] = ("argv",)
    ui_color = "#f2ead9"

    def __init__(self, *, argv: Sequence[str], hours: int, **kwargs: object) -> None:
        super().__init__(
            mode="reschedule",
            poke_interval=timedelta(minutes=5),
            timeout=timedelta(hours=hours),
            **kwargs,  # type: ignore[arg-type]
        )
        self.argv = list(argv)
        self.hours = hours
        self._missing: object = None

    def poke(self, context: Context) -> bool:
        """Check once. The day is left for `TurnSensor` in other runs."""
        context["ti"].xcom_push(DAY_KEY, str(day_of(context["dag_run"], context["params"])))
        self._missing = _process(self.argv, context).run(self.log.info)["missing"]
        return not self._missing

    def execute(self, context: Context) -> object:
        """Wait; a timeout names what was missing.

        Raises:
            AirflowSensorTimeout: the partitions were not there in time.
        """
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            raise AirflowSensorTimeout(
                f"{self._missing}: still missing after {self.hours} h; "
                f"publish them and clear this task, the run goes on from here"
            ) from error


class TurnSensor(BaseSensorOperator):
    """Waits for runs of the DAG that go first: one at work between this task and the task `last`, or one of an earlier day.

    A run counts that works, that is ready, or that has yet to look whether it is; not one that was found to be late.
    A run whose first look is still to come has no day yet, and goes first for these moments.
    `max_active_tis_per_dag` lets one run look at a time, so two never go together. A task that was cleared without those
    behind it is at work too, though `last` has ended; Airflow clears this task with it, for it is a setup task.
    """

    template_fields: Sequence[str] = ("day",)
    ui_color = "#f2ead9"

    def __init__(self, *, day: str, last: str, waited: str, **kwargs: object) -> None:
        super().__init__(
            mode="reschedule",
            poke_interval=timedelta(minutes=1),
            timeout=timedelta(hours=TURN_HOURS),
            max_active_tis_per_dag=1,
            **kwargs,  # type: ignore[arg-type]
        )
        self.day = day
        self.last = last
        self.waited = waited

    def poke(self, context: Context) -> bool:
        """Look at the other runs once."""
        task = context["ti"]
        if context["dag_run"].triggering_user_name == DAG_TEST:
            return True  # it runs alone, and one that was killed would hold the next for ever
        runs = self._at_work(context)
        first = [run_id for run_id, states in runs.items() if self._goes_first(task, run_id, states)]
        if first:
            self.log.info("%s: first go %s", self.day, ", ".join(first))
        return not first

    def _held(self, dag: DAG) -> set[str]:
        """Ids of the tasks that one run at a time may do."""
        before = dag.get_task(self.last).get_flat_relative_ids(upstream=True)
        return (dag.get_task(self.task_id).get_flat_relative_ids() & before) | {self.last}

    def _at_work(self, context: Context) -> dict[str, dict[str, str | None]]:
        """Other runs that go on and have work up to the task `last` before them -> states of their tasks."""
        task, own = context["ti"], (self.waited, self.task_id)
        runs = task.get_task_states(dag_id=task.dag_id, task_ids=[*own, *sorted(self._held(context["dag"]))])
        return {
            run_id: states
            for run_id, states in runs.items()
            if run_id != task.run_id
            and states.get(self.waited) in (*UNSEEN, "success")
            and any(state not in ENDED for name, state in states.items() if name not in own)
            # a queued run may itself wait for one of these to end
            and task.get_dagrun_state(task.dag_id, run_id) == "running"
        }

    def _goes_first(self, task: RuntimeTaskInstanceProtocol, run_id: str, states: Mapping[str, str | None]) -> bool:
        if states.get(self.task_id) == "success":
            return True
        day = task.xcom_pull(task_ids=self.waited, key=DAY_KEY, run_id=run_id)
        return day is None or (day, run_id) < (self.day, task.run_id)


def _process(argv: Sequence[str], context: Context) -> JobProcess:
    variables = context_to_airflow_vars(context, in_env_var_format=True)
    if master := spark_master():
        variables[MASTER] = master
        argv = [master if argv[at - 1 : at] == ["--master"] else word for at, word in enumerate(argv)]
    return JobProcess(argv, variables)


def spark_master() -> str:
    """The Spark master that the connection `nightshelf_spark` names; empty where there is no such connection."""
    try:
        connection = Connection.get(SPARK_CONN)
    except AirflowNotFoundException:
        return ""
    return f"{connection.host}:{connection.port}" if connection.port else str(connection.host or "")


class ListOperator(BaseOperator):
    """Hands on one list of an earlier task's result, because tasks can only be mapped over a whole result."""

    template_fields: Sequence[str] = ("text",)
    ui_color = "#f4f4ee"

    def __init__(self, *, printed_by: str, name: str, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.text = f"{{{{ ti.xcom_pull(task_ids='{printed_by}')['{name}'] | tojson }}}}"

    def execute(self, context: Context) -> list[object]:
        """The list, as it was printed."""
        values: list[object] = json.loads(self.text)
        return values


class AnnounceOperator(BaseOperator):
    """Announces a day's partitions to the scheduler: one event of the outlet asset, with the day as its key.

    The key is given here and not left to the run: a run started by hand has none, and its day follows from its params.
    """

    template_fields: Sequence[str] = ("day",)
    ui_color = "#e3f1de"

    def __init__(self, *, day: str, asset: Asset, **kwargs: object) -> None:
        super().__init__(outlets=[asset], **kwargs)  # type: ignore[arg-type]
        self.day = day
        self.asset = asset

    def execute(self, context: Context) -> None:
        """Key the event."""
        event = context["outlet_events"][self.asset]
        event.add_partitions(self.day)
        event.extra = {"ds": self.day}
