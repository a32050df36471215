"""Reads recipes from YAML, with dotted overrides. The error for an unknown key names the most similar known key."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from penname.config import Recipe
from penname.errors import DataError, UserError
from penname.extensions import load_callable
from penname.shipped import shipped_recipes

RENAMED = {"rows": "batch_size", "carve": "split_by_user"}
"""The new names of renamed settings, by the names that they had in earlier versions."""
WORDS_BEFORE = "ascii"
"""What `reward.words` was in earlier versions, which did not have it."""
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""That of libyaml, where there is one, takes a tenth of the time."""


def load_recipe(name: str | Path, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read a recipe file, or a recipe that comes with penname, with other values for some of its settings.

    Settings may have the names that they had in earlier versions.

    name: a YAML file, or the name of a recipe that comes with penname, such as `quickstart`.
    overrides: texts such as `expectation.samples=8`, or a mapping of dotted names to values. Where a recipe names
        something built in, a value may name an extension, `package.module:name`, or be the object itself.

    Raises UserError for a file or an extension that does not exist, broken YAML, an unknown key (with the most similar
    known one), or an invalid value.
    """
    path = Path(name)
    if not path.is_file():
        path = shipped_recipes().get(path.stem if path.parent.name in ("", "recipes") else "", path)
    if not path.is_file():
        raise DataError(path, found="no such recipe", expected=f"a YAML file or one of {', '.join(shipped_recipes())}")
    values = _with_new_names(_read_values(path))
    settings = overrides.items() if isinstance(overrides, Mapping) else map(_key_and_value, overrides)
    applied = []
    for key, value in settings:
        _set(values, key, value)
        applied.append(f"{key}={value}")
    return check_recipe(values, str(path), applied)


def read_recipe_of_run(path: Path) -> Recipe:
    """The recipe in a run's folder, which may be from an earlier version that had other names for some settings.

    Its extensions are not loaded: looking at a run does not require their code.

    Raises UserError for a file that is not such a recipe.
    """
    return check_recipe(of_earlier_version(_read_values(path)), str(path), with_extensions=False)


def of_earlier_version(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a run's recipe, or of some of its sections, as this version would have written them."""
    renamed: dict[str, Any] = _with_new_names(values)
    if isinstance(reward := renamed.get("reward"), dict):
        renamed["reward"] = {"words": WORDS_BEFORE} | reward
    return renamed


def _with_new_names(values: Any) -> Any:
    """The values, with the settings of earlier versions under their new names, at any depth."""
    if isinstance(values, dict):
        return {RENAMED.get(name, name): _with_new_names(value) for name, value in values.items()}
    return [_with_new_names(value) for value in values] if isinstance(values, list) else values


def _read_values(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _LOADER)
    except UnicodeDecodeError:
        raise DataError(path, found="bytes that are not UTF-8", expected="a recipe") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        line = mark.line + 1 if mark else None
        raise DataError(path, line=line, found=f"broken YAML ({reason})", expected="a recipe") from None
    except RecursionError:
        raise DataError(path, found="YAML nested too deeply", expected="a recipe") from None
    if not isinstance(values, dict):
        raise DataError(path, found=type(values).__name__, expected="the keys and values of a recipe")
    return values


def check_recipe(
    values: dict[str, Any], source: str, overrides: Sequence[str] = (), *, with_extensions: bool = True
) -> Recipe:
    """The recipe with these values.

    values: the recipe's sections and settings.
    source: the file that they come from, for error messages.
    overrides: the overrides that were applied to it, as `key=value`.
    with_extensions: whether to load the extensions that it names.

    Raises UserError for an invalid value, naming the override that set it, or else the file and the overrides that may
    be involved.
    """
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        raise _first_problem(error, source, overrides) from None
    for name, what, arguments in recipe.extensions() if with_extensions else []:
        load_callable(name, what, *arguments)
    return recipe


def _key_and_value(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UserError(f"{override}: expected key=value, as in expectation.samples=8")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{override}: found no YAML value after the equals sign, expected key=value") from None
    # YAML 1.1 takes 1e-5 for text.
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    return key, value


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UserError(f"{key}: {parent} holds {type(inner).__name__}, expected a section")
        values = inner
    values[last] = value


def _origin(field: str, source: str, overrides: Sequence[str]) -> str:
    """What set an invalid field: the last override of it or its section, or else the file and overrides within it."""
    keys = {override: override.partition("=")[0] for override in overrides}
    setting_it = [override for override, key in keys.items() if f"{field}.".startswith(f"{key}.")]
    within = [override for override, key in keys.items() if not field or key.startswith(f"{field}.")]
    if setting_it:
        return setting_it[-1]
    return f"{source} with {' and '.join(within)}" if within else source


def _first_problem(error: ValidationError, source: str, overrides: Sequence[str]) -> UserError:
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"] if part != "[key]") or None
    source = _origin(field or "", source, overrides)
    if problem["type"] == "extra_forbidden":
        known = sorted(set(_known_keys(Recipe)))
        unknown = str(problem["loc"][-1])
        siblings = _keys_at(problem["loc"][:-1])
        if (renamed := RENAMED.get(unknown)) in siblings:
            return DataError(source, field=field, found="a name of an earlier version", expected=repr(renamed))
        near = difflib.get_close_matches(unknown, siblings, 1, 0.4) or difflib.get_close_matches(unknown, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(siblings)}"
        return DataError(source, field=field, found="an unknown key", expected=f"a known one: {hint}")
    if problem["type"] == "missing":
        return DataError(source, field=field, found="nothing", expected="a value")
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "value_error" and isinstance(problem["input"], dict):  # settings that contradict each other
        return UserError(f"{source}: {f'field {field!r}: ' if field else ''}{message}")
    return DataError(source, field=field, found=repr(problem["input"])[:80], expected=message)


def _known_keys(model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield name
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _known_keys(info.annotation)


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Recipe
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        arguments = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = arguments[0] if arguments else annotation
    return list(model.model_fields)
