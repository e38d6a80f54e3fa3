"""The report as one HTML page: no other file, no network, nothing that a query could inject."""

from __future__ import annotations

from typing import Any

from jobs.evaluation.examples import choose_examples
from jobs.evaluation.index_section import family_rows, night_rows, tuning
from jobs.evaluation.plots import plots
from jobs.evaluation.report_data import ReportData
from jobs.evaluation.segment_tables import compared_arms
from jobs.evaluation.tables import (
    PLAIN,
    arm_rows,
    cutoff_rows,
    data_of_the_day,
    importance_rows,
    lineage_rows,
    stage_rows,
)
from jobs.platform.html import environment
from models.ann.cutoff import KEEP_FRAC
from models.evaluation.measures import CONDENSED

CHECKS = {
    "soundness": "Is the index whole and its own?",
    "quality": "Is it better, or not worse?",
    "segments": "Did any segment break?",
    "cost": "What does it cost to serve?",
    "data": "Was the data of the day clean?",
}


def render(data: ReportData, summary: dict[str, Any]) -> str:
    """Fill the template; every value is escaped by it."""
    pages = environment()
    facts, choice = data.inputs.index.facts, tuning(data.ancestors)
    page = pages.get_template("evaluation/report.html.j2").render(
        **vars(data),
        summary=summary,
        checks=_checks(data),
        plain=arm_rows(data, PLAIN),
        plain_names=PLAIN,
        condensed=arm_rows(data, list(CONDENSED)),
        condensed_names=[name.removesuffix(" judged") for name in CONDENSED],
        main=data.main,
        segment_arms=compared_arms(data.room, data.evaluation),
        plots=plots(data, choice, summary["nights"]),
        examples=choose_examples(data),
        facts={**facts, **data.inputs.rankings.facts},
        tried=choice,
        families=family_rows(choice),
        night=night_rows(data.inputs.index, data.ancestors),
        bundle_id=data.inputs.index.bundle_id,
        cutoffs=cutoff_rows(facts),
        keep_frac=KEEP_FRAC,
        data=data_of_the_day(data),
        lineage=lineage_rows(data.ancestors),
        stages=stage_rows(data.ancestors),
        importances=importance_rows(data.inputs.rankings.facts),
    )
    return page + "\n"


def _checks(data: ReportData) -> list[tuple[str, list[Any]]]:
    """The gate's checks by question, those that stopped first."""
    checks = sorted(data.verdict.checks, key=lambda check: check.passed)
    grouped = ((question, [check for check in checks if check.about == about]) for about, question in CHECKS.items())
    return [(question, mine) for question, mine in grouped if mine]
