"""Extensions: objects outside penname that a recipe names as `package.module:name`, or that Python code passes."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CodeType, ModuleType
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from penname.errors import UserError

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_MAX_DEPTH = 4
"""Depth to which the values bound to an extension are looked into."""
_NAME = re.compile(r"(?:(?P<alias>[\w-]+)=)?(?P<module>[A-Za-z_][\w.]*):(?P<path>[\w.<>]+)")


class Extension(str):
    """The name of an object outside penname: `package.module:name`, or `ALIAS=package.module:name`.

    As text it is what a recipe has. Where Python code passed the object itself, it carries the object.

    target: the object, once it is known.
    """

    target: Any

    def __new__(cls, name: str, target: Any = None) -> Self:
        extension = super().__new__(cls, name)
        extension.target = target
        return extension

    @classmethod
    def of(cls, target: Any, alias: str | None = None) -> Self:
        """The extension that carries `target`, named after where it is defined; `alias` is its short name."""
        definition = target if hasattr(target, "__qualname__") else type(target)
        name = f"{definition.__module__}:{definition.__qualname__}"
        if alias and not _NAME.fullmatch(f"{alias}={name}"):
            raise UserError(f"name {alias!r} of {name}: expected letters, digits, - and _ only")
        return cls(f"{alias}={name}" if alias else name, target)

    @property
    def short(self) -> str:
        """Its name in tables and files: the alias, or else the last part of its name."""
        parts = _NAME.fullmatch(self)
        assert parts is not None
        return parts["alias"] or parts["path"].rpartition(".")[2]

    def load(self) -> Any:
        """The object. Raises UserError where its module cannot be imported or does not have the name."""
        if self.target is not None:
            return self.target
        parts = _NAME.fullmatch(self)
        assert parts is not None
        try:
            loaded: Any = importlib.import_module(parts["module"])
        except Exception as error:  # importing a module can raise any error
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{self}: importing {parts['module']} failed ({reason})") from None
        for part in parts["path"].split("."):
            if not hasattr(loaded, part):
                where = getattr(loaded, "__file__", None) or parts["module"]
                made_in_python = parts["module"] == "__main__" or "<" in parts["path"]
                hint = "; an object made in Python has to be given again" if made_in_python else ""
                raise UserError(f"{self}: found no {part!r} in {where}{hint}")
            loaded = getattr(loaded, part)
        self.target = loaded
        return loaded


def short_name(name: str) -> str:
    """The name in tables and files of something that a recipe names."""
    return name.short if isinstance(name, Extension) else name


@dataclass(frozen=True)
class Named:
    """Marks a setting that names something built in or an extension, or that is an object passed in Python.

    built_in: the names of what is built in.
    """

    built_in: tuple[str, ...]

    def check(self, value: Any) -> str:
        """The value as a name or an Extension. Raises ValueError for any other value."""
        if isinstance(value, Extension) or (isinstance(value, str) and value in self.built_in):
            return value
        if isinstance(value, str) and _NAME.fullmatch(value):
            return Extension(value)
        if not isinstance(value, str) and callable(value):
            return Extension.of(value)
        raise ValueError(f"one of {', '.join(self.built_in)}, or package.module:name")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        as_text = core_schema.plain_serializer_function_ser_schema(str.__str__)
        return core_schema.no_info_plain_validator_function(self.check, serialization=as_text)


def load_callable(name: str, what: str, *arguments: str) -> Callable[..., Any]:
    """Load the extension called `name`, a function or class.

    what: the kind of extension that is expected, for the error message.
    arguments: the names of the positional arguments that it is called with.

    Raises UserError where it does not exist or cannot be called with these arguments.
    """
    assert isinstance(name, Extension)
    function = name.load()
    call = f"{what}({', '.join(arguments)})"
    if not callable(function):
        raise UserError(f"{name}: found {type(function).__name__}, expected a function called as {call}")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        signature = f"{name.short}{inspect.signature(function)}"
        raise UserError(f"{name}: found {signature}, expected a function called as {call}") from None
    except ValueError:  # compiled code does not reveal its signature
        pass
    return function


def source_hash(name: Extension) -> str:
    """A hash of the source of an extension's function or class and of the values bound to it, to detect changes.

    These are a function's defaults and what it takes from the functions around it, the arguments of a
    `functools.partial`, and the public attributes of an object. What the function calls is not hashed, nor are private
    attributes, where an object may keep what changes, such as a cache.
    """
    return hashlib.sha256(_description(name.load(), depth=0).encode()).hexdigest()[:16]


def _description(value: Any, depth: int) -> str:
    """A text that changes with the value, but not from one process to the next."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if depth > _MAX_DEPTH:
        return type(value).__qualname__
    inner = partial(_description, depth=depth + 1)
    if isinstance(value, partial):
        return inner([value.func, value.args, value.keywords])
    if isinstance(value, dict):
        return f"{{{', '.join(f'{inner(key)}: {inner(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inner, value))}]"
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(inner, value)))}}}"
    if isinstance(value, ModuleType):
        return value.__name__
    if inspect.isfunction(value):
        function = inspect.unwrap(value)
        bound = [cell.cell_contents for cell in function.__closure__ or () if cell.cell_contents is not function]
        return f"{_source(function)} {inner([function.__defaults__, function.__kwdefaults__, bound])}"
    if inspect.isclass(value) or not hasattr(value, "__dict__"):
        return _source(value if hasattr(value, "__qualname__") else type(value))
    public = {name: attribute for name, attribute in vars(value).items() if not name.startswith("_")}
    return f"{_source(type(value))} {inner(public)}"


def _source(definition: Any) -> str:
    try:
        return inspect.getsource(definition)
    except (OSError, TypeError):
        code = getattr(definition, "__code__", None)
        return _code(code) if code else f"{definition.__module__}.{definition.__qualname__}"


def _code(code: CodeType) -> str:
    """What a function without a source file does: its instructions, names and constants, also of functions within."""
    constants = [_code(constant) if isinstance(constant, CodeType) else repr(constant) for constant in code.co_consts]
    return repr((code.co_code, code.co_names, constants))
