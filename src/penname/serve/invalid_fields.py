"""What the fields of a request lack, in the words of the interface: what was found and what was expected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from penname.serve.errors import ApiError

Fault = Mapping[str, Any]
"""A fault as pydantic tells it."""

_EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "no field of this name",
    "string_type": "a string",
    "string_unicode": "one in Unicode",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "literal_error": "{expected}",
    "string_too_short": "at least {min_length}",
    "string_too_long": "at most {max_length}",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
}

_TYPE = re.compile(r"[-\[]|^(str|int|float|bool)$")
"""Names of types, which pydantic puts among the fields, such as constrained-str or list[...]."""

_WORD = re.compile(r"[\w.-]{1,40}")
_NUMBER = re.compile(r"-?[0-9.]{1,20}")


def invalid(faults: Sequence[Fault], *before: str | int) -> ApiError:
    """The answer to a request whose fields have faults; it tells the first one.

    before: the place in the request that the fields of the faults are in, from the outside in.
    """
    fault = faults[0]
    if fault["type"] == "json_invalid":  # it has the place in the body, in letters
        field = field_of(before)
        problem = f"found no JSON ({fault['ctx']['error']})"
    else:
        field, problem = _told(faults, before)
    return ApiError(400, f"{field}: {problem}", "invalid_value", field)


def field_of(place: Sequence[str | int]) -> str:
    """A field's name as messages have it, such as `messages[0].content`. place: from the outside in."""
    named = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return named.removeprefix(".") or "body"


def _told(faults: Sequence[Fault], before: Sequence[str | int]) -> tuple[str, str]:
    """The field of the first fault, and what it lacks.

    Where a field may have several types there is a fault for each of them: those of the type that it has are told, and
    where it has none, all that it may have.
    """
    field = _path(faults[0])
    here = [fault for fault in faults if _path(fault)[: len(field)] == field]
    of_its_type = [fault for fault in here if not (_ends_in_type(fault) and fault["type"].endswith("_type"))]
    if of_its_type:
        fault = of_its_type[0]
        return field_of((*before, *_path(fault))), _problem(fault)
    expected = " or ".join(dict.fromkeys(map(_expected, here)))
    return field_of((*before, *field)), f"found {_found(here[0])}, expected {expected}"


def _path(fault: Fault) -> tuple[str | int, ...]:
    """Where a fault is, without the types among the fields."""
    *outer, last = fault["loc"] or ("",)
    parts = outer if _ends_in_type(fault) else [*outer, last]
    return tuple(part for part in parts if part == last or isinstance(part, int) or not _TYPE.search(part))


def _ends_in_type(fault: Fault) -> bool:
    """Whether a fault is that of one of several types that a field may have."""
    last = fault["loc"][-1] if fault["loc"] else 0
    return fault["type"] != "extra_forbidden" and isinstance(last, str) and bool(_TYPE.search(last))


def _problem(fault: Fault) -> str:
    if fault["type"] == "value_error":  # one of penname's own
        return str(fault["ctx"]["error"])
    if fault["type"] not in _EXPECTED:
        return str(fault["msg"])
    return f"found {_found(fault)}, expected {_expected(fault)}"


def _expected(fault: Fault) -> str:
    told = _EXPECTED.get(fault["type"])
    return str(fault["msg"]) if told is None else told.format(**fault.get("ctx", {}))


def _found(fault: Fault) -> str:
    """What a field has; no more of a text than its length, as it may be a user's."""
    kind, value = fault["type"], fault["input"]
    if kind in ("missing", "extra_forbidden"):
        return "none" if kind == "missing" else "one"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value) if len(str(value)) <= 20 else "a number of many digits"
    if isinstance(value, str):
        return _found_string(kind, value)
    named = "a list" if isinstance(value, Sequence) else "an object"
    return f"{named} of length {len(value)}" if kind.startswith("too_") else named


def _found_string(kind: str, value: str) -> str:
    if kind.startswith("string_too_"):
        return f"a string of length {len(value)}"
    if kind == "string_unicode":
        return "a string that is not in Unicode"
    # One of a few words, or a number in an address.
    shown = _WORD.fullmatch(value) if kind == "literal_error" else _NUMBER.fullmatch(value)
    return repr(value) if shown else "a string"
