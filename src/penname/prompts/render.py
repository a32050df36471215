"""From an example and its retrieved documents to the token ids of a prompt, within the token limit.

Only documents are truncated to keep a prompt within the limit, the least relevant first. The instruction, the fixed
phrases, `answer:` and training targets are never truncated. Only the chat template writes control tokens; what looks
like one in a text is tokenized as its letters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from typing import Any, Literal

from penname.control_tokens import ControlTokens
from penname.errors import UserError
from penname.prompts.chat_template import DATE, ChatTemplate
from penname.prompts.growing_text import GrowingText
from penname.prompts.templates import DOCUMENT_SEPARATOR, TemplateName, fill, separator
from penname.thoughts import ThoughtCutter

PromptFormat = Literal["chat", "plain"]

LETTERS_OF_TOKEN = 16
"""More than a token has in most texts."""

TOKENS_AT_CUT = 64
"""Tokens before a cut that may not be those of the whole text."""


class PromptTooLong(UserError):
    """A prompt is over the token limit even without documents.

    setting: dotted name of the recipe's setting that has the limit.
    excess: number of tokens by which the prompt is over it.
    """

    def __init__(self, message: str, setting: str, excess: int) -> None:
        super().__init__(message)
        self.setting = setting
        self.excess = excess


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt.

    tokens: its token ids.
    shortened: number of documents that were truncated or omitted to keep within the limit.
    """

    text: str
    tokens: list[int]
    shortened: int


