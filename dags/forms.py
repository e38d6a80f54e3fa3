"""Trigger forms from the commands: type, bounds, default and help of a param are those of the field in `Args`.

A command's source is read, not imported: importing it would bring torch and Spark into the scheduler.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import MISSING
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from airflow.sdk import Param

from jobs.lake.commands import module_of
from jobs.platform.arguments import JSON_TYPES, Argument, helps

# what annotations are made of; these modules are imported, the others of this repository are read
LIGHT = ("builtins", "typing", "annotated_types", "jobs.platform.arguments", "jobs.lake.partitions")

# after a param that may be null: a flag takes text
EMPTY = " or ''"


def form(command: str, section: str, names: str) -> dict[str, Param]:
    """Params for fields of a command, whose names are separated by spaces, under one heading of the form.

    Raises:
        LookupError: the command has no such field with a default.
    """
    known = fields(command)
    if strange := set(names.split()) - known.keys():
        raise LookupError(f"{command}: Args has no {', '.join(sorted(strange))} with a default")
    return {
        name: Param(known[name].default, description=known[name].help, section=section, **form_schema(known[name]))
        for name in names.split()
    }


def form_schema(argument: Argument) -> dict[str, Any]:
    """The schema of a form's field: the argument's own, and null as well where the default is the empty text.

    The page holds an empty field for one that is missing and locks its button, unless the type admits null.
    """
    schema = argument.schema
    if argument.default != "":
        return schema
    choices = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | choices


def templates(params: dict[str, Param]) -> dict[str, str]:
    """The params as flags: name -> template of its value."""
    return {name: f"{{{{ params.{name}{EMPTY if may_be_null(param) else ''} }}}}" for name, param in params.items()}


def may_be_null(param: Param) -> bool:
    """Whether a field of the form may be left empty."""
    return "null" in param.schema.get("type", ())


@cache
def fields(command: str) -> dict[str, Argument]:
    """The numbers and texts among the fields of a command that have a default, by name.

    Raises:
        LookupError: there is no such command, or it has no class Args.
    """
    known = declared_fields(Source(module_of(command)), "Args")
    return {name: each for name, each in known.items() if each.kind in JSON_TYPES and not each.required}


def declared_fields(source: Source, name: str) -> dict[str, Argument]:
    """The fields of a class, those of its base classes before its own."""
    if name in source.imported:
        module, original = source.imported[name]
        return {} if module in LIGHT else declared_fields(Source(module), original)
    args = source.classes.get(name)
    if args is None:
        raise LookupError(f"{source.module}: no class {name}")
    declared: dict[str, Argument] = {}
    for base in map(ast.unparse, args.bases):
        declared |= declared_fields(source, base)
    texts = helps(ast.get_docstring(args) or "")
    for node in args.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            field = node.target.id
            default = MISSING if node.value is None else source.value(node.value)
            declared[field] = Argument.of(field, source.value(node.annotation), default, texts.get(field, ""))
    return declared


class Source:
    """The names of a module that is read and not imported: constants, and what it imports from others.

    Whatever takes an import to know, such as a class or numpy's types, is a `Placeholder`.
    """

    def __init__(self, module: str) -> None:
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise LookupError(f"{module}: no such module")
        self.module = module
        body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body
        self.classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
        self.imported = {
            alias.asname or alias.name: (node.module or "", alias.name)
            for node in body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        self.constants = {
            target.id: node.value
            for node in body
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    def value(self, node: ast.expr) -> Any:
        """The value of an expression: constants, tuples, dicts, `-1`, `name`, `Annotated[...]`, `OneOf(*names)`."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._named(node.id)
            case ast.Tuple() | ast.List():
                return self._each(node.elts)
            case ast.Dict():
                return {
                    self.value(key): self.value(each) for key, each in zip(node.keys, node.values, strict=True) if key
                }
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand)
            case ast.Subscript():
                return self.value(node.value)[self.value(node.slice)]
            case ast.Call(func=ast.Name(name)) if self.imported.get(name, ("",))[0] in LIGHT:
                named = {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg}
                return self._named(name)(*self._each(node.args), **named)
        return Placeholder()

    def _each(self, nodes: list[ast.expr]) -> tuple[Any, ...]:
        values: list[Any] = []
        for node in nodes:
            spread = self.value(node.value) if isinstance(node, ast.Starred) else (self.value(node),)
            if isinstance(spread, Placeholder):
                raise TypeError(f"{self.module}: {ast.unparse(node)} takes an import to know; write its values out")
            values.extend(spread)
        return tuple(values)

    def _named(self, name: str) -> Any:
        if name in self.constants:
            return self.value(self.constants[name])
        module, original = self.imported.get(name, ("builtins", name))
        if module in LIGHT:
            return getattr(importlib.import_module(module), original, Placeholder())
        return Source(module)._named(original) if module.startswith(("jobs.", "models.")) else Placeholder()


class Placeholder:
    """Stands for a value that takes an import to know."""
