"""Command lines: one spelling, clear refusals."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Annotated, Any

import pytest

from jobs.lake.commands import COMMANDS
from jobs.lake.partitions import NOWHERE, PAIRS, Partition
from jobs.lake.storage import restrict_umask, umask
from jobs.platform.arguments import FIRST, CommandArgs, OnOff, PositiveInt
from jobs.platform.cli import parse, run, show_commands
from jobs.serving import verify
from jobs.towers import train


class Args(CommandArgs):
    """pairs       input
    labels      optional input; 100% of the
                queries are judged by it
    min_clicks  clicks a pair needs
    """

    pairs: Partition
    labels: Partition = NOWHERE
    min_clicks: PositiveInt = 2


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
    assert "clicks a pair needs (1 or more; default 2)" in text
    assert "--help-all" not in text and "settings to change first" not in text  # few settings: all are shown


class Many(CommandArgs):
    """pairs   input
    lr      learning rate
    method  how
    labels  optional
    """

    pairs: Partition
    lr: Annotated[float, FIRST] = 0.1
    method: OnOff = "on"
    labels: Partition = NOWHERE


def test_help_shows_the_marked_and_required_settings_and_help_all_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Many, ["--help"])
    text = capsys.readouterr().out
    assert "--pairs PARTITION" in text and "--lr FLOAT" in text and "the rest, 2 settings: --help-all" in text
    assert "--method" not in text and "--labels" not in text
    with pytest.raises(SystemExit) as stop:
        parse(Many, ["--help-all"])
    text = capsys.readouterr().out
    assert "--lr FLOAT" in text and "--method on|off" in text and "--labels PARTITION" in text
    assert "the rest" not in text
    assert stop.value.code == 0
    # what --help leaves out is a flag all the same
    assert parse(Many, ["--pairs", "pairs/ds=2026-01-31", "--method", "off"]).method == "off"


def test_help_of_towers_is_one_page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        parse(train.Args, ["--help"])
    text = capsys.readouterr().out
    settings = text.partition("settings to change first:")[2].partition("help:")[0]
    assert settings.count("\n  --") == 6
    assert len(text.splitlines()) < 50


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_list_of_commands_has_one_line_each(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show_commands()
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert names == [command for commands in COMMANDS.values() for command in commands]


@pytest.mark.parametrize(
    ("setting", "shells", "mode"),
    [
        ("", 0o022, 0o640),  # unset: nobody but the group
        ("", 0o077, 0o600),  # a stricter shell stays
        ("27", 0o022, 0o640),
        ("077", 0o022, 0o600),
        ("007", 0o022, 0o660),  # Spark's workers are other users of the group
        ("0002", 0o077, 0o664),
    ],
)
def test_files_of_a_command_are_not_everybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, shells: int, mode: int
) -> None:
    monkeypatch.setenv("NIGHTSHELF_UMASK", setting)
    monkeypatch.setattr("sys.argv", ["x", "--pairs", "pairs/ds=2026-01-31"])
    before = os.umask(shells)
    try:
        run(Args, lambda _: (tmp_path / "made").write_text("x") and None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == mode


@pytest.mark.parametrize("setting", ["0o27", "777", "027 ", "-27", "umask", "00027"])
def test_a_umask_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv("NIGHTSHELF_UMASK", setting)
    before = os.umask(0o022)
    try:
        with pytest.raises(ValueError, match="expected an octal number from 000 to 077"):
            restrict_umask()
        assert umask() == 0o022
    finally:
        os.umask(before)


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


def test_a_flag_takes_a_table_that_stands_for_its_own() -> None:
    """holdout_queries has the columns of queries; a bundle of lists is served as an index is."""
    for address in ("index/ds=2026-01-31/space=0123456789abcdef", "recommendations/ds=2026-01-31"):
        assert (
            str(parse(verify.Args, ["--index", address, "--queries", "holdout_queries/ds=2026-01-31"]).index) == address
        )
    with pytest.raises(SystemExit):
        parse(verify.Args, ["--index", "rankings/ds=2026-01-31/space=0123456789abcdef"])
