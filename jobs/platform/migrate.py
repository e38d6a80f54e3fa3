"""Move an older lake's files from former names to today's.

Renames folders of tables and keys, aliases, and files under NIGHTSHELF_HOME.

python -m jobs migrate --dry_run 1      lists what would be renamed, and renames nothing
python -m jobs migrate                  once, while nothing else runs; killed half-way, the same command finishes

No manifest is changed: readers translate the former names that manifests hold. Models in MLflow's registry load code by
former module names, so the towers behind each alias are registered anew.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from jobs.lake import storage as store
from jobs.lake.alias import FIRST_ROOM, all_histories
from jobs.lake.fault import fault_point
from jobs.lake.manifest import POINTER, VERDICT
from jobs.lake.partitions import FORMER_KEYS, FORMER_TABLES, TABLES, lake_root, table_folder
from jobs.platform.arguments import CommandArgs, ZeroOrOne
from jobs.platform.tracking import home, lakes, trials_folder

log = logging.getLogger(__name__)
_SPACE = "[0-9a-f]{16}"
# below NIGHTSHELF_HOME: validations/acts/ds=..., and quantiser,ds=2026-01-31,towers=...
CHECK_STORES = ("data_docs/validations", "data_docs/verdicts", "validations")
PARTITION_STORES = ("checkpoints", "scratch")


class Args(CommandArgs):
    """dry_run  1: list what would be renamed, and rename nothing"""

    dry_run: ZeroOrOne = 0


def main(args: Args) -> dict[str, object]:
    """Rename in the lake, in the lakes of trials and under NIGHTSHELF_HOME; then register towers anew."""
    moves = list(_moves())
    if args.dry_run:
        for source, target in moves:
            log.info("%s would become %s", source, target)
        return {"would_rename": len(moves)}
    for source, target in moves:
        merge(source, target)
        fault_point("migrate.renamed")
    for folder in _table_folders():  # those of tables whose days all have moved
        if _today(name := folder.rpartition("/")[2]) != name and not any(True for _ in store.walk(folder)):
            store.delete_folder(folder)
    _relink()
    verdicts = _rewrite_verdicts()
    return {"renamed": len(moves), "verdicts": verdicts, "registered": _register_again()}


def merge(source: str, target: str) -> None:
    """Move a file, or a folder with all in it. What the target has already stays: today's code wrote it.

    A local folder moves by one rename where the target does not exist. Killed anywhere, a second call finishes.
    """
    if store.is_local(source):
        _merge_local(store.local_path(source), store.local_path(target))
        return
    system, below = store.filesystem(source)
    _, target_path = store.filesystem(target)
    # a pointer last: no reader finds a version of which files are still to come
    listed = () if store.is_file(source) else store.list_files(source)
    names = sorted((name for name, _ in listed), key=lambda name: (name.endswith(POINTER), name))
    for name in names or [""]:
        suffix = f"/{name}" if name else ""
        if store.is_file(target + suffix):
            store.delete_file(source + suffix)
        elif store.is_file(source + suffix):
            system.create_dir(f"{target_path}{suffix}".rpartition("/")[0])
            system.move(f"{below}{suffix}", f"{target_path}{suffix}")
    store.delete_folder(source)


def _merge_local(source: Path, target: Path) -> None:
    if not source.exists() and not source.is_symlink():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() and not target.is_symlink():
        source.rename(target)
        store.fsync(target.parent)
    elif source.is_dir() and not source.is_symlink() and target.is_dir():
        for child in sorted(source.iterdir()):
            _merge_local(child, target / child.name)
        source.rmdir()
    else:
        source.unlink()


def _moves() -> Iterator[tuple[str, str]]:
    """(path of before, path of today) of everything to rename."""
    for root in lakes():
        yield from _lake_moves(root)
    pointers = f"{lake_root()}/pointers"
    for name in sorted(name for name, _ in store.list_files(pointers)):
        if re.fullmatch(r"[a-z_]+\.json", name):
            yield f"{pointers}/{name}", f"{pointers}/{FIRST_ROOM}/{name}"
    for folder in CHECK_STORES + PARTITION_STORES:  # what is below a folder before the folder
        yield from _named_moves(home() / folder)
    for folder in CHECK_STORES:
        for table in store.folders(str(home() / folder)):
            if table in FORMER_TABLES:
                yield f"{home()}/{folder}/{table}", f"{home()}/{folder}/{FORMER_TABLES[table]}"


def _table_folders() -> list[str]:
    return [f"{root}/{name}" for root in lakes() for name in store.folders(root) if _today(name)]


def _lake_moves(root: str) -> Iterator[tuple[str, str]]:
    """Partitions with a former key, then days of tables with a former name."""
    for name in store.folders(root):
        today = _today(name)
        if not today:
            continue
        keys = TABLES[today.rpartition("_v")[0]].keys
        for ds in store.folders(f"{root}/{name}"):
            for value in store.folders(f"{root}/{name}/{ds}"):
                key = FORMER_KEYS.get(value.partition("=")[0], "")
                if key in keys:
                    yield f"{root}/{name}/{ds}/{value}", f"{root}/{today}/{ds}/{key}={value.partition('=')[2]}"
            if name != today:
                yield f"{root}/{name}/{ds}", f"{root}/{today}/{ds}"


def _today(folder: str) -> str:
    """Today's name of a table's folder, such as `click_counts_v1` for `acts_v1`; empty where it is no table's."""
    table = table_folder(folder)
    return f"{table[0]}_v{table[1]}" if table else ""


