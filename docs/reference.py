"""The reference pages, made from what they describe: commands, settings of recipes, the HTTP interface, Python."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

import penname
from penname.cli.app import app
from penname.cli.help import PANELS
from penname.config import DecodingConfig, Recipe
from penname.engine_config import EngineConfig
from penname.engines.base import Sampling
from penname.serve.app import make_app

Schema = Mapping[str, Any]
Command = Any
"""A command of typer, which has classes of its own for them, none of which it makes public."""

DESCRIBED_ELSEWHERE: dict[type[BaseModel], type] = {DecodingConfig: Sampling}
"""Sections of a recipe whose settings are described by the argument lines of another class's docstring."""

NAMES = {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number", "null": "null"}
NO_LINKS: Mapping[str, str] = {}
JSON_NAMES = {**NAMES, "object": "object", "array": "list"}


def pages() -> dict[str, str]:
    """Markdown of each page, by its path within the site."""
    return {
        "reference/commands.md": commands_page(),
        "reference/settings.md": settings_page(),
        "reference/http.md": http_page(),
        "reference/python.md": python_page(),
    }


# Markdown


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty where there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(headings), "|---" * len(headings) + "|", *lines]) + "\n" if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def code(value: object) -> str:
    """A value as code."""
    return f"`{value}`"


def in_cell(text: str) -> str:
    """A description as a cell has it, on one line, whose angle brackets are no markup."""
    return re.sub(r"<(?=[^`]*(?:`[^`]*`[^`]*)*$)", "&lt;", " ".join(text.split()))


def anchor(heading: str) -> str:
    """The anchor that the site gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# Commands


def commands_page() -> str:
    """Every command with its help, arguments, options and examples, under the panels of `penname --help`."""
    root = typer.main.get_command(app)
    parts = ["# Commands\n", _help_of(root)]
    for panel in PANELS:
        parts.append(f"## {panel}\n")
        parts += [
            _command(words, command)
            for name, top in commands_of(root).items()
            if getattr(top, "rich_help_panel", None) == panel
            for words, command in walk(top, ("penname", name))
        ]
    return "\n".join(parts)


def walk(command: Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    """A command and, of a group, those in it, each with the words that call it."""
    yield words, command
    for name, inner in commands_of(command).items():
        yield from walk(inner, (*words, name))


def commands_of(command: Command) -> dict[str, Command]:
    """The commands in a group; of any other command none."""
    return getattr(command, "commands", {})


def _command(words: tuple[str, ...], command: Command) -> str:
    heading = f"### {' '.join(words)}\n"
    if commands := commands_of(command):
        inner = ", ".join(f"[{name}](#{anchor(' '.join((*words, name)))})" for name in commands)
        return "\n".join([heading, f"{_help_of(command)}\nIts commands: {inner}.\n"])
    own = [parameter for parameter in command.params if parameter.name != "help"]
    arguments = [parameter for parameter in own if parameter.param_type_name == "argument"]
    options = [parameter for parameter in own if parameter.param_type_name == "option"]
    usage = " ".join([*words, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    headings = ("meaning", "default")
    annotations = get_type_hints(command.callback)
    return "\n".join(
        [
            heading,
            _help_of(command),
            f"```text\n{usage}\n```\n",
            table(("argument", *headings), (_parameter(own, annotations) for own in arguments)),
            table(("option", *headings), (_parameter(own, annotations) for own in options)),
            _examples(command.epilog or ""),
        ]
    )


def _help_of(command: Command) -> str:
    return inspect.cleandoc(command.help or "") + "\n"


def _metavar(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper() + ("..." if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"


def _parameter(parameter: Any, annotations: Mapping[str, Any]) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = code(_metavar(parameter))
    else:
        name = ", ".join(map(code, (*parameter.opts, *parameter.secondary_opts)))
        if not parameter.is_flag:
            name += f" {_words_of_type(annotations[parameter.name], parameter)}"
    meaning = in_cell(parameter.help or "")
    if parameter.envvar:
        meaning += f" Also from the environment: {code(parameter.envvar)}."
    if (parameter.multiple or parameter.nargs == -1) and "repeatable" not in meaning:
        meaning += " Several may be given."
    return name, meaning, _default_of(parameter)


def _default_of(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return code(shown)
    default = parameter.default
    if callable(default) or default is None or default == () or "UNSET" in repr(default):
        return ""
    if isinstance(default, bool):
        if parameter.secondary_opts:
            return code((parameter.opts if default else parameter.secondary_opts)[0])
        return "" if not default else "yes"
    return code(default) if default != "" else ""


def _words_of_type(annotation: Any, parameter: Any) -> str:
    types = {str: "text", int: "whole number", float: "number", Path: "path"}
    word = next((word for kind, word in types.items() if kind in _types_in(annotation)), "text")
    limits = ((name, _limit(parameter, name)) for name in ("min", "max"))
    bounds = [f"at {'least' if name == 'min' else 'most'} {limit:,}" for name, limit in limits if limit is not None]
    return f"({', '.join([word, *bounds])})"


def _limit(parameter: Any, name: str) -> float | None:
    """The parameter's `min` or `max`, which versions of typer have in different places."""
    limit = getattr(parameter, name, None)
    return getattr(getattr(parameter, "type", None), name, None) if limit is None else limit


