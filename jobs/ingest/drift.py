"""Schema drift: a delivery's profile against those of earlier days. Finds new, missing, renamed and retyped fields.

jobs/ingest/drift_rules.py decides whether a change stops the day. A thing is new if no earlier day had it, and missing
if all of them did. So a change that was accepted once, and is part of an earlier day, is not reported again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from jobs.ingest.drift_rules import LARGE_APPLICATION_FRAC, READ_FORMS, RULES, STOP, WARN, Shape
from jobs.ingest.profile import INCOMPLETE, OTHER, Profile
from jobs.ingest.ubi import ACTION_NAMES, OFTEN_CALLED, VIEW_NAMES

DAYS = 3  # earlier days to compare with
MIN_RECORDS = 20  # records behind a share before its absence means anything
NEW_FRAC, TYPE_FRAC, NEW_ACTION_FRAC, FORM_FRAC = 0.01, 0.05, 0.005, 0.05
MOSTLY, GONE = 0.9, 0.1
# a needed field is reported missing at a smaller fall than an optional one
FIELD_FALL = {"needed": 0.7, "read": 0.5, "unread": 0.5}
ACTION_FALL = 0.7
FIELD_TOLERANCE, ACTION_TOLERANCE = 0.25, 0.5  # how far the shares of an old and a new name may differ in a rename
MIN_ORDINALS = 100  # impressions before the lowest ordinal is reliable
MAX_SENTENCES = 40
Types = dict[str, float]  # JSON type -> share of the records


@dataclass(frozen=True)
class SchemaChange:
    """kind and case: a key of RULES; text: a sentence of names and shares."""

    kind: str
    case: str
    text: str

    @property
    def weight(self) -> str:
        """stop or warn."""
        return RULES[self.kind, self.case]


def schema_changes(today: Profile, earlier: Sequence[Profile], shape: Shape) -> list[SchemaChange]:
    """Changes since the earlier days; without an earlier day, only what the reader needs is checked."""
    earlier = [_usual_kinds(day, []) for day in earlier]
    today = _usual_kinds(today, earlier)
    if not earlier:
        return list(_first_day(today, shape))
    return [
        *_applications(today, earlier),
        *(change for application in today["records"] for change in _fields(today, earlier, application, shape)),
        *(change for application in today["actions"] for change in _actions(today, earlier, application)),
        *_forms(today, earlier),
        *_ordinals(today, earlier),
    ]


def drift_facts(changes: Sequence[SchemaChange], days: Sequence[str], accepted: int) -> dict[str, Any]:
    """Facts for the manifest. accepted: 1 if a person looked at the changes, so that none of them stops the day."""
    stops = [change.text for change in changes if change.weight == STOP]
    warns = [change.text for change in changes if change.weight == WARN]
    return {
        "stop": 0 if accepted else len(stops),
        "warn": len(warns) + (len(stops) if accepted else 0),
        "findings": [
            *(f"{'accepted' if accepted else STOP}: {text}" for text in stops),
            *(f"{WARN}: {text}" for text in warns),
        ][:MAX_SENTENCES],
        "compared_with": list(days),
    }


def _usual_kinds(today: Profile, earlier: Sequence[Profile]) -> Profile:
    """The profile with kinds of INCOMPLETE under the kind that they are part of, where the shop did not log them before.

    A shop that logs pages without a query has done so for days; a field that many records lost today is damage.
    """
    records = {application: dict(kinds) for application, kinds in today["records"].items()}
    fields = {application: dict(kinds) for application, kinds in today["fields"].items()}
    for application, kinds in records.items():
        known = {kind for day in earlier for kind in day["records"].get(application, {})} if earlier else set(kinds)
        for part, whole in INCOMPLETE.items():
            if part in kinds and (part not in known or whole not in kinds):
                number, others = kinds.pop(part), kinds.get(whole, 0)
                parts = [(number, fields[application].pop(part, {})), (others, fields[application].get(whole, {}))]
                kinds[whole], fields[application][whole] = number + others, _weighted(parts)
    return {**today, "records": records, "fields": fields}


def _weighted(parts: Sequence[tuple[int, dict[str, Types]]]) -> dict[str, Types]:
    """Shares of types over all records of some profiles: (records, path -> type -> share)."""
    total = sum(number for number, _ in parts)
    found: dict[str, Types] = {}
    for number, fields in parts:
        for path, types in fields.items():
            kept = found.setdefault(path, {})
            for name, share in types.items():
                kept[name] = kept.get(name, 0.0) + share * number / total
    return found


def _first_day(today: Profile, shape: Shape) -> Iterator[SchemaChange]:
    """Needed fields that are missing, and types and timestamps that the reader cannot read."""
    for application, kinds in today["records"].items():
        for kind, records in kinds.items():
            if records >= MIN_RECORDS:
                fields = today["fields"].get(application, {}).get(kind, {})
                yield from _unreadable_fields(fields, kind, shape, f"{_named(application)}, {kind}")
        for form, share in today["timestamps"].get(application, {}).items():
            if form not in READ_FORMS and share >= 0.5:
                expected = f"{share:.1%} of the records, expected one of {', '.join(READ_FORMS)}"
                text = f"{_named(application)}: timestamps as {form} in {expected}"
                yield SchemaChange("timestamp_form", "needed", text)
        has_searches = "search" in today["records"].get(application, {})
        yield from _unused_actions(today["actions"].get(application, {}), has_searches, _named(application))


def _unused_actions(actions: dict[str, float], has_searches: bool, who: str) -> Iterator[SchemaChange]:
    """Names of actions that are not used, and what to type if they mean one of ours."""
    for name, share in sorted(actions.items()):
        # a look at an offer is used, but where nothing is an impression `view` may be one
        is_look = name.lower() in VIEW_NAMES and any(
            ACTION_NAMES.get(other.lower()) == "impression" for other in actions
        )
        # a tracker's event of a search says nothing beside the query records
        is_look = is_look or (has_searches and OFTEN_CALLED.get(name.lower()) == "search")
        if share >= NEW_ACTION_FRAC and name != OTHER and name.lower() not in ACTION_NAMES and not is_look:
            meant = OFTEN_CALLED.get(name.lower())
            advice = f"if it means {meant}, add" if meant else "if it means one of the four actions, add the like of"
            text = f"{who}: action {name} is not used ({share:.1%} of the records); {advice} --actions {name}={meant or 'click'}"
            yield SchemaChange("new_action", "unread", text)


def _unreadable_fields(fields: dict[str, Types], kind: str, shape: Shape, who: str) -> Iterator[SchemaChange]:
    for path in shape.needed.get(kind, ()):
        if (share := _share(fields, path)) < 0.5:
            text = f"{who}: {path} is in {share:.1%} of the records, expected in all"
            yield SchemaChange("missing_field", "needed", text)
    for path, types in shape.read.items():
        for name, share in fields.get(path, {}).items():
            if name not in types and share >= 0.5:
                text = f"{who}: {path} is of type {name}, expected {' or '.join(types)}"
                yield SchemaChange("changed_type", "needed", text)


def _applications(today: Profile, earlier: Sequence[Profile]) -> Iterator[SchemaChange]:
    now = _application_shares(today)
    before = [_application_shares(profile) for profile in earlier]
    for application in sorted({*now, *(name for shares in before for name in shares)} - {OTHER}):
        low, high = _low_and_high([shares.get(application, 0.0) for shares in before])
        share = now.get(application, 0.0)
        if low >= NEW_FRAC and not share:
            case = "needed" if low >= LARGE_APPLICATION_FRAC else "unread"
            text = f"{_named(application)}: no record, {low:.1%} of them on the days before"
            yield SchemaChange("missing_application", case, text)
        if share >= NEW_FRAC and not high:
            text = f"{_named(application)}: {share:.1%} of the records, none on the days before"
            yield SchemaChange("new_application", "unread", text)


def _application_shares(profile: Profile) -> dict[str, float]:
    """application -> share of all records."""
    counts = {application: sum(kinds.values()) for application, kinds in profile["records"].items()}
    return {application: number / sum(counts.values()) for application, number in counts.items()}


def _fields(today: Profile, earlier: Sequence[Profile], application: str, shape: Shape) -> Iterator[SchemaChange]:
    """Fields of an application that are new, missing, renamed or of another type."""
    for kind, records in today["records"][application].items():
        days = [
            day["fields"].get(application, {}).get(kind, {})
            for day in earlier
            if day["records"].get(application, {}).get(kind, 0) >= MIN_RECORDS
        ]
        fields = today["fields"].get(application, {}).get(kind, {})
        if days and records >= MIN_RECORDS:
            who = f"{_named(application)}, {kind}"
            yield from _field_names(fields, days, records, kind, shape, who)
            yield from _field_types(fields, days, records, shape, who)


def _field_names(
    fields: dict[str, Types], days: Sequence[dict[str, Types]], records: int, kind: str, shape: Shape, who: str
) -> Iterator[SchemaChange]:
    paths = {*fields, *(path for day in days for path in day)}
    before = {path: _low_and_high([_share(day, path) for day in days]) for path in paths}
    now = {path: _share(fields, path) for path in paths}
    new = {p for p in fields if now[p] >= NEW_FRAC and not before[p][1] and p.rpartition(".")[2] != OTHER}
    # needed fields first: they choose first among the new names
    for old in sorted(paths, key=lambda path: (shape.case(kind, path) != "needed", path)):
        case, (low, _) = shape.case(kind, old), before[old]
        if low * records < _min_records(low, now[old]) or now[old] >= FIELD_FALL[case] * low:
            continue
        if name := _successor(old, new, fields, days, low - now[old], now):
            new.discard(name)
            text = f"{who}: {old} is now {name} (in {low:.1%} of the records before, {now[name]:.1%} now)"
            yield SchemaChange("renamed_field", "read" if shape.stands_for(old, name) else case, text)
        else:
            text = f"{who}: {old} is in {now[old]:.1%} of the records, {low:.1%} before"
            yield SchemaChange("missing_field", case, text)
    for path in sorted(new):
        yield SchemaChange("new_field", "unread", f"{who}: {path} is new, in {now[path]:.1%} of the records")


def _min_records(low: float, now: float) -> int:
    """Records that a share needs before its fall means anything.

    One search makes about ten records. A field that only some searches have is in all ten or in none of them.
    """
    if low >= MOSTLY:
        return MIN_RECORDS
    return 3 * MIN_RECORDS if now < GONE * low else 10 * MIN_RECORDS


def _successor(
    old: str,
    new: set[str],
    fields: dict[str, Types],
    days: Sequence[dict[str, Types]],
    lost: float,
    now: dict[str, float],
) -> str:
    """New name that replaced an old one: as frequent, of the same type, and spelled most like it. Else empty."""
    types = {name for day in days for name in day.get(old, {})}
    candidates = [
        path
        for path in new
        if abs(lost - now[path]) <= FIELD_TOLERANCE * max(lost, now[path]) and types & set(fields[path])
    ]
    return _most_alike(old, candidates)


def _field_types(
    fields: dict[str, Types], days: Sequence[dict[str, Types]], records: int, shape: Shape, who: str
) -> Iterator[SchemaChange]:
    for path, types in sorted(fields.items()):
        before = {name for day in days for name in day.get(path, {})}
        for name, share in types.items() if before else ():
            if name in before or share < TYPE_FRAC * sum(types.values()) or share * records < 5:
                continue
            case = "unread"
            if path in shape.read:
                case = "read" if name in shape.read[path] else "needed"
            text = f"{path} is of type {name} in {share:.1%} of the records, {' or '.join(sorted(before))} before"
            yield SchemaChange("changed_type", case, f"{who}: {text}")


def _actions(today: Profile, earlier: Sequence[Profile], application: str) -> Iterator[SchemaChange]:
    """Actions of an application that are new, missing or renamed."""
    days = [day["actions"][application] for day in earlier if application in day["actions"]]
    if not days:
        return
    now: dict[str, float] = today["actions"][application]
    records = sum(today["records"][application].values())
    before = {
        name: _low_and_high([day.get(name, 0.0) for day in days])
        for name in {*now, *(name for day in days for name in day)} - {OTHER}
    }
    new = {n for n, share in now.items() if share >= NEW_ACTION_FRAC and n != OTHER and not before[n][1]}
    who = _named(application)
    for old in sorted(before):
        low, share = before[old][0], now.get(old, 0.0)
        if low * records < MIN_RECORDS or share >= ACTION_FALL * low:
            continue
        alike = [n for n in new if abs(low - share - now[n]) <= ACTION_TOLERANCE * max(low - share, now[n])]
        if name := _most_alike(old, alike):
            new.discard(name)
            text = f"{who}: action {old} is now {name} ({low:.1%} of the records, {now[name]:.1%} now)"
            if old.lower() in ACTION_NAMES and name.lower() not in ACTION_NAMES:
                text += f"; if it means the same, add --actions {name}={ACTION_NAMES[old.lower()]}"
            yield SchemaChange("renamed_action", _action_case(old, name), text)
        elif share < GONE * low:
            text = f"{who}: action {old} is gone ({low:.1%} of the records before, {share:.1%} now)"
            yield SchemaChange("missing_action", _action_case(old, ""), text)
    for name in sorted(new):
        case = "read" if name.lower() in ACTION_NAMES else "unread"
        yield SchemaChange("new_action", case, f"{who}: action {name} is new ({now[name]:.1%} of the records)")


def _action_case(old: str, new: str) -> str:
    action = ACTION_NAMES.get(old.lower())
    if action is None:
        return "unread"
    return "read" if action == ACTION_NAMES.get(new.lower()) else "needed"


def _forms(today: Profile, earlier: Sequence[Profile]) -> Iterator[SchemaChange]:
    for application, forms in today["timestamps"].items():
        days = [day["timestamps"][application] for day in earlier if application in day["timestamps"]]
        for form, share in forms.items():
            if days and share >= FORM_FRAC and max(day.get(form, 0.0) for day in days) < NEW_FRAC:
                case = "read" if form in READ_FORMS else "needed"
                before = ", ".join(sorted({name for day in days for name in day}))
                text = f"{_named(application)}: timestamps as {form} in {share:.1%} of the records, {before} before"
                yield SchemaChange("timestamp_form", case, text)


def _ordinals(today: Profile, earlier: Sequence[Profile]) -> Iterator[SchemaChange]:
    for application, lowest in today["lowest_ordinal"].items():
        before = {day["lowest_ordinal"][application] for day in earlier if application in day["lowest_ordinal"]}
        is_reliable = today["records"][application].get("impression", 0) >= MIN_ORDINALS
        if is_reliable and before and lowest not in before:
            case = "read" if lowest in (0, 1) else "needed"
            known = " or ".join(map(str, sorted(before)))
            text = f"{_named(application)}: places begin at {lowest}, {known} before"
            yield SchemaChange("ordinal_base", case, text)


def _most_alike(old: str, names: Sequence[str]) -> str:
    """Name that is spelled most like the old one; empty if there is no name."""
    return max(names, key=lambda name: (SequenceMatcher(None, old, name).ratio(), name), default="")


def _low_and_high(shares: Sequence[float]) -> tuple[float, float]:
    return min(shares), max(shares)


def _share(fields: dict[str, Types], path: str) -> float:
    return sum(fields.get(path, {}).values())


def _named(application: str) -> str:
    return application or "records without application"
