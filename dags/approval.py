"""Approval by a person before an index serves: off by default, on where the form says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

from dags.day import result

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

HOURS = 12  # without an answer by then the promotion is refused, and the index in service stays
ASKED = "{{ params.approve if ti.xcom_pull(task_ids='report')['verdict'] == 'pass' else 0 }}"


def approve_param() -> dict[str, Param]:
    """The field of the form that switches it on."""
    text = f"1: a person approves the promotion (Required Actions); without an answer in {HOURS} hours it is refused"
    return {"approve": Param(0, type="integer", enum=[0, 1], section="Gate", description=text)}


class Approval(ApprovalOperator):
    """Waits for a person where `asked` renders to 1, without holding a worker; otherwise it passes at once.

    Where the answer is no, or late, the tasks behind it are skipped. An index that the gate stopped is not asked about.
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
        """Ask where the form says so."""
        if str(self.asked) != "1":
            self.log.info("no approval was asked for")
            return None
        return super().execute(context)
