"""What the form of the page asks for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from penname.serve.errors import ApiError
from penname.serve.requests import TextWithWords

MOST_COLUMNS = 4
BITS_OF_SEED = 32


def _number_or_none(text: Any) -> Any:
    """An empty field asks for nothing."""
    return None if isinstance(text, str) and not text.strip() else text


def _stripped(text: str) -> str:
    return text.strip()


Name = Annotated[str, Field(max_length=2000), AfterValidator(_stripped)]


class Asked(BaseModel):
    """What is asked for.

    method, user: those of each column; an empty user for nobody.
    most_tokens, temperature: None for those of each method's run.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    prompt: TextWithWords
    seed: Annotated[int, Field(ge=0, lt=2**53)]
    method: Annotated[list[Name], Field(min_length=1, max_length=MOST_COLUMNS)]
    user: Annotated[list[Name], Field(min_length=1, max_length=MOST_COLUMNS)]
    most_tokens: Annotated[int | None, Field(ge=1, le=100_000), BeforeValidator(_number_or_none)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2), BeforeValidator(_number_or_none)] = None

    @property
    def columns(self) -> list[tuple[str, str | None]]:
        """Method and user of each column. Raises ApiError where there are not as many of both."""
        if len(self.method) != len(self.user):
            problem = f"user: found {len(self.user)}, expected one for each of {len(self.method)} columns"
            raise ApiError(400, problem, "invalid_value", "user")
        return [(method, user or None) for method, user in zip(self.method, self.user, strict=True)]
