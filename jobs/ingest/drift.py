"""A delivery's profile against those of earlier days: what is new, gone, renamed, of another type or form.

What a finding is worth stands in jobs/raw/drift_rules.py. A thing is new when none of the earlier days had it, and gone when
all of them did: a change that was accepted once, and so stands in one of them, is not reported again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from jobs.ingest.drift_fields import ENOUGH, GONE, NEW_FRAC, expected, field_findings, low_and_high
from jobs.ingest.drift_rules import LARGE_APPLICATION_FRAC, READ_FORMS, RULES, STOP, WARN, Shape
from jobs.ingest.profile import ACTS, OTHER, Profile

DAYS = 3  # earlier days that are compared with
NEW_ACTION_FRAC, FORM_FRAC = 0.005, 0.05
FALLEN = 0.7
ALIKE = 0.5
ORDINALS = 100  # places seen before the lowest is one that can be relied on
MAX_SENTENCES = 40


@dataclass(frozen=True)
class Finding:
    """kind and case as in RULES; text: a sentence of names and shares."""

    kind: str
    case: str
    text: str

    @property
    def weight(self) -> str:
        """stop or warn."""
        return RULES[self.kind, self.case]


def findings(today: Profile, earlier: Sequence[Profile], shape: Shape) -> list[Finding]:
    """What has changed; without an earlier day only what the reader needs is looked for."""
    if not earlier:
        return [Finding(*one) for one in expected(today, shape)]
    return [
        *_applications(today, earlier),
        *(
            Finding(*one)
            for application in today["records"]
            for one in field_findings(today, earlier, application, shape)
        ),
        *(finding for application in today["actions"] for finding in _actions(today, earlier, application)),
        *_forms(today, earlier),
        *_ordinals(today, earlier),
    ]


def drift(found: Sequence[Finding], days: Sequence[str], accepted: int) -> dict[str, Any]:
    """What a manifest says of it. accepted: somebody has looked at it, so that nothing of it stops."""
    stops = [one.text for one in found if one.weight == STOP]
    warns = [one.text for one in found if one.weight == WARN]
    return {
        "stop": 0 if accepted else len(stops),
        "warn": len(warns) + (len(stops) if accepted else 0),
        "findings": [
            *(f"{'accepted' if accepted else STOP}: {text}" for text in stops),
            *(f"{WARN}: {text}" for text in warns),
        ][:MAX_SENTENCES],
        "compared_with": list(days),
    }


def named(application: str) -> str:
    """An application in a sentence."""
    return application or "records without application"


def _applications(today: Profile, earlier: Sequence[Profile]) -> Iterator[Finding]:
    now = _sizes(today)
    before = [_sizes(one) for one in earlier]
    for application in sorted({*now, *(one for sizes in before for one in sizes)} - {OTHER}):
        low, high = low_and_high([sizes.get(application, 0.0) for sizes in before])
        share = now.get(application, 0.0)
        if low >= NEW_FRAC and not share:
            case = "needed" if low >= LARGE_APPLICATION_FRAC else "unread"
            yield Finding(
                "missing_application", case, f"{named(application)}: no record, {low:.1%} of them on the days before"
            )
        if share >= NEW_FRAC and not high:
            yield Finding(
                "new_application",
                "unread",
                f"{named(application)}: {share:.1%} of the records, none on the days before",
            )


def _sizes(profile: Profile) -> dict[str, float]:
    """application -> share of all records."""
    sizes = {one: sum(kinds.values()) for one, kinds in profile["records"].items()}
    return {one: number / sum(sizes.values()) for one, number in sizes.items()}


def _actions(today: Profile, earlier: Sequence[Profile], application: str) -> Iterator[Finding]:
    days = [one["actions"][application] for one in earlier if application in one["actions"]]
    if not days:
        return
    now: dict[str, float] = today["actions"][application]
    records = sum(today["records"][application].values())
    before = {
        name: low_and_high([day.get(name, 0.0) for day in days])
        for name in {*now, *(name for day in days for name in day)} - {OTHER}
    }
    new = {n for n, share in now.items() if share >= NEW_ACTION_FRAC and n != OTHER and not before[n][1]}
    for old in sorted(before):
        low, share = before[old][0], now.get(old, 0.0)
        if low * records < ENOUGH or share >= FALLEN * low:
            continue
        alike = [n for n in new if abs(low - share - now[n]) <= ALIKE * max(low - share, now[n])]
        if alike:
            name = max(alike, key=lambda one: (SequenceMatcher(None, old, one).ratio(), one))
            new.discard(name)
            yield Finding(
                "renamed_action",
                _case(old, name),
                f"{named(application)}: action {old} is now {name} ({low:.1%} of the records, {now[name]:.1%} now)",
            )
        elif share < GONE * low:
            yield Finding(
                "missing_action",
                _case(old, ""),
                f"{named(application)}: action {old} is gone ({low:.1%} of the records before, {share:.1%} now)",
            )
    for name in sorted(new):
        case = "read" if name.lower() in ACTS else "unread"
        yield Finding(
            "new_action", case, f"{named(application)}: action {name} is new ({now[name]:.1%} of the records)"
        )


def _case(old: str, new: str) -> str:
    act = ACTS.get(old.lower())
    if act is None:
        return "unread"
    return "read" if act == ACTS.get(new.lower()) else "needed"


def _forms(today: Profile, earlier: Sequence[Profile]) -> Iterator[Finding]:
    for application, forms in today["timestamps"].items():
        days = [d["timestamps"][application] for d in earlier if application in d["timestamps"]]
        for form, share in forms.items():
            if days and share >= FORM_FRAC and max(day.get(form, 0.0) for day in days) < NEW_FRAC:
                case = "read" if form in READ_FORMS else "needed"
                before = ", ".join(sorted({name for day in days for name in day}))
                yield Finding(
                    "timestamp_form",
                    case,
                    f"{named(application)}: timestamps as {form} in {share:.1%} of the records, {before} before",
                )


def _ordinals(today: Profile, earlier: Sequence[Profile]) -> Iterator[Finding]:
    for application, lowest in today["lowest_ordinal"].items():
        before = {d["lowest_ordinal"][application] for d in earlier if application in d["lowest_ordinal"]}
        enough = today["records"][application].get("impression", 0) >= ORDINALS
        if enough and before and lowest not in before:
            case = "read" if lowest in (0, 1) else "needed"
            words = " or ".join(map(str, sorted(before)))
            yield Finding("ordinal_base", case, f"{named(application)}: places begin at {lowest}, {words} before")
