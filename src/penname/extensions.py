"""Extensions: objects outside penname that a recipe names as `package.module:name`, or that Python code passes."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from penname.errors import UserError

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
                raise UserError(f"{self}: found no {part!r} in {where}; an object made in Python has to be given again")
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
    """A hash of the source of an extension's function or class, but not of what it calls, to detect changes."""
    target = inspect.unwrap(name.load())
    definition = target if hasattr(target, "__qualname__") else type(target)
    try:
        source = inspect.getsource(definition)
    except (OSError, TypeError):
        code = getattr(definition, "__code__", None)
        source = repr((code.co_code, code.co_consts)) if code else repr(sys.modules.get(definition.__module__))
    return hashlib.sha256(source.encode()).hexdigest()[:16]
