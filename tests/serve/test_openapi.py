"""Whatever the OpenAPI description allows, and what it does not, is answered as OpenAI would, never with a 5xx."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

SETTINGS: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
}


def schema_at(address: str) -> Any:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    return schema


def status_of(case: Case, address: str) -> int:
    """The status that a request is answered with; a refusal has OpenAI's shape."""
    if isinstance(case.body, dict):  # so that what is written is short
        case.body = {**case.body, "max_tokens": 1, "max_completion_tokens": 1, "n": 1, "candidates": 1}
    answer = case.call(base_url=address, timeout=60)
    assert answer.status_code < 500
    assert answer.status_code != 422
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert sorted(error) == ["code", "message", "param", "type"]
        assert error["message"]
        assert error["code"]
    return answer.status_code


def fuzz(address: str, examples: int) -> None:
    """Check so many examples of each of the operations."""
    operations = [result.ok() for result in schema_at(address).get_all_operations()]
    assert len(operations) >= 10
    statuses: Counter[int] = Counter()
    for operation in operations:

        @hypothesis.settings(max_examples=examples, **SETTINGS)
        @hypothesis.given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
        def one(case: Case) -> None:
            statuses[status_of(case, address)] += 1

        one()
    assert statuses[200]
    assert statuses[400]


def test_no_request_makes_the_server_fail(address):
    fuzz(address, 6)


@pytest.mark.slow
def test_no_request_of_many_makes_the_server_fail(address):
    fuzz(address, 100)


def test_the_description_says_what_is_answered(address):
    described = schema_at(address).raw_schema
    for operations in described["paths"].values():
        for operation in operations.values():
            assert "200" in operation["responses"]
            assert "422" not in operation["responses"]
    of_keys = [o for path, found in described["paths"].items() if path.startswith("/v1") for o in found.values()]
    assert all(operation["security"] == [{"HTTPBearer": []}] for operation in of_keys)
    chat = described["paths"]["/v1/chat/completions"]["post"]
    assert "x-penname-user" in [parameter["name"] for parameter in chat["parameters"]]
    assert "4XX" in described["paths"]["/metrics"]["get"]["responses"]
