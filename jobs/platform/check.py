"""Report settings that a later task of a run would refuse.

python -m jobs check --commands '[["negatives", "--r_min", "300", "--negatives", null]]'

A form checks a field by itself. What ties two fields, or takes a library to read, is checked by the commands, hours
later; here all of them are asked at first. An address is null where an earlier task will name it.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

from jobs.lake.commands import module_of
from jobs.lake.partitions import TABLES, TOWERS, Partition
from jobs.platform.arguments import Argument, CommandArgs, arguments

ANY = {"ds": "2000-01-01", "space": "0" * 16, "shard": "0of1", "step": "star", "study": "any"}


class Args(CommandArgs):
    """commands  JSON: a list of commands, each the list of its words"""

    commands: str


def main(args: Args) -> dict[str, Any]:
    """Build the Args of each command.

    Raises:
        ValueError: commands refuse their settings; names all of them.
    """
    commands: list[list[str | None]] = json.loads(args.commands)
    refusals = [f"{words[0]}: {text}" for words in commands if (text := refusal(str(words[0]), words[1:]))]
    if refusals:
        raise ValueError("\n".join(refusals))
    return {"checked": len(commands)}


def refusal(command: str, words: list[str | None]) -> str:
    """The reason for which a command refuses these words; empty where it takes them."""
    args_type = importlib.import_module(module_of(command)).Args
    known = arguments(args_type)
    try:
        given = {str(flag)[2:]: text for flag, text in zip(words[::2], words[1::2], strict=True)}
        if strange := given.keys() - known.keys():
            return f"has no --{', --'.join(sorted(strange))}"
        values = {name: _value(known[name], text) for name, text in given.items()}
        if not any(known[name].required and value is None for name, value in values.items()):
            args_type(**{name: value for name, value in values.items() if value is not None})
    except ValueError as error:
        return str(error)
    return ""


def _value(argument: Argument, text: str | None) -> Any:
    """The value of a flag; of one that an earlier task names, an address of its table."""
    if argument.kind is not Partition:
        return None if text is None else argument.kind(text)
    if text is not None:
        return Partition.parse(text)
    if argument.name not in TABLES and not argument.required:
        return None
    table = TABLES.get(argument.name, TOWERS)
    return table.at(**{key: ANY[key] for key in table.keys})
