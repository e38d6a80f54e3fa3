"""Command lines from dataclasses: param, flag, field and MLflow param keep one spelling.

A job's `Args` is a frozen dataclass with fields of type Partition, str, int or float and a docstring whose lines
`name  text` are the flags' help. `run` is the only place that touches logging and standard output.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from jobs.lake.commands import COMMANDS, command_of
from jobs.lake.partitions import NOWHERE, TABLES, Partition

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def parse(args_type: type[T], argv: Sequence[str] | None = None) -> T:
    """Build Args from a command line; exits with 2 and a clear line when it is wrong."""
    parser = argparse.ArgumentParser(
        prog=f"python -m jobs {_command(args_type)}",
        description=sys.modules[args_type.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    helps: dict[str, str] = {}
    for part in reversed(args_type.__mro__):  # a job's Args may stand on settings that others share
        helps |= _helps(part.__doc__ or "")
    hints = get_type_hints(args_type)
    for field in dataclasses.fields(args_type):
        required = field.default is dataclasses.MISSING
        parser.add_argument(
            f"--{field.name}",
            type=_converter(field.name, hints[field.name]),
            required=required,
            default=None if required else field.default,
            metavar=hints[field.name].__name__.lower(),
            help=helps.get(field.name, "") + ("" if required else " (default: %(default)s)"),
        )
    words = list(sys.argv[1:] if argv is None else argv)
    if words and not words[0].startswith("-"):  # the first field may go without its flag
        words.insert(0, f"--{dataclasses.fields(args_type)[0].name}")
    found = parser.parse_args(words)
    try:
        return args_type(**vars(found))
    except ValueError as error:  # raised by __post_init__: a value out of range
        parser.error(str(error))


def run(args_type: type[T], main: Callable[[T], dict[str, Any] | None]) -> None:
    """Parse, run and print main's result as one JSON line; the log goes to standard error."""
    args = parse(args_type)
    quiet_logging()
    started = time.monotonic()
    try:
        result = main(args)
    except (ValueError, LookupError, RuntimeError, OSError) as error:
        logging.getLogger(_command(args_type)).error("%s", error, exc_info=_is_defect(error))
        raise SystemExit(1) from None
    if result is not None:
        line = {**result, "seconds": round(time.monotonic() - started, 2)}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def show_commands() -> None:
    """Print the commands by room, each with the first line of its module's docstring."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for room, commands in COMMANDS.items():
        table.add_row(f"[bold]{room}[/]", "")
        for command, file in commands.items():
            path = Path(__file__).resolve().parents[1] / room / f"{file}.py"
            table.add_row(f"  {command}", Text(_first_line(path), overflow="fold"))
    console = Console()
    console.print(table)
    console.print("\npython -m jobs COMMAND --help explains the settings of one.", highlight=False)


def _first_line(path: Path) -> str:
    """The docstring is read, not imported: an import would bring torch and Spark along."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return doc.partition("\n")[0].partition("   ")[0]


def quiet_logging() -> None:
    """Nightshelf's own lines at INFO on standard error; libraries speak from WARNING up."""
    if sys.stderr.isatty():
        handler: logging.Handler = RichHandler(show_path=False, markup=False, log_time_format="[%X]")
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("jobs", "models", "__main__"):
        logging.getLogger(name).setLevel(logging.INFO)


def _is_defect(error: Exception) -> bool:
    """An expected error states what to do; anything else (KeyError, ...) comes with its trace."""
    return type(error) not in (ValueError, LookupError, RuntimeError, FileNotFoundError)


def _command(args_type: type) -> str:
    return command_of(args_type.__module__)


def _helps(doc: str) -> dict[str, str]:
    """`name  text` lines of a docstring; a deeper indented line goes on with the one before."""
    found: dict[str, str] = {}
    name = ""
    for line in doc.splitlines():
        if start := re.fullmatch(r"\s*(\w+)\s{2,}(\S.*)", line):
            name = start[1]
            found[name] = start[2].replace("%", "%%")
        elif name and line.strip():
            found[name] += " " + line.strip().replace("%", "%%")
        else:
            name = ""
    return found


def _converter(name: str, kind: type) -> Callable[[str], Any]:
    """argparse shows an ArgumentTypeError's own text; a plain ValueError's it would hide."""

    def convert(text: str) -> Any:
        try:
            value = Partition.parse(text) if kind is Partition else kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        if kind is Partition and value is not NOWHERE and name in TABLES and value.name != name:
            raise argparse.ArgumentTypeError(f"{text!r} is of table {value.name}, expected {name}")
        return value

    return convert
