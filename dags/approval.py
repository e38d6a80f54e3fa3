"""A person's yes before an index serves: off by default, asked where the form says so, with the report's table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from dags.day import result

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

HOURS = 12  # without an answer by then it is no, and the index in service stays
ASKED = "{{ params.approve if ti.xcom_pull(task_ids='report')['verdict'] == 'pass' else 0 }}"


def approve_param() -> dict[str, Param]:
    """The form's field that asks for it."""
    text = f"1: a person approves the promotion (Required Actions); without an answer in {HOURS} hours it is refused"
    return {"approve": Param(0, type="integer", enum=[0, 1], section="Gate", description=text)}


class Approval(ApprovalOperator):
    """Waits for a person where `asked` renders to 1, and holds no worker meanwhile; passes at once elsewhere.

    Refused, or not answered in time, what hangs on it is skipped. What the gate stopped is not asked about.
    """

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "asked")
    ui_color = "#f2ead9"

    def __init__(self, *, asked: str = ASKED, **kwargs: Any) -> None:
        super().__init__(
            subject="Promote {{ ti.xcom_pull(task_ids='report')['report'] }}?",
            body=result("report", "summary"),
            defaults="Reject",
            response_timeout=timedelta(hours=HOURS),
            **kwargs,
        )
        self.asked = asked

    def execute(self, context: Context) -> Any:
        """Ask, or not."""
        if str(self.asked) != "1":
            self.log.info("nobody asked for a person's approval")
            return None
        return super().execute(context)
