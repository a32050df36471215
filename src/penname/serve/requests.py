"""What clients ask for: OpenAI's requests with penname's own fields; unknown fields are passed over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request

MOST_TEXTS = 16
"""Most texts of a request, and most candidates of a text; the engine may have room for fewer together."""

MOST_LIKELY = 20

Text = Annotated[str, Field(max_length=1_000_000)]
Stop = Annotated[str, Field(min_length=1, max_length=500)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]


def _with_words(text: str) -> str:
    if not text.strip():
        raise ValueError("found nothing but white space, expected a text")
    return text


TextWithWords = Annotated[Text, AfterValidator(_with_words)]


def media_type(request: Request) -> str:
    """The type of a request's body, without parameters such as a charset; empty where none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class Part(BaseModel):
    """A part of a message's content; only text is understood."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal["text", "input_text"] = "text"
    text: Text


class Message(BaseModel):
    """A turn of a conversation."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[Part] | None = None

    @property
    def text(self) -> str:
        """Its content as text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """How a response is streamed."""

    model_config = ConfigDict(extra="allow", strict=True)

    include_usage: bool = False


class WritingRequest(BaseModel):
    """What both kinds of requests have."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    model: Annotated[str, Field(max_length=2000)] = Field("penname", description="penname/USER or penname/USER@METHOD")
    user: Annotated[str, Field(max_length=2000)] | None = Field(
        None, description="who is written as, where the model does not say it"
    )
    stream: bool | None = Field(None, description="send the text as it is written")
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=MOST_TEXTS)] | None = Field(None, description="number of texts")
    seed: Seed | None = Field(None, description="the same seed gives the same text; by default another each time")
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = Field(
        None, description="strings before which the response ends"
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(None, description="by default the run's")
    top_p: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="by default the run's")
    top_k: Annotated[int, Field(ge=0, le=2**31)] | None = Field(
        None, description="as in a recipe's decoding; by default the run's"
    )
    min_p: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="as in a recipe's decoding; by default the run's"
    )
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = Field(
        None, description="as in a recipe's decoding; by default the run's"
    )
    no_repeat_ngram: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        None, description="as in a recipe's decoding; by default the run's"
    )
    candidates: Annotated[int, Field(ge=1, le=MOST_TEXTS)] | None = Field(
        None, description="texts that are written for each one that is returned, which is the one most like the others"
    )
    reasoning: Text | None = Field(None, description="a reasoning in the place of the user's own")
    query: TextWithWords | None = Field(None, description="what documents are searched for; by default the prompt")
    item: Annotated[str, Field(max_length=2000)] | None = Field(None, description="the item that the text is about")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The strings before which the response ends."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def sampling(self) -> dict[str, Any]:
        """The settings of the sampling that the request has, by their names in `penname.engines.base.Sampling`."""
        names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "no_repeat_ngram")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ChatRequest(WritingRequest):
    """A request for a turn of a conversation."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None

    @property
    def most_tokens(self) -> int | None:
        """The longest completion, in tokens."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def most_likely(self) -> int | None:
        """For how many most likely tokens log probabilities are asked for; None for none."""
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionRequest(WritingRequest):
    """A request for the completion of a prompt."""

    prompt: TextWithWords | Annotated[list[TextWithWords], Field(min_length=1, max_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None

    @property
    def most_tokens(self) -> int | None:
        """The longest completion, in tokens."""
        return self.max_tokens

    @property
    def most_likely(self) -> int | None:
        """For how many most likely tokens log probabilities are asked for; None for none."""
        return self.logprobs

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]
