"""Command lines: one spelling, clear refusals."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from jobs.lake.partitions import NOWHERE, PAIRS, Partition
from jobs.platform.cli import parse, run


@dataclass(frozen=True)
class Args:
    """pairs       input
    labels      optional input; 100% of the
                queries are judged by it
    min_clicks  clicks a pair needs
    """

    pairs: Partition
    labels: Partition = NOWHERE
    min_clicks: int = 2

    def __post_init__(self) -> None:
        if self.min_clicks < 1:
            raise ValueError(f"min_clicks={self.min_clicks}: expected 1 or more")


def test_flags_become_fields_and_defaults_stand_in_one_place() -> None:
    args = parse(Args, ["--pairs", "pairs/ds=2026-01-31"])
    assert args == Args(PAIRS.at(ds="2026-01-31"), NOWHERE, 2)
    assert parse(Args, ["--pairs", "pairs/ds=2026-01-31", "--labels", ""]).labels is NOWHERE


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--pairs", "pairs/ds=20260131"], "is not a day as YYYY-MM-DD"),
        (["--pairs", "pairs/ds=../../x"], "found keys"),
        (["--pairs", "qrels/ds=2026-01-31"], "is of table qrels, expected pairs"),
        (["--pairs", "pairs/ds=2026-01-31", "--min", "3"], "unrecognized arguments"),  # no abbreviations
        (["--pairs", "pairs/ds=2026-01-31", "--min_clicks", "two"], "min_clicks"),
        (["--pairs", "pairs/ds=2026-01-31", "--min_clicks", "0"], "expected 1 or more"),
        ([], "--pairs"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(Args, argv)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_help_is_taken_from_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Args, ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "optional input; 100% of the queries are judged by it" in text
    assert "clicks a pair needs (default: 2)" in text


def test_run_prints_one_json_line_or_one_clear_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pairs", "--pairs", "pairs/ds=2026-01-31"])
    run(Args, lambda args: {"partition": str(args.pairs)})
    line = json.loads(capsys.readouterr().out)
    assert line["partition"] == "pairs/ds=2026-01-31"

    def broken(args: Args) -> dict[str, Any]:
        raise LookupError(f"{args.pairs}: not published")

    with pytest.raises(SystemExit) as stop:
        run(Args, broken)
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert "pairs/ds=2026-01-31: not published" in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
