"""The proof: every file that lies there, judged by its own name and age, not by what was to be deleted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.lock import LOCK
from jobs.lake.manifest import POINTER
from jobs.lake.partitions import lake_root
from jobs.platform.tracking import home
from jobs.privacy.holds import Holds
from jobs.privacy.limits import Limits
from jobs.privacy.local_files import AGED, ALERTS, NAMED, SAID, written_s
from jobs.privacy.partition_folders import KNOWN, trials_folder

_DAY = r"ds=(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_IN_TABLE = re.compile(rf"(?:^|.*/)(?P<table>[a-z_]+)_v[0-9]+/(?P<address>{_DAY}(?:/[a-z]+=[^/]+)*)(?:/(?P<rest>.*)|$)")
_NAMED = re.compile(rf"(?:^|.*/)(?P<table>[a-z_]+)[,/]{_DAY}")
_STUDY = re.compile(r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})-[^/]+/")


@dataclass
class Scan:
    """What a walk over everything saw. left: files whose days are over and that nothing holds."""

    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)

    def see(self, where: str, name: str, size: int, over: bool) -> None:
        """Count a file, and keep its name where it must not be there."""
        self.files[where] += 1
        self.bytes[where] += size
        if over:
            self.left.append(f"{where}/{name}")


def scan(limits: Limits, holds: Holds) -> Scan:
    """Walk over the lake, the lakes of trials and the stores under NIGHTSHELF_HOME."""
    found = Scan()
    for file in store.walk(lake_root()):
        found.see("lake", file.name, file.bytes, _over_in_lake(file, limits, holds))
    for file in store.walk(trials_folder()):
        found.see("trials", file.name, file.bytes, _over_in_trials(file, limits))
    for name in (*SAID, *NAMED, *AGED):
        for file in store.walk(str(home() / name)):
            over = _over_by_name(file.name if name in NAMED else f"{name}/{file.name}", limits)
            if name not in SAID:
                over = over or limits.written_over(file.changed_s, limits.derived_days)
            found.see(f"home/{name}", file.name, file.bytes, over)
    for number, line in enumerate(_lines(home() / ALERTS), 1):
        over = limits.written_over(written_s(line), limits.derived_days)
        found.see(f"home/{ALERTS}", f"line {number}", len(line.encode()), over)
    found.not_covered = _not_covered()
    return found


def _over_in_lake(file: store.Found, limits: Limits, holds: Holds) -> bool:
    if file.name.startswith("pointers/"):  # moving names: addresses alone
        return False
    of = _IN_TABLE.match(file.name)
    if of is None or of["table"] not in KNOWN:  # what nobody of the house put there, by its age
        return limits.written_over(file.changed_s, limits.raw_days)
    if limits.holds_raw(of["rest"] or "") and limits.raw_over(of["day"]):
        return True
    return limits.over(of["table"], of["day"]) and not _is_held(of, holds)


def _over_in_trials(file: store.Found, limits: Limits) -> bool:
    of = _IN_TABLE.match(file.name)
    if of is not None and of["table"] in KNOWN:
        return limits.over(of["table"], of["day"]) or (
            limits.holds_raw(of["rest"] or "") and limits.raw_over(of["day"])
        )
    study = _STUDY.match(file.name)
    if study is not None:
        return limits.over("sweep", study["day"])
    return limits.written_over(file.changed_s, limits.derived_days)


def _over_by_name(name: str, limits: Limits) -> bool:
    of = _NAMED.match(name)
    return of is not None and of["table"] in KNOWN and limits.over(of["table"], of["day"])


def _is_held(of: re.Match[str], holds: Holds) -> bool:
    """A file of a version that is held, or the lock and the pointer of its partition."""
    address, rest = f"{of['table']}/{of['address']}", of["rest"] or ""
    if rest in (LOCK, POINTER):
        return any(address == held for held, _ in holds)
    return rest.startswith("attempts/") and (address, rest.split("/")[1]) in holds


def _lines(path: Path) -> Iterator[str]:
    if path.is_file():
        yield from path.read_text("utf-8").splitlines()


def _not_covered() -> list[str]:
    """What else lies in NIGHTSHELF_HOME: databases, settings, what somebody put there."""
    covered = {*SAID, *NAMED, *AGED, ALERTS}
    trials = Path(trials_folder())
    names = sorted(path.name for path in home().iterdir()) if home().is_dir() else []
    return [name for name in names if name not in covered and home() / name != trials]
