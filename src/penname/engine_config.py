"""Sections of a recipe, and the one of them that says which model is run by which engine."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from penname.engines.connection import Endpoint
from penname.extensions import Named
from penname.prompts.chat_template import DATE, RESERVED
from penname.prompts.render import PromptFormat

ENGINES = ("local", "vllm", "openai")
EngineKind = Annotated[str, Named(ENGINES)]
EndpointSetting = Literal["auto", Endpoint]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A section of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class EngineConfig(Section):
    """A model and the engine that runs it."""

    kind: EngineKind = Field(
        "local", description="what runs the model: this process (local), vLLM in it, or a server (openai)"
    )
    model: str = Field("bundled", description="bundled, a folder, a hub id, or the name that a server knows it by")
    format: PromptFormat = Field(
        "chat",
        description="chat: the prompt is wrapped in the model's chat template; plain: it is not, as for base models",
    )
    chat_template_kwargs: dict[str, JsonValue] = Field(
        {}, description="arguments of the model's chat template, as enable_thinking; the model does not think without"
    )
    chat_template_date: date = Field(
        DATE, description="what the chat template prints as today's date, so that no result depends on the day"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="compute dtype; auto: bfloat16 where the device computes in it, otherwise float32"
    )
    batch_size: Count = Field(64, description="completions that the local engine writes at once")
    base_url: str | tuple[str, ...] | None = Field(
        None,
        description="address of the openai engine's server, ending in /v1; or several, of servers of the same "
        "model, among which requests are divided",
    )
    server: Literal["openai", "vllm", "transformers"] = Field("openai", description="which software that server runs")
    endpoint: EndpointSetting = Field(
        "auto",
        description="completions: the server completes prompts that are rendered here; chat: it is sent messages, for "
        "servers with nothing else; auto: the run asks the server when it starts, and prefers completions",
    )
    tokenizer: str | None = Field(
        None,
        description="hub id or folder of the tokenizer of that server's model; null: that of the hub id or folder "
        "model, and with chat an estimate of the number of tokens",
    )

    @field_validator("chat_template_kwargs")
    @classmethod
    def _own_arguments(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if reserved := [name for name in RESERVED if name in given]:
            raise ValueError(f"found {reserved[0]}, which penname gives the template itself")
        return given

    @model_validator(mode="after")
    def _server(self) -> Self:
        if self.kind == "openai" and not self.base_url:
            raise ValueError("kind openai needs base_url, the server's address")
        if self.kind != "openai" and (self.endpoint != "auto" or self.tokenizer is not None):
            raise ValueError("endpoint and tokenizer are for kind openai")
        return self

    @model_validator(mode="after")
    def _chat(self) -> Self:
        if self.endpoint == "chat" and self.server != "openai":
            raise ValueError(
                f"endpoint chat is for server openai; server {self.server} has completions, which are exact"
            )
        if self.endpoint == "chat" and self.format == "plain":
            raise ValueError(
                "format plain needs endpoint completions, as endpoint chat puts a chat template around prompts"
            )
        return self

    @property
    def asks_for_endpoint(self) -> bool:
        """Whether its endpoint is to be found out by asking the server."""
        undecided = self.kind == "openai" and self.endpoint == "auto"
        return undecided and self.server == "openai" and self.format == "chat"

    @property
    def tokenizer_name(self) -> str | None:
        """What its tokenizer is loaded from; None where the number of tokens is estimated."""
        return self.tokenizer or (None if self.endpoint == "chat" else self.model)