def _types_in(annotation: Any) -> list[Any]:
    return [annotation, *(found for inner in get_args(annotation) for found in _types_in(inner))]


def _examples(epilog: str) -> str:
    lines = [line for line in epilog.split("\n\n")[1:] if line]
    return "```\n" + "\n".join(lines) + "\n```\n" if lines else ""


# Settings of recipes


class RecipeSchema(GenerateJsonSchema):
    """JSON schema in which a name of something built in, or of an object of the user's own, is described."""

    def function_plain_schema(self, schema: Any) -> dict[str, Any]:
        """What `penname.extensions.Named` checks."""
        named = schema["function"]["function"].__self__
        return {"type": "string", "built_in": list(named.built_in)}


def settings_page() -> str:
    """Every setting of a recipe with its type, default and description."""
    sections = {name: model for name, model in sections_of(Recipe) if model is not EngineConfig}
    engines = ", ".join(code(name) for name, model in sections_of(Recipe) if model is EngineConfig)
    parts = [
        "# Recipe settings\n",
        f"{in_cell(inspect.getdoc(Recipe) or '')} A recipe is a YAML file with these settings; `--set NAME=VALUE` "
        "gives a command another value for one of them, under the name that stands here. A name of something built in "
        "may also be that of an object of your own, `package.module:name` ([Extending](../extending.md)).\n",
        "## Of the whole run\n",
        _settings("", Recipe),
    ]
    for name, model in sections.items():
        parts += [f"## {name}\n", in_cell(inspect.getdoc(model) or "") + "\n", _settings(f"{name}.", model)]
    parts += [
        "## A model and its engine\n",
        f"{in_cell(inspect.getdoc(EngineConfig) or '')} Of {engines}.\n",
        _settings("", EngineConfig),
    ]
    return "\n".join(parts)


def sections_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The sections within a section, at any depth, by their dotted names."""
    for name, field in model.model_fields.items():
        if inner := section_of(field.annotation):
            yield prefix + name, inner
            yield from sections_of(inner, f"{prefix}{name}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a setting holds, itself or in a list or beside null; None where it holds a value."""
    types = [annotation, *getattr(annotation, "__args__", ())]
    return next((found for found in types if isinstance(found, type) and issubclass(found, BaseModel)), None)


def _settings(prefix: str, model: type[BaseModel]) -> str:
    properties = model.model_json_schema(schema_generator=RecipeSchema)["properties"]
    described = argument_lines(DESCRIBED_ELSEWHERE[model]) if model in DESCRIBED_ELSEWHERE else {}
    rows = []
    for name, field in model.model_fields.items():
        inner = section_of(field.annotation)
        link = "a-model-and-its-engine" if inner is EngineConfig else anchor(prefix + name)
        kind = f"section{'s' if name == 'data' else ''}, see [below](#{link})" if inner else words_of(properties[name])
        default = "required" if field.is_required() else "" if inner else code(as_yaml(field.get_default()))
        meaning = field.description or described.get(name, "") or (inspect.getdoc(inner) if inner else "") or ""
        rows.append((code(prefix + name), kind, default, in_cell(meaning)))
    return table(("setting", "type", "default", "meaning"), rows)


def argument_lines(described: type) -> dict[str, str]:
    """What a docstring's lines "name: meaning" say, by name."""
    found: dict[str, str] = {}
    last = None
    for line in (inspect.getdoc(described) or "").split("\n"):
        if match := re.match(r"(\w+): (.*)", line):
            last = match[1]
            found[last] = match[2]
        elif last and line.startswith("    "):
            found[last] += f" {line.strip()}"
        else:
            last = None
    return found


def as_yaml(value: object) -> str:
    """A default as a recipe would have it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_yaml, value))}]"
    return str(value)


def words_of(schema: Schema, links: Mapping[str, str] = NO_LINKS) -> str:
    """What values a JSON schema allows, in words.

    links: the anchors of objects that are described elsewhere on the page, by name.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == "JsonValue":
            return "anything"
        return f"[{name}](#{links[name]})" if name in links else name
    if schema.get("title") in links and "properties" in schema:
        return f"[{schema['title']}](#{links[schema['title']]})"
    if "built_in" in schema:
        return ", ".join(map(code, schema["built_in"])) + " or your own"
    if "enum" in schema:
        return ", ".join(map(code, schema["enum"]))
    if "const" in schema:
        return code(schema["const"])
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(words_of(kind, links) for kind in kinds))
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items") or {}
        return f"list of {words_of(items, links)}" if items else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        if not isinstance(values, Mapping):
            return "object"
        names = words_of(schema["propertyNames"], links) if "propertyNames" in schema else "names"
        return f"{names}, each with {words_of(values, links)}"
    if kind is None:
        return "anything"
    word = {"date": "date", "binary": "file"}.get(schema.get("format", ""), JSON_NAMES[kind])
    return ", ".join([word, *_bounds(schema)])


