"""Command lines from dataclasses: param, flag, field and MLflow param keep one spelling.

The flags of a command are the fields of its `Args`, see `jobs.platform.arguments`. `run` is the only function that
configures logging, writes to standard output and sets the umask.
"""

from __future__ import annotations

import argparse
import ast
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from jobs.lake.commands import COMMANDS, command_of
from jobs.lake.disk import naming_full_disk
from jobs.lake.partitions import NOWHERE, TABLES, Partition
from jobs.lake.storage import restrict_umask
from jobs.platform.arguments import Argument, CommandArgs, arguments
from jobs.platform.tracking_journal import alert_once

T = TypeVar("T", bound=CommandArgs)


def parse(args_type: type[T], argv: Sequence[str] | None = None) -> T:
    """Build Args from a command line; exits with 2 and a clear line when it is wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    known = arguments(args_type)
    if words and not words[0].startswith("-"):  # the first field may go without its flag
        words.insert(0, f"--{next(iter(known))}")
    parser = _parser(args_type, list(known.values()), everything="--help-all" in words)
    values = vars(parser.parse_args(words))
    try:
        return args_type(**{name: values[name] for name in known})
    except ValueError as error:  # raised by Args: a value out of range
        parser.error(str(error))


def _parser(args_type: type, known: Sequence[Argument], everything: bool) -> argparse.ArgumentParser:
    """The parser of a command. everything: its help shows the fields that are not marked `FIRST` too."""
    required = [argument for argument in known if argument.required]
    first = [argument for argument in known if argument.first and not argument.required]
    rest = [argument for argument in known if not argument.first and not argument.required]
    folded = bool(first and rest)
    start = f"python -m jobs {_command(args_type)}"
    optional = ["[--setting value ...]"] if first or rest else []
    parser = argparse.ArgumentParser(
        prog=start,
        usage=" ".join([start, *(f"--{each.name} {_metavar(each)}" for each in required), *optional]),
        description=sys.modules[args_type.__module__].__doc__,
        epilog=f"the rest, {len(rest)} settings: --help-all" if folded and not everything else None,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    for title, group in (("required", required), ("settings to change first", first), ("settings", rest)):
        section = parser.add_argument_group(title)
        for argument in group:
            _add(section, argument, shown=everything or not folded or group is not rest)
    for flags, text in ((("-h", "--help"), "show this help"), (("--help-all",), "show it with all settings")):
        parser.add_argument(*flags, action="help", help=text if folded else argparse.SUPPRESS)
    return parser


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the docstring's lines and leaves room for a flag and its choices beside the help."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34)


def _add(section: argparse._ArgumentGroup, argument: Argument, shown: bool) -> None:
    bounds = "" if argument.choices else argument.expected
    default = "" if argument.required or argument.default in ("", NOWHERE) else f"default {argument.default}"
    notes = "; ".join(filter(None, (bounds, default)))
    text = f"{argument.help} ({notes})" if notes else argument.help
    section.add_argument(
        f"--{argument.name}",
        type=_converter(argument.name, argument.kind),
        required=argument.required,
        default=None if argument.required else argument.default,
        metavar=_metavar(argument),
        help=text.replace("%", "%%") if shown else argparse.SUPPRESS,
    )


def _metavar(argument: Argument) -> str:
    """The choices where they are short, else the type."""
    choices = "|".join(str(value) for value in argument.choices if value != "")
    return choices if 0 < len(choices) < 50 else str(argument.kind.__name__).upper()


def run(args_type: type[T], main: Callable[[T], dict[str, Any] | None]) -> None:
    """Parse, run and print main's result as one JSON line; the log goes to standard error."""
    args = parse(args_type)
    quiet_logging()
    started = time.monotonic()
    try:
        restrict_umask()
        # what a job writes beside its partition: checkpoints, caches, pages
        with naming_full_disk(Path(os.environ.get("NIGHTSHELF_HOME", "var"))):
            result = main(args)
    except (ValueError, LookupError, RuntimeError, OSError) as error:
        logging.getLogger(_command(args_type)).error("%s", error, exc_info=_is_defect(error))
        raise SystemExit(1) from None
    if alerts := alert_once():
        result = {**(result or {}), "alerts": [*(result or {}).get("alerts", []), *alerts]}
    if result is not None:
        line = {**result, "seconds": round(time.monotonic() - started, 2)}
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def show_commands() -> None:
    """Print the commands by room, each with the first line of its module's docstring."""
    console = Console()
    for room, commands in COMMANDS.items():
        # a table each: a long name takes width from the lines of its own room alone
        table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
        table.add_column(min_width=16)
        console.print(f"[bold]{room}[/]")
        for command, file in commands.items():
            path = Path(__file__).resolve().parents[1] / room / f"{file}.py"
            table.add_row(f"  {command}", Text(_first_line(path), overflow="fold"))
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


def _fits(value: Partition) -> tuple[str, str]:
    """Flags that take a partition: of its own table, and of the one that it stands for."""
    return value.name, value.table.stands_for


def _converter(name: str, kind: type) -> Callable[[str], Any]:
    """argparse shows an ArgumentTypeError's own text; a plain ValueError's it would hide."""

    def convert(text: str) -> Any:
        try:
            value = Partition.parse(text) if kind is Partition else kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        if kind is Partition and value is not NOWHERE and name in TABLES and name not in _fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is of table {value.name}, expected {name}")
        return value

    return convert
