"""Rejected input shown and repaired: no line is lost or counted twice."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.ingest import impressions, replay
from jobs.lake.manifest import EXPIRED, content_sha256
from jobs.lake.partitions import CLICK_COUNTS, IMPRESSIONS, LOG, Partition
from jobs.lake.publish import publish
from jobs.lake.read import pin
from tests.conftest import Delivery
from tests.jobs.ingest.ubi_records import DS, Deliver, dropped, ndjson, random_log

DAY, RAW = IMPRESSIONS.at(ds=DS), LOG.at(ds=DS)
ESCAPES = '{"q": "\x1b[2J\x1b]0;owned\x07 \u202ebuty\u202c\r\n'


def told(**more: Any) -> dict[str, Any]:
    return replay.main(replay.Args(DAY, **more))


def published(to: Partition, inputs: list[Partition] | None = None, raw: str = "") -> None:
    """A partition that has been, perhaps with one rejected line."""
    with publish(to, Delivery(to), [pin(one) for one in inputs or []]) as out:
        (out.folder / "a").write_bytes(b"")
        if raw:
            (out.folder / "quarantine").mkdir()
            rows = {"reason": ["malformed"] * 3, "file": ["a.ndjson"] * 2 + ["b.ndjson"], "raw": [raw] * 3}
            pq.write_table(pa.table(rows), out.folder / "quarantine" / "rejected-00000.parquet")
            out.count("log lines", 9, 6, {"malformed": 3})
        out.facts["files_set_aside"] = [{"name": "c.gz", "bytes": 7, "reason": "cut off"}]


@pytest.fixture
def mended(tmp_path: Path) -> Path:
    folder = tmp_path / "mended"
    folder.mkdir()
    return folder


def test_counts_without_texts_unless_asked(deliver: Deliver, caplog: pytest.LogCaptureFixture) -> None:
    deliver(str(RAW), {"a.ndjson": b"{}\n"})
    published(DAY, [RAW], raw=ESCAPES)
    with caplog.at_level(logging.INFO):
        found = told()
        assert found["rejected"] == {"malformed": 3}
        assert found["files_set_aside"] == ["c.gz"]
        assert "malformed  b.ndjson  1 lines" in caplog.text
        assert "damaged    c.gz      7 bytes: cut off" in caplog.text
        assert "owned" not in caplog.text
        told(show=2)
    assert caplog.text.count("malformed: {") == 2
    assert "owned" in caplog.text
    assert not set("\x1b\x07\r\u202e") & set(caplog.text)


def test_a_quarantine_whose_days_are_over_says_so(deliver: Deliver, caplog: pytest.LogCaptureFixture) -> None:
    deliver(str(RAW), {"a.ndjson": b"{}\n"})
    published(DAY, [RAW], raw="typed")
    folder = Path(pin(DAY).uri)
    (folder / EXPIRED).write_text("{}")
    (folder / "quarantine" / "rejected-00000.parquet").unlink()
    found = told(show=5)
    assert found["expired"] == 1
    assert found["rejected"] == {"malformed": 3}
    assert "retention has deleted its rejected lines" in caplog.text


def test_mended_files_take_the_place_of_damaged_ones_and_lie_beside_others(deliver: Deliver, mended: Path) -> None:
    line = b'{"query_id": "1"}\n'
    deliver(str(RAW), {"a.ndjson": line, "b.ndjson.gz": gzip.compress(line)[:-1], "c.ndjson": b'{"torn\0'})
    (mended / "a.ndjson").write_bytes(b'{"query_id": "2"}\n')  # a name that a whole file has
    (mended / "b.ndjson.gz").write_bytes(gzip.compress(line, mtime=0))
    found = told(mended=str(mended))
    assert found["added"] == ["mended1_a.ndjson", "b.ndjson.gz"]
    assert found["replaced"] == ["b.ndjson.gz"]
    pinned = pin(RAW)
    assert sorted(entry.name for entry in pinned.entries()) == [
        "a.ndjson",
        "b.ndjson.gz",
        "c.ndjson",
        "mended1_a.ndjson",
    ]
    assert pinned.path("a.ndjson").read_bytes() == line
    assert gzip.decompress(pinned.path("b.ndjson.gz").read_bytes()) == line
    assert [one["replaced"] for one in pinned.facts["mended"]] == [["b.ndjson.gz"]]
    # the same again lands nothing, and leaves the version that is there
    with pytest.raises(ValueError, match="already landed; nothing new to add"):
        told(mended=str(mended))
    (mended / "d.ndjson").write_bytes(line)
    (mended / "e.ndjson").write_bytes(b'{"new": 1}\n')
    found = told(mended=f"{mended}/[de].ndjson")
    assert (found["added"], found["known"]) == (["e.ndjson"], ["d.ndjson"])
    assert len(pin(RAW).facts["mended"]) == 2


def test_what_is_damaged_itself_is_not_landed(deliver: Deliver, mended: Path) -> None:
    deliver(str(RAW), {"a.ndjson": b"{}\n"})
    before = pin(RAW).manifest.attempt
    (mended / "a.ndjson.gz").write_bytes(gzip.compress(b"{}\n")[:-2])
    with pytest.raises(ValueError, match=r"a\.ndjson\.gz: cut off.* nothing was landed"):
        told(mended=str(mended))
    with pytest.raises(FileNotFoundError):
        told(mended=f"{mended}/*.parquet")
    assert pin(RAW).manifest.attempt == before


def test_killed_while_it_lands_it_leaves_the_day_as_it_was(deliver: Deliver, mended: Path, lake: Path) -> None:
    deliver(str(RAW), {"a.ndjson": b"{}\n"})
    before = pin(RAW).manifest.attempt
    (mended / "b.ndjson").write_bytes(b'{"new": 1}\n')
    command = [sys.executable, "-m", "jobs", "replay", "--impressions", str(DAY), "--mended", str(mended)]
    env = {**os.environ, "NIGHTSHELF_FAULT": "publish.before_pointer"}
    killed = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert killed.returncode < 0
    assert pin(RAW).manifest.attempt == before
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["added"] == ["b.ndjson"]


def test_it_names_the_later_days_that_were_made_of_it(deliver: Deliver, mended: Path) -> None:
    deliver(str(RAW), {"a.ndjson": b"{}\n"})
    published(DAY, [RAW])
    published(IMPRESSIONS.at(ds="2026-02-01"))  # made of its own log alone
    published(CLICK_COUNTS.at(ds="2026-02-02"), [DAY])
    published(CLICK_COUNTS.at(ds="2026-02-03"), [IMPRESSIONS.at(ds="2026-02-01")])
    published(Partition.parse("pairs/ds=2026-02-04"), [CLICK_COUNTS.at(ds="2026-02-02")])  # of what was made of it
    published(CLICK_COUNTS.at(ds="2026-01-30"), [DAY])  # never: an earlier day
    (mended / "b.ndjson").write_bytes(b'{"new": 1}\n')
    found = told(mended=str(mended))
    assert found["later_days"] == ["2026-02-02", "2026-02-04"]
    assert found["commands"][0].startswith("python -m jobs impressions ")
    assert found["commands"][1].endswith("--from-date 2026-01-31 --to-date 2026-02-04 --reprocess-behavior completed")


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_a_mended_day_is_the_day_delivered_whole(deliver: Deliver, mended: Path) -> None:
    records = random_log(np.random.default_rng(5), 120)
    third = len(records) // 3
    parts = [ndjson(*records[n * third : (n + 1) * third or None]) for n in (0, 1)] + [ndjson(*records[2 * third :])]
    packed = gzip.compress(parts[1], mtime=0)

    def made() -> tuple[str, str, dict[str, int]]:
        impressions.main(impressions.Args(RAW, DAY, min_searchers=1, max_bad_file_frac=0.5, max_rejected_frac=0.5))
        pinned = pin(DAY)
        return pinned.manifest.content_sha256, content_sha256(pinned.entries()), dropped(pinned.manifest)

    deliver(str(RAW), {"all.ndjson": b"".join(parts)})
    whole, rows, lost = made()
    used = pin(DAY).manifest.accounting[0].rows_out
    # a file cut short, then the same one whole
    deliver(str(RAW), {"a.ndjson": parts[0], "b.ndjson.gz": packed[:-50], "c.ndjson": parts[2]})
    (mended / "b.ndjson.gz").write_bytes(packed)
    assert told(mended=str(mended))["replaced"] == ["b.ndjson.gz"]
    assert made() == (whole, rows, lost)
    # every third line of a file torn; the mended ones come with some that were whole all along
    lines = parts[1].splitlines()
    torn = b"".join((line[:-5] if n % 3 == 0 else line) + b"\n" for n, line in enumerate(lines))
    deliver(str(RAW), {"a.ndjson": parts[0], "b.ndjson": torn, "c.ndjson": parts[2]})
    (mended / "b.ndjson.gz").write_bytes(gzip.compress(b"\n".join(lines[: len(lines) * 2 // 3]) + b"\n"))
    (mended / "rest.ndjson").write_bytes(b"\n".join(lines[len(lines) * 2 // 3 :]) + b"\n")
    told(mended=str(mended))
    _, mended_rows, mended_lost = made()
    assert mended_rows == rows
    assert mended_lost["malformed"] == -(-len(lines) // 3), "what is in the old file is still rejected"
    # each line that came twice is accounted for, and none of them counts twice
    account = pin(DAY).manifest.accounting[0]
    assert (account.rows_in, account.rows_out) == (len(records) + len(lines), used)