def _bounds(schema: Schema) -> list[str]:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return [f"{word} {schema[key]:,g}" for key, word in words.items() if key in schema and abs(schema[key]) < 2**31]


# The HTTP interface


def http_page() -> str:
    """Every path and method of the server: what it does, what it takes, what it answers."""
    described = openapi()
    objects = {**described["components"]["schemas"], **dict(_titled(described["paths"]))}
    objects = {name: schema for name, schema in sorted(objects.items()) if schema.get("properties")}
    links = {name: anchor(name) for name in objects}
    parts = [
        "# HTTP interface\n",
        "What `penname serve` answers. [Serving](../serve.md) says how it is used; the server shows the same at "
        "`/docs`, and as OpenAPI at `/openapi.json`.\n",
        *(
            f"The header `Authorization: Bearer KEY`: {in_cell(scheme['description'])}\n"
            for scheme in described["components"]["securitySchemes"].values()
        ),
    ]
    by_tag: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["the server itself"])[0]
            by_tag.setdefault(tag, []).append(_operation(method, path, operation, links))
    for tag, operations in by_tag.items():
        parts += [f"## {tag[0].upper()}{tag[1:]}\n", *operations]
    parts.append("## Objects\n")
    for name, schema in objects.items():
        parts += [f"### {name}\n", in_cell(schema.get("description", "")) + "\n", _fields(schema, links)]
    return "\n".join(parts)


def openapi() -> dict[str, Any]:
    """The description that the server gives of itself."""
    return make_app(NoStore(), no_methods, key_required=False, longest_wait=1).openapi()  # type: ignore[arg-type]


class NoStore:
    """In a database's place, as nothing is asked."""

    def watch(self, observe: object) -> None:
        """Nothing happens that could be observed."""


def no_methods() -> Any:
    """In the place of what loads models."""
    raise AssertionError("the description needs no methods")


def _titled(schema: Any) -> Iterator[tuple[str, Schema]]:
    """The objects with a name that are described within requests."""
    if isinstance(schema, Mapping):
        if "properties" in schema and isinstance(schema.get("title"), str):
            yield schema["title"], schema
        for inner in schema.values():
            yield from _titled(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _titled(inner)


def _operation(method: str, path: str, operation: Schema, links: Mapping[str, str]) -> str:
    parameters = table(
        ("parameter", "where", "type", "meaning"),
        (
            (
                code(given["name"]),
                given["in"] + (", required" if given.get("required") and given["in"] != "path" else ""),
                words_of(given["schema"], links),
                in_cell(given.get("description", "")),
            )
            for given in operation.get("parameters", ())
        ),
    )
    body = table(
        ("body", "type"),
        (
            (code(kind), words_of(content.get("schema", {}), links))
            for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        ),
    )
    answers = table(
        ("answer", "type", "meaning"),
        (
            (
                status,
                " or ".join(
                    f"{code(kind)}: {words_of(content['schema'], links)}" if content.get("schema") else code(kind)
                    for kind, content in answer.get("content", {}).items()
                ),
                "" if status == "200" else in_cell(answer["description"]),
            )
            for status, answer in operation["responses"].items()
        ),
    )
    description = operation.get("description", "")
    return "\n".join([f"### {method.upper()} {path}\n", description + "\n", parameters, body, answers])


def _fields(schema: Schema, links: Mapping[str, str]) -> str:
    required = schema.get("required", ())
    return table(
        ("field", "type", "default", "meaning"),
        (
            (
                code(name),
                words_of(field, links),
                "required" if name in required else code(as_yaml(field.get("default"))) if "default" in field else "",
                in_cell(field.get("description", "")),
            )
            for name, field in schema["properties"].items()
        ),
    )


# Python


def python_page() -> str:
    """The public names; mkdocstrings puts their signatures and docstrings in."""
    functions = [name for name in penname.__all__ if name.islower()]
    classes = [name for name in penname.__all__ if not name.islower()]
    parts = ["# Python\n", "`import penname` loads nothing heavy; each name is imported when it is first used.\n"]
    parts += ["## Functions\n", *map(_identifier, functions), "## Classes\n", *map(_identifier, classes)]
    return "\n".join(parts)


def _identifier(name: str) -> str:
    if name == "Recipe":
        return f"::: penname.{name}\n    options:\n      members: false\n\n[Every setting](settings.md).\n"
    return f"::: penname.{name}\n"
