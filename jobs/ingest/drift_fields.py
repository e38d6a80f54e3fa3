"""Fields of raw records against those of earlier days, one kind of record of one application at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from jobs.ingest.drift_rules import READ_FORMS, Shape
from jobs.ingest.profile import OTHER, Profile

ENOUGH = 20  # records that a share must stand for before its absence says anything
NEW_FRAC, TYPE_FRAC = 0.01, 0.05
MOSTLY, GONE = 0.9, 0.1
# what is needed is missed sooner than what is only there at times
FALLEN = {"needed": 0.7, "read": 0.5, "unread": 0.5}
ALIKE = 0.25
Types = dict[str, float]
Told = tuple[str, str, str]  # kind, case, sentence


def low_and_high(shares: Sequence[float]) -> tuple[float, float]:
    """The least and the largest share."""
    return min(shares), max(shares)


def expected(today: Profile, shape: Shape) -> Iterator[Told]:
    """Where there is no earlier day: whether what the reader needs is there, in a form that it reads."""
    for application, kinds in today["records"].items():
        for kind, records in kinds.items():
            fields = today["fields"].get(application, {}).get(kind, {})
            who = _who(application, kind)
            for path in shape.needed.get(kind, ()) if records >= ENOUGH else ():
                if (share := _share(fields, path)) < 0.5:
                    yield "missing_field", "needed", f"{who}: {path} is in {share:.1%} of the records, expected in all"
            for path, types in shape.read.items() if records >= ENOUGH else ():
                for name, share in fields.get(path, {}).items():
                    if name not in types and share >= 0.5:
                        yield (
                            "changed_type",
                            "needed",
                            f"{who}: {path} is of type {name}, expected {' or '.join(types)}",
                        )
        for form, share in today["timestamps"].get(application, {}).items():
            if form not in READ_FORMS and share >= 0.5:
                yield (
                    "timestamp_form",
                    "needed",
                    f"{application or 'records without application'}: timestamps as {form} in {share:.1%} of the records, expected one of {', '.join(READ_FORMS)}",
                )


def field_findings(today: Profile, earlier: Sequence[Profile], application: str, shape: Shape) -> Iterator[Told]:
    """Fields of an application that came, went, were renamed or changed their type."""
    for kind, records in today["records"][application].items():
        days = [
            day["fields"].get(application, {}).get(kind, {})
            for day in earlier
            if day["records"].get(application, {}).get(kind, 0) >= ENOUGH
        ]
        fields = today["fields"].get(application, {}).get(kind, {})
        if days and records >= ENOUGH:
            who = _who(application, kind)
            yield from _names(fields, days, records, kind, shape, who)
            yield from _types(fields, days, records, shape, who)


def _names(
    fields: dict[str, Types], days: Sequence[dict[str, Types]], records: int, kind: str, shape: Shape, who: str
) -> Iterator[Told]:
    paths = {*fields, *(path for day in days for path in day)}
    before = {path: low_and_high([_share(day, path) for day in days]) for path in paths}
    now = {path: _share(fields, path) for path in paths}
    new = {p for p in fields if now[p] >= NEW_FRAC and not before[p][1] and p.rpartition(".")[2] != OTHER}
    # what is needed first: it has the first choice among the new names
    for old in sorted(paths, key=lambda one: (shape.case(kind, one) != "needed", one)):
        case, (low, _) = shape.case(kind, old), before[old]
        if low * records < _enough(low, now[old]) or now[old] >= FALLEN[case] * low:
            continue
        if name := _successor(old, new, fields, days, low - now[old], now):
            new.discard(name)
            weight = "read" if shape.stands_for(old, name) else case
            yield (
                "renamed_field",
                weight,
                f"{who}: {old} is now {name} (in {low:.1%} of the records before, {now[name]:.1%} now)",
            )
        else:
            yield "missing_field", case, f"{who}: {old} is in {now[old]:.1%} of the records, {low:.1%} before"
    for path in sorted(new):
        yield "new_field", "unread", f"{who}: {path} is new, in {now[path]:.1%} of the records"


def _enough(low: float, now: float) -> int:
    """Records that a share must have stood for before its fall says anything.

    Some ten records follow from one search, and a field that only some searches have comes with all of them at once.
    """
    if low >= MOSTLY:
        return ENOUGH
    return 3 * ENOUGH if now < GONE * low else 10 * ENOUGH


def _successor(
    old: str,
    new: set[str],
    fields: dict[str, Types],
    days: Sequence[dict[str, Types]],
    lost: float,
    now: dict[str, float],
) -> str:
    """The new name that took an old one's place: as often, of the same type, and the most like it; none: empty."""
    kinds = {name for day in days for name in day.get(old, {})}
    alike = [
        path for path in new if abs(lost - now[path]) <= ALIKE * max(lost, now[path]) and kinds & set(fields[path])
    ]
    return max(alike, key=lambda one: (SequenceMatcher(None, old, one).ratio(), one), default="")


def _types(
    fields: dict[str, Types], days: Sequence[dict[str, Types]], records: int, shape: Shape, who: str
) -> Iterator[Told]:
    for path, types in sorted(fields.items()):
        before = {name for day in days for name in day.get(path, {})}
        for name, share in types.items() if before else ():
            if name in before or share < TYPE_FRAC * sum(types.values()) or share * records < 5:
                continue
            case = "unread"
            if path in shape.read:
                case = "read" if name in shape.read[path] else "needed"
            yield (
                "changed_type",
                case,
                f"{who}: {path} is of type {name} in {share:.1%} of the records, {' or '.join(sorted(before))} before",
            )


def _share(fields: dict[str, Types], path: str) -> float:
    return sum(fields.get(path, {}).values())


def _who(application: str, kind: str) -> str:
    return f"{application or 'records without application'}, {kind}"
