"""Addresses: one spelling each, and nothing that leaves the lake."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jobs.lake.columns import COLUMNS, DDL
from jobs.lake.partitions import EMBEDDINGS, NOWHERE, PAIRS, TABLES, TOWERS, Partition, table_folder, trial

SPACE = "7f3a7f3a7f3a7f3a"


@pytest.mark.parametrize(
    "text",
    ["pairs/ds=2026-01-31", f"embeddings/ds=2026-01-31/space={SPACE}/shard=0of2", "towers/ds=2024-02-29/step=star"],
)
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    assert str(Partition.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "nothing/ds=2026-01-31",  # no such table
        "pairs",  # key missing
        "pairs/ds=2026-01-31/space=1",  # key too many
        "pairs/day=2026-01-31",  # another key
        f"embeddings/space={SPACE}/ds=2026-01-31/shard=0of2",  # another order: two names for one place
        "pairs/ds=20260131",  # a date to fromisoformat, yet another spelling
        "pairs/ds=2026-W05-6",
        "pairs/ds=2026-02-30",  # no such day
        "pairs/ds=2026-01-31\n",
        "pairs/ds=２０２６-01-31",  # full-width digits are digits to \d
        "pairs/ds=../../etc",
        "pairs/ds=2026-01-31/..",
        "/pairs/ds=2026-01-31",
        "pairs/ds={{ ds }}",  # a template that nobody rendered
        "pairs/ds=",
        f"embeddings/ds=2026-01-31/space={SPACE.upper()}/shard=0of2",
        f"embeddings/ds=2026-01-31/space={SPACE}/shard=2of2",  # shards count from 0
        f"embeddings/ds=2026-01-31/space={SPACE}/shard=00of2",
        "towers/ds=2026-01-31/step=best",
    ],
)
def test_hostile_and_sloppy_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected|is no table|is not|template"):
        Partition.parse(text)


def test_no_partition_is_false_and_templates_only_stand_in_dags() -> None:
    assert not Partition.parse("")
    assert not NOWHERE
    templated = PAIRS.at(ds="{{ ds }}")
    assert str(templated) == "pairs/ds={{ ds }}"
    with pytest.raises(ValueError, match="template"):
        _ = templated.uri


def test_the_path_carries_the_version_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_LAKE", "s3://lake/")
    assert PAIRS.at(ds="2026-01-31").uri == "s3://lake/pairs_v2/ds=2026-01-31"
    assert EMBEDDINGS.at(ds="2026-01-31", space=SPACE, shard="1of2").having(shard="0of2").uri == (
        f"s3://lake/embeddings_v2/ds=2026-01-31/space={SPACE}/shard=0of2"
    )


def test_a_trial_trains_apart_and_reads_the_lake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHELF_LAKE", "s3://lake/")
    assert trial() == ""
    monkeypatch.setenv("NIGHTSHELF_TRIALS", "s3://trials/a/")
    assert PAIRS.at(ds="2026-01-31").uri == "s3://lake/pairs_v2/ds=2026-01-31"
    towers = TOWERS.at(ds="2026-01-31", step="star")
    assert towers.uri == "s3://trials/a/towers_v1/ds=2026-01-31/step=star"
    # whatever a space or a step keys follows from training
    assert all(table.trained for table in TABLES.values() if {"space", "step"} & {*table.keys})
    one = trial()
    monkeypatch.setenv("NIGHTSHELF_TRIALS", "s3://trials/b")
    assert trial() not in ("", one)


def test_every_line_of_the_column_lists_is_understood() -> None:
    for name, ddl in DDL.items():
        assert len(COLUMNS[name]) == sum(map(bool, map(str.strip, ddl.splitlines()))), name
        assert name in TABLES


def test_the_floor_plan_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import jobs.lake.partitions; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before} - {'jobs'}; "
        "sys.exit(str(new - set(sys.stdlib_module_names)) if new - set(sys.stdlib_module_names) else 0)"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


@pytest.mark.parametrize("name", TABLES)
def test_the_folder_of_every_table_is_known_as_its_own(name: str) -> None:
    """Retention and migration know a table by its folder; a digit in the name must not hide it."""
    assert table_folder(f"{name}_v{TABLES[name].version}") == (name, TABLES[name].version)
