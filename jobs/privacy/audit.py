"""The audit: every file that still exists, judged by its own name and age, not by what was to be deleted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.manifest import POINTER
from jobs.lake.partitions import lake_root, spelled_today, table_today
from jobs.lake.publish import LOCK
from jobs.platform.tracking import home, trials_folder
from jobs.privacy.erase import Protected
from jobs.privacy.limits import AgeLimits
from jobs.privacy.local_files import AGED_STORES, ALERTS, CHECK_STORES, PARTITION_STORES, written_s

_DAY = r"ds=(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_IN_TABLE = re.compile(
    rf"(?:^|.*/)(?P<table>[a-z0-9_]+)_v[0-9]+/(?P<address>{_DAY}(?:/[a-z]+=[^/]+)*)(?:/(?P<rest>.*)|$)"
)
_OF_PARTITION = re.compile(rf"(?:^|.*/)(?P<table>[a-z0-9_]+)[,/]{_DAY}")
_STUDY = re.compile(r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})-[^/]+/")


@dataclass
class Audit:
    """Files and bytes by place. left: expired files that nothing protects."""

    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)

    def add(self, where: str, name: str, size: int, expired: bool) -> None:
        """Count a file, and keep its name where it should have been deleted."""
        self.files[where] += 1
        self.bytes[where] += size
        if expired:
            self.left.append(f"{where}/{name}")


def audit(limits: AgeLimits, versions: Protected) -> Audit:
    """Walk over the lake, the lakes of trials and the stores under NIGHTSHELF_HOME."""
    result = Audit()
    for file in store.walk(lake_root()):
        result.add("lake", file.name, file.bytes, _expired_in_lake(file, limits, versions))
    for file in store.walk(trials_folder()):
        result.add("trials", file.name, file.bytes, _expired_in_trials(file, limits))
    for name in (*CHECK_STORES, *PARTITION_STORES, *AGED_STORES):
        for file in store.walk(str(home() / name)):
            expired = _expired_by_name(file.name if name in PARTITION_STORES else f"{name}/{file.name}", limits)
            if name not in CHECK_STORES:
                expired = expired or limits.age_expired(file.changed_s, limits.derived_days)
            result.add(f"home/{name}", file.name, file.bytes, expired)
    alerts = home() / ALERTS
    for number, line in enumerate(alerts.read_text("utf-8").splitlines() if alerts.is_file() else [], 1):
        expired = limits.age_expired(written_s(line), limits.derived_days)
        result.add(f"home/{ALERTS}", f"line {number}", len(line.encode()), expired)
    result.not_covered = _not_covered()
    return result


def _expired_in_lake(file: store.StoredFile, limits: AgeLimits, versions: Protected) -> bool:
    if file.name.startswith("pointers/"):  # aliases: addresses alone
        return False
    match = _IN_TABLE.match(file.name)
    table = table_today(match["table"]) if match else ""
    if match is None or not table:  # put there by others: by its age
        return limits.age_expired(file.changed_s, limits.raw_days)
    if limits.is_raw(match["rest"] or "") and limits.raw_expired(match["day"]):
        return True
    return limits.expired(table, match["day"]) and not _is_protected(match, versions)


def _expired_in_trials(file: store.StoredFile, limits: AgeLimits) -> bool:
    match = _IN_TABLE.match(file.name)
    if match is not None and (table := table_today(match["table"])):
        raw = limits.is_raw(match["rest"] or "") and limits.raw_expired(match["day"])
        return raw or limits.expired(table, match["day"])
    if (study := _STUDY.match(file.name)) is not None:
        return limits.expired("sweep", study["day"])
    return limits.age_expired(file.changed_s, limits.derived_days)


def _expired_by_name(name: str, limits: AgeLimits) -> bool:
    match = _OF_PARTITION.match(name)
    table = table_today(match["table"]) if match else ""
    return bool(match and table) and limits.expired(table, match["day"] if match else "")


def _is_protected(match: re.Match[str], versions: Protected) -> bool:
    """Whether it is a file of a protected version, or the lock or the pointer of its partition."""
    address, rest = spelled_today(f"{match['table']}/{match['address']}"), match["rest"] or ""
    if rest in (LOCK, POINTER):
        return any(address == protected for protected, _ in versions)
    return rest.startswith("attempts/") and (address, rest.split("/")[1]) in versions


def _not_covered() -> list[str]:
    """Other contents of NIGHTSHELF_HOME: databases, settings, files of others."""
    covered = {*CHECK_STORES, *PARTITION_STORES, *AGED_STORES, ALERTS}
    trials = Path(trials_folder())
    names = sorted(path.name for path in home().iterdir()) if home().is_dir() else []
    return [name for name in names if name not in covered and home() / name != trials]