@dataclass(frozen=True)
class Renderer:
    """Renders prompts for one tokenizer.

    tokenizer: of the model that the prompts are for.
    format: `chat` wraps the prompt as the user's turn of the tokenizer's chat template; `plain`, for base models,
        leaves it unchanged.
    max_tokens: token limit of a prompt, including the chat template.
    setting: dotted name of the recipe's setting for this limit, for error messages.
    ends: ids of other tokens that end a completion, see `penname.engines.models.generation_ends`.
    chat_template_kwargs, chat_template_date: see `penname.prompts.chat_template.ChatTemplate`.
    """

    tokenizer: Any
    format: PromptFormat
    max_tokens: int
    setting: str = "prompt.max_input_tokens"
    ends: tuple[int, ...] = ()
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    chat_template_date: date = DATE

    @cached_property
    def chat(self) -> ChatTemplate | None:
        """The chat template with its arguments; None where prompts have no template."""
        if self.format == "plain":
            return None
        return ChatTemplate(self.tokenizer, self.chat_template_kwargs, self.chat_template_date)

    @cached_property
    def end_id(self) -> int:
        """The id of the token that ends a completion; it is trained on as part of every target.

        In a chat it is the control token that the template puts after a reply (Gemma's <end_of_turn>), if there is one;
        otherwise it is the tokenizer's end-of-text token.
        """
        if self.chat is not None:
            first = self._encode(self.chat.after_reply)[:1]
            if first and first[0] in self._control_tokens.strings:
                return first[0]
        if self.tokenizer.eos_token_id is None:
            raise UserError("this tokenizer has no end-of-text token, so it is not the tokenizer of a generative model")
        return int(self.tokenizer.eos_token_id)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The ids of all tokens that end a completion."""
        return tuple(dict.fromkeys((self.end_id, *self.ends)))

    @property
    def end(self) -> str:
        """The token that ends a completion, as text."""
        return str(self.tokenizer.decode([self.end_id], skip_special_tokens=False))

    @property
    def exported_template(self) -> str | None:
        """The chat template for other programs, see `ChatTemplate.exported`; None where prompts have no template."""
        return None if self.chat is None else self.chat.exported(self.end)

    def render(
        self, name: TemplateName, documents: Sequence[str] | Mapping[str, Sequence[str]], **values: str
    ) -> Prompt:
        """Fill in the template `name`.

        documents: the context, most relevant first; for a template with several fields for documents, a list for each,
            by the field's name. Over the limit, the last documents of all lists are truncated first.
        values: the template's other fields.

        Raises PromptTooLong where the prompt exceeds the limit even without documents.
        """
        lists = documents if isinstance(documents, Mapping) else {"context": documents}
        return self._render(
            lambda fields: fill(name, **fields, **values), separator(name), lists, values.get("input", "")
        )

    def render_shortened(
        self, name: TemplateName, documents: Mapping[str, Sequence[str]], shorten: Sequence[str], **values: str
    ) -> Prompt:
        """Render as `render` does, but truncate some values where there is no room for them, the longest first.

        shorten: names of the values that may be truncated.

        Raises PromptTooLong where the prompt exceeds the limit even without these values.
        """
        while True:
            try:
                return self.render(name, documents, **values)
            except PromptTooLong as error:
                longest = max(shorten, key=lambda field: self._length(values[field]), default=None)
                length = self._length(values[longest]) if longest is not None else 0
                if longest is None or not length:
                    raise
                values[longest] = self.truncate(values[longest], max(0, length - error.excess))

    def render_text(self, text: str, documents: Sequence[str], input_text: str) -> Prompt:
        """Fill in `text`, a template from outside penname: the documents replace `{context}`.

        documents: the context, most relevant first.
        input_text: the input x, for the error message.

        Raises PromptTooLong as `render` does.
        """
        lists = {"context": documents}
        return self._render(
            lambda fields: text.replace("{context}", fields["context"]), DOCUMENT_SEPARATOR, lists, input_text
        )

    def _render(
        self,
        fill_in: Callable[[Mapping[str, str]], str],
        document_separator: str,
        lists: Mapping[str, Sequence[str]],
        input_text: str,
    ) -> Prompt:
        """Render the prompt that `fill_in` makes of the joined documents of each field, within the limit."""
        ranked = sorted(
            ((rank, field, text) for field, texts in lists.items() for rank, text in enumerate(texts)),
            key=lambda entry: entry[0],
        )
        fields, documents = [field for _, field, _ in ranked], [text for *_, text in ranked]

        def filled(kept: Sequence[str]) -> tuple[str, list[int]]:
            of_field = {
                name: [text for field, text in zip(fields, kept, strict=False) if field == name] for name in lists
            }
            joined = {field: document_separator.join(texts) for field, texts in of_field.items()}
            return self._wrapped(fill_in(joined))

        budget = self.max_tokens - len(filled([])[1])
        if budget < 0:
            raise PromptTooLong(
                f"prompt of {self.max_tokens - budget} tokens without any document is over the limit of "
                f"{self.max_tokens}: raise {self.setting} or shorten the input {input_text[:60]!r}",
                self.setting,
                -budget,
            )
        kept = self._within(documents, budget, document_separator)
        while True:
            text, tokens = filled(kept)
            excess = len(tokens) - self.max_tokens
            if excess <= 0:
                shortened = sum(a != b for a, b in zip(documents, kept, strict=False))
                return Prompt(text, tokens, shortened + len(documents) - len(kept))
            # Tokens merge where texts are joined, so the budget can be slightly off: truncate once more from the end.
            kept = self._within(kept, sum(map(self._length, kept)) - excess, document_separator)

    def target(self, completion: str) -> list[int]:
        """Token ids to train on: the completion and the token that ends it."""
        if self.chat is None:
            return [*self._tokens(" " + completion), self.end_id]
        return [*self._encode(self.chat.before_completion), *self._tokens(completion), self.end_id]

    def prefix(self, completion: str) -> list[int]:
        """Token ids of a completion's prefix for the model to continue, without trailing white space."""
        return self.target(completion.rstrip())[:-1]

    def completion(self, tokens: Sequence[int], *, continued: bool = False) -> str:
        """The text of a completion without what the model thought before it, or instead of it.

        tokens: the token ids that the model wrote.
        continued: whether it continued a `prefix`.
        """
        return self._completion(tokens, continued=continued, decode=self.decode)

    def growing_completion(self, *, continued: bool = False) -> Callable[[Sequence[int]], str]:
        """As `completion`, for one completion that grows: what was decoded before is not decoded again."""
        return partial(self._completion, continued=continued, decode=GrowingText(self.decode))

    def _completion(self, tokens: Sequence[int], *, continued: bool, decode: Callable[[Sequence[int]], str]) -> str:
        if self.chat is not None and not continued:
            tokens = [*self._encode(self.chat.opened_thought), *tokens]
        return self._thoughts.cut_text(decode(self._thoughts.cut_tokens(tokens)))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def truncate(self, text: str, max_tokens: int) -> str:
        """The text truncated so that it has at most `max_tokens` tokens when it is tokenized again."""
        tokens, kept = self._first_tokens(text, max_tokens + 1), max_tokens
        while len(self._first_tokens(text, max_tokens + 1)) > max_tokens:
            text = self.decode(tokens[:kept])
            kept -= 1  # part of a character can take more tokens than the whole
        return text

    def _within(self, documents: Sequence[str], budget: int, document_separator: str) -> list[str]:
        """The documents truncated to a total of `budget` tokens, the last ones first."""
        separator_length = self._length(document_separator)
        kept: list[str] = []
        for document in documents:
            room = budget - (separator_length if kept else 0)
            if room <= 0:
                break
            ids = self._first_tokens(document, room + 1)
            kept.append(document if len(ids) <= room else self.decode(ids[:room]))
            budget = room - len(ids)
        return kept

    def _wrapped(self, content: str) -> tuple[str, list[int]]:
        """The prompt of a content, and its token ids."""
        marked = self._control_tokens.mark(content)
        pieces = marked.pieces(self._wrap(marked.text))
        return "".join(pieces), [token for piece in pieces for token in self._encode(piece)]

    def _wrap(self, text: str) -> str:
        if self.chat is None:
            # Base models expect a first token (Gemma's <bos>); a chat template adds it itself.
            return (self.tokenizer.bos_token or "") + text
        return self.chat.ask(text)

    @cached_property
    def _control_tokens(self) -> ControlTokens:
        return ControlTokens(self.tokenizer)

    @cached_property
    def _thoughts(self) -> ThoughtCutter:
        if self.chat is None:
            return ThoughtCutter("", (), self._encode)
        return ThoughtCutter(self.chat.source, self._control_tokens.strings.values(), self._encode)

    def _tokens(self, text: str) -> list[int]:
        """The token ids of a text that is not a template's."""
        return [token for piece in self._control_tokens.pieces(text) for token in self._encode(piece)]

    def _first_tokens(self, text: str, number: int) -> list[int]:
        """As many of a text's first token ids, or all; of a long text only the beginning is tokenized."""
        length = LETTERS_OF_TOKEN * number
        while length < len(text):
            tokens = self._tokens(text[:length])
            if len(tokens) >= number + TOKENS_AT_CUT:
                return tokens[:number]
            length *= 4
        return self._tokens(text)[:number]

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def _length(self, text: str) -> int:
        return len(self._tokens(text))
