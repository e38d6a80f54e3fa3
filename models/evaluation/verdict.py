"""A verdict, and the checks that it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Check:
    """One thing looked at. about: soundness, quality, segments, cost or data."""

    name: str
    found: str
    expected: str
    passed: bool
    about: str = "soundness"


@dataclass(frozen=True)
class Verdict:
    """The outcome: promoted only when every check passed."""

    passed: bool
    compared: bool
    reasons: list[str]
    checks: list[Check] = field(default_factory=list)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for verdict.json."""
        return asdict(self)