def _named_moves(root: Path) -> Iterator[tuple[str, str]]:
    """Files and folders whose own name is a partition's: bert,ds=2026-01-31.safetensors, ds=2026-01-31,towers=1f... ."""
    if not root.is_dir():
        return
    for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):  # the deepest first
        name = re.sub(rf"(?<=,)towers=(?={_SPACE})", "space=", path.name)
        table, _, rest = name.partition(",ds=")
        if rest and table in FORMER_TABLES:
            name = f"{FORMER_TABLES[table]},ds={rest}"
        if name != path.name:
            yield str(path), str(path.with_name(name))


def _relink() -> None:
    """Point the links of trials at where their targets are now."""
    if not store.is_local(trials_folder()):
        return
    for folder, folders, others in os.walk(store.local_path(trials_folder())):  # a broken link is no folder
        for link in (Path(folder) / name for name in (*folders, *others) if (Path(folder) / name).is_symlink()):
            target = str(link.readlink())
            parts = [_today(part) or part for part in target.split("/")]
            today = re.sub(rf"/towers=(?={_SPACE})", "/space=", "/".join(parts))
            if today != target and not link.exists():
                link.unlink()
                link.symlink_to(today, target_is_directory=True)


def _rewrite_verdicts() -> int:
    """Put today's names into verdicts: each names its partition and the page about it. Returns how many changed."""
    former = "|".join(FORMER_TABLES)
    changed = 0
    records = (str(path) for path in sorted((home() / "data_docs/verdicts").rglob("*.json")))
    verdicts = (f"{folder}/{name}" for folder in _table_folders() for name, _ in store.list_files(folder))
    for uri in (*records, *(uri for uri in verdicts if uri.endswith(f"/{VERDICT}"))):
        text = store.read_bytes(uri).decode()
        today = re.sub(rf'(?<=["/])({former})(?=/ds=)', lambda match: FORMER_TABLES[match[1]], text)
        today = re.sub(rf"(?<=[/,])towers=(?={_SPACE})", "space=", today)
        if today != text:
            store.write_bytes(uri, today.encode())
            changed += 1
    return changed


def _register_again() -> list[str]:
    """Register the towers behind each alias under today's code; a registry that cannot be reached is logged."""
    from jobs.platform.registry import register_history  # MLflow

    return [version for alias, history in all_histories().items() for version in register_history(alias, history)]
