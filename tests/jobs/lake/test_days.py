"""A shop's day by its own clock: 23 and 25 hours long when clocks change, midnight where there is none."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.lake.windows import bounds, time_zone


def hours(ds: str) -> float:
    first, after = bounds(ds)
    return (after - first) / timedelta(hours=1)


def test_a_day_is_utc_s_unless_the_setting_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for unset in (None, ""):
        if unset is None:
            monkeypatch.delenv("NIGHTSHELF_TIME_ZONE", raising=False)
        else:
            monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", unset)
        assert time_zone() == "UTC"
        midnight = datetime(2026, 3, 29, tzinfo=UTC)
        assert bounds("2026-03-29") == (midnight, midnight + timedelta(days=1))


@pytest.mark.parametrize(
    ("ds", "first", "length"),
    [
        ("2026-03-28", datetime(2026, 3, 27, 23, tzinfo=UTC), 24),
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC), 23),  # clocks go forward at 2:00
        ("2026-03-30", datetime(2026, 3, 29, 22, tzinfo=UTC), 24),
        ("2026-10-24", datetime(2026, 10, 23, 22, tzinfo=UTC), 24),
        ("2026-10-25", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),  # and back at 3:00
        ("2026-10-26", datetime(2026, 10, 25, 23, tzinfo=UTC), 24),
    ],
)
def test_days_in_warsaw_are_as_long_as_its_clocks_say(
    monkeypatch: pytest.MonkeyPatch, ds: str, first: datetime, length: int
) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", "Europe/Warsaw")
    assert bounds(ds)[0] == first
    assert bounds(ds)[0].tzinfo is UTC
    assert hours(ds) == length


@pytest.mark.parametrize(
    ("zone", "ds", "first", "length"),
    [
        # 0:00 does not exist: the day begins at 1:00, the moment that clocks go forward
        ("America/Santiago", "2026-09-06", datetime(2026, 9, 6, 4, tzinfo=UTC), 23),
        # 0:00 exists twice: the day begins with the first
        ("America/Havana", "2026-11-01", datetime(2026, 11, 1, 4, tzinfo=UTC), 25),
        ("Asia/Kathmandu", "2026-01-31", datetime(2026, 1, 30, 18, 15, tzinfo=UTC), 24),
        # a day that an island never had
        ("Pacific/Apia", "2011-12-30", datetime(2011, 12, 30, 10, tzinfo=UTC), 0),
    ],
)
def test_midnights_that_clocks_skip_or_show_twice(
    monkeypatch: pytest.MonkeyPatch, zone: str, ds: str, first: datetime, length: int
) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", zone)
    assert bounds(ds)[0] == first
    assert hours(ds) == length


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/Santiago", "America/Havana", "UTC"])
def test_a_year_of_days_leaves_no_gap(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", zone)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    days = [bounds(f"{first + timedelta(days=n):%Y-%m-%d}") for n in range(365)]
    assert [after for _, after in days[:-1]] == [start for start, _ in days[1:]]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "/etc/passwd", "../UTC", "Europe/Warsaw\n"])
def test_an_unknown_zone_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("NIGHTSHELF_TIME_ZONE", zone)
    for call in (time_zone, lambda: bounds("2026-01-31")):
        with pytest.raises(ValueError, match=r"NIGHTSHELF_TIME_ZONE=.*expected a time zone"):
            call()


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-02-30|day is out of range"):
        bounds("2026-02-30")
