"""The report as one HTML page: no other file, no network, nothing that a query could inject."""

from __future__ import annotations

from typing import Any

from jobs.evaluation.examples import choose_examples
from jobs.evaluation.index_section import family_rows, night_rows, tried
from jobs.evaluation.plots import plots
from jobs.evaluation.segment_tables import rivals
from jobs.evaluation.tables import PLAIN, Material, arm_rows, cutoff_rows, data_of_the_day, lineage_rows, stage_rows
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


def render(material: Material, summary: dict[str, Any]) -> str:
    """Fill the template; every value is escaped by it."""
    pages = environment()
    facts, choice = material.index.facts, tried(material.back)
    page = pages.get_template("evaluation/report.html.j2").render(
        report=material.report,
        summary=summary,
        verdict=material.verdict,
        checks=_checks(material),
        plain=arm_rows(material, PLAIN),
        plain_names=PLAIN,
        condensed=arm_rows(material, list(CONDENSED)),
        condensed_names=[name.removesuffix(" judged") for name in CONDENSED],
        compared=material.compared,
        main=material.main,
        rivals=rivals(material.found),
        segments=material.segments,
        dense_helps=material.dense_helps,
        limits=material.limits,
        plots=plots(material, choice, summary["nights"]),
        examples=choose_examples(material.found, material.rankings_rows, material.queries_rows, material.items_rows),
        facts={**facts, **material.rankings.facts},
        tried=choice,
        families=family_rows(choice),
        night=night_rows(material.index, material.back),
        bundle_id=material.index.bundle_id,
        cutoffs=cutoff_rows(facts),
        keep_frac=KEEP_FRAC,
        data=data_of_the_day(material),
        lineage=lineage_rows(material.back),
        stages=stage_rows(material.back),
        min_relevance=material.min_relevance,
    )
    return page + "\n"


def _checks(material: Material) -> list[tuple[str, list[Any]]]:
    """The gate's checks by what they ask, what stopped first within each."""
    found = []
    for about, question in CHECKS.items():
        mine = [check for check in material.verdict.checks if check.about == about]
        if mine:
            found.append((question, sorted(mine, key=lambda check: check.passed)))
    return found
