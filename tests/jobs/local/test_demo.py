"""Pairs that the demo's towers learn from: labels join where a labelled folder is given, and never the simulated truth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.local.demo import Args, stages


def weekly(**settings: str) -> dict[str, object]:
    command = next(stage.command for stage in stages(Args(**settings)) if stage.name == "towers_weekly")
    conf: dict[str, object] = json.loads(command[-1])
    return conf


def test_labels_join_the_clicks_where_there_are_some(tmp_path: Path) -> None:
    assert weekly()["learn"] == "clicks" and "judged_negatives" not in weekly()
    folder = weekly(data=str(tmp_path))
    assert (folder["learn"], folder["judged_negatives"]) == ("auto", 1)
    assert "judged_negatives" not in weekly(data=str(tmp_path), learn="clicks")
    assert weekly(data=str(tmp_path), learn="labels")["learn"] == "labels"


def test_the_truth_that_judges_is_no_lesson() -> None:
    with pytest.raises(ValueError, match="give --data"):
        Args(learn="both")
