"""What recipes name beside what is built in: `package.module:name`, or in Python the object itself."""

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

    It is the text that stands in a recipe. Given in Python as an object, it carries the object.
    """

    given: Any

    def __new__(cls, name: str, given: Any = None) -> Self:
        made = super().__new__(cls, name)
        made.given = given
        return made

    @classmethod
    def of(cls, given: Any, alias: str | None = None) -> Self:
        """The name of `given`, which goes with it."""
        named = given if hasattr(given, "__qualname__") else type(given)
        name = f"{named.__module__}:{named.__qualname__}"
        return cls(f"{alias}={name}" if alias else name, given)

    @property
    def short(self) -> str:
        """What tables and files call it: the alias, or else the last part of its name."""
        found = _NAME.fullmatch(self)
        assert found is not None
        return found["alias"] or found["path"].rpartition(".")[2]

    def load(self) -> Any:
        """The object. Raises UserError where the module or the name in it is not there."""
        if self.given is not None:
            return self.given
        found = _NAME.fullmatch(self)
        assert found is not None
        try:
            loaded: Any = importlib.import_module(found["module"])
        except Exception as error:  # whatever the module does when it is imported
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(f"{self}: importing {found['module']} failed ({said})") from None
        for part in found["path"].split("."):
            if not hasattr(loaded, part):
                where = getattr(loaded, "__file__", None) or found["module"]
                raise UserError(f"{self}: found no {part!r} in {where}; an object made in Python has to be given again")
            loaded = getattr(loaded, part)
        self.given = loaded
        return loaded


def short_name(name: str) -> str:
    """What tables and files call something that a recipe names."""
    return name.short if isinstance(name, Extension) else name


@dataclass(frozen=True)
class Named:
    """Marks a setting that names something built in, or an extension, or in Python is the object itself."""

    built_in: tuple[str, ...]

    def check(self, value: Any) -> str:
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
    """The extension called `name`, a function or class that takes `arguments`.

    what: the kind of thing that it is to be, for the message. Raises UserError where it is missing or of another kind.
    """
    assert isinstance(name, Extension)
    found = name.load()
    taken = f"{what}({', '.join(arguments)})"
    if not callable(found):
        raise UserError(f"{name}: found {type(found).__name__}, expected a function called as {taken}")
    try:
        inspect.signature(found).bind(*arguments)
    except TypeError:
        own = f"{name.short}{inspect.signature(found)}"
        raise UserError(f"{name}: found {own}, expected a function called as {taken}") from None
    except ValueError:  # compiled code that does not say what it takes
        pass
    return found


def source_hash(name: Extension) -> str:
    """Tells whether an extension is still what it was: of the source of its function or class, what it calls aside."""
    found = inspect.unwrap(name.load())
    named_object = found if hasattr(found, "__qualname__") else type(found)
    try:
        source = inspect.getsource(named_object)
    except (OSError, TypeError):
        code = getattr(named_object, "__code__", None)
        source = repr((code.co_code, code.co_consts)) if code else repr(sys.modules.get(named_object.__module__))
    return hashlib.sha256(source.encode()).hexdigest()[:16]
