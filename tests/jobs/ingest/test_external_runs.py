"""Rankings of other engines as they are read from the lake."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.ingest import land
from jobs.ingest.external_runs import read_runs
from jobs.lake.partitions import EXTERNAL_RUNS
from jobs.lake.read import pin
from models.text.normalise import normalise_query, query_id

TYPED = "cup"
RED = query_id(normalise_query(TYPED))


@pytest.mark.usefixtures("lake")
def test_ids_meet_the_catalogues_in_every_kind_of_file(tmp_path: Path) -> None:
    """A float is the integer that pandas made it from, and white space is no part of an id."""
    (tmp_path / "text.trec").write_text(f"{RED} Q0 7.0 1 2.0 t\n{RED} Q0 8 2 1.0 t\n{RED} Q0 100.000 3 0.5 t\n")
    columns = {"query": [TYPED] * 3, "item_id": [" 7", "8.0", "100.0"], "rank": [1, 2, 3]}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    land.main(land.Args(str(tmp_path), external_runs=EXTERNAL_RUNS.at(ds="2026-01-31")))
    runs = read_runs(pin(EXTERNAL_RUNS.at(ds="2026-01-31")))
    assert {name: rows.column("item_id").to_pylist() for name, rows in runs.items()} == {
        "text": ["7", "8", "100"],
        "rows": ["7", "8", "100"],
    }


@pytest.mark.usefixtures("lake")
def test_two_spellings_of_an_id_in_one_list_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.trec").write_text(f"{RED} Q0 7.0 1 2.0 t\n{RED} Q0 7 2 1.0 t\n")
    land.main(land.Args(str(tmp_path), external_runs=EXTERNAL_RUNS.at(ds="2026-01-31")))
    with pytest.raises(ValueError, match="text.trec: 1 items stand twice for one query, such as '7'"):
        read_runs(pin(EXTERNAL_RUNS.at(ds="2026-01-31")))
