"""The trigger form from the jobs themselves: type, default and help of a param are those of the field in `Args`.

A job's source is read, not imported: importing it would bring torch and Spark into the scheduler.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from jobs.lake.commands import module_of

JSON_TYPES = {"int": "integer", "float": "number", "str": "string"}
Limits = dict[str, Any]  # JSON schema


@dataclass(frozen=True)
class Field:
    """One field of a job's Args with its default, as it stands in the source."""

    name: str
    kind: str
    default: str | int | float
    help: str


@cache
def fields(job: str) -> dict[str, Field]:
    """The fields of jobs/<job>.py that have a plain default, by name.

    Raises:
        LookupError: there is no such job, or it has no class Args.
    """
    return _fields(module_of(job), "Args")


def _fields(module: str, name: str) -> dict[str, Field]:
    """The fields of a class, those of the classes that it stands on before its own."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise LookupError(f"{module}: no such module")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    args = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if args is None:
        raise LookupError(f"{module}: no class {name} in {spec.origin}")
    homes = {
        alias.name: node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    found: dict[str, Field] = {}
    for base in map(ast.unparse, args.bases):
        found |= _fields(homes.get(base, module), base)
    texts = _helps(ast.get_docstring(args) or "")
    own = (_field(node, texts) for node in args.body if isinstance(node, ast.AnnAssign))
    return found | {field.name: field for field in own if field is not None}


def _helps(doc: str) -> dict[str, str]:
    """`name  text` lines; a line indented deeper goes on with the one before, as in `--help`."""
    joined = re.sub(r"\n\s{4,}", " ", inspect.cleandoc(doc))
    return dict(re.findall(r"^\s*(\w+)\s{2,}(\S.*)$", joined, re.MULTILINE))


def _field(node: ast.AnnAssign, texts: dict[str, str]) -> Field | None:
    kind = ast.unparse(node.annotation)
    if not isinstance(node.target, ast.Name) or node.value is None or kind not in JSON_TYPES:
        return None
    name = node.target.id
    return Field(name, kind, ast.literal_eval(node.value), texts.get(name, ""))


def form(job: str, section: str, **limits: Limits) -> dict[str, Param]:
    """Params for the named fields of a job; each value of `limits` is JSON schema (minimum, enum, ...).

    Raises:
        LookupError: the job has no such field with a default.
    """
    if strange := limits.keys() - fields(job).keys():
        raise LookupError(f"{job}: Args has no {', '.join(sorted(strange))} with a default")
    return {name: _param(fields(job)[name], section, schema) for name, schema in limits.items()}


def _param(field: Field, section: str, schema: Limits) -> Param:
    return Param(field.default, type=JSON_TYPES[field.kind], description=field.help, section=section, **schema)


def templates(params: dict[str, Param]) -> dict[str, str]:
    """The params as flags: name -> template of its value."""
    return {name: f"{{{{ params.{name} }}}}" for name in params}
