"""A batch: results of earlier lines in later ones, lines that go on, and the demo's file of recommendations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobs.lake.commands import is_command
from jobs.lake.partitions import CATALOGUE, LABELS, LOG
from jobs.lake.read import pin
from jobs.local import batch, demo

COMMANDS = r"""
# a comment
shop: marketplace --catalogue catalogue/ds={day.ds} --labels labels/ds={day.ds} \
    --items 60 --queries 10
simulate --catalogue {shop.catalogue} --labels {shop.labels} --log log/ds={day.ds} --searches 20 \
    --simulated_truth simulated_truth/ds={day.ds}
"""


@pytest.fixture(autouse=True)
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_WARM_SPARK", "0")  # what a batch sets ends with the test


def test_a_line_takes_what_an_earlier_one_printed(lake: Path, tmp_path: Path) -> None:
    file = tmp_path / "commands.txt"
    file.write_text(COMMANDS)
    done = batch.main(batch.Args(str(file), "2026-01-31"))["jobs"]
    assert [result["job"] for result in done] == ["marketplace", "simulate"]
    made = {str(source.partition) for source in pin(LOG.at(ds="2026-01-31")).manifest.inputs}
    assert made >= {str(table.at(ds="2026-01-31")) for table in (CATALOGUE, LABELS)}


def test_what_no_line_printed_is_named(lake: Path, tmp_path: Path) -> None:
    file = tmp_path / "commands.txt"
    file.write_text("simulate --catalogue {shop.catalogue}")
    with pytest.raises(LookupError, match=r"no earlier line printed shop\.catalogue; there are day\.ds"):
        batch.main(batch.Args(str(file), "2026-01-31"))


def test_the_demo_makes_recommendations_of_a_shop_with_taste_alone(tmp_path: Path) -> None:
    def stages(**settings: object) -> dict[str, demo.Stage]:
        return {stage.name: stage for stage in demo.stages(demo.Args(**settings))}  # type: ignore[arg-type]

    made = stages()
    assert "--taste 0.7" in made["shop"].stdin and "session_events" in made["history"].stdin
    assert made["lists"].command[-2:] == ("--ds", "2026-01-31")
    for without in (stages(taste=0.0), stages(data=str(tmp_path))):
        assert "lists" not in without
        assert not re.search("--taste|session_events", without["shop"].stdin + without["history"].stdin)
    # every line is a command
    lines = made["lists"].stdin.replace("\\\n", " ").splitlines()
    words = [line.split() for line in lines if line.strip() and line[0] != "#"]
    assert len(words) == 14 and all(is_command(line[line[0].endswith(":")]) for line in words)
