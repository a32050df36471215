"""A model's chat template: what it is given besides the text, what it writes around a reply, and how it is exported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property
from typing import Any

from penname.errors import UserError
from penname.thoughts import marked, opened

DATE = date(2024, 7, 26)
"""What templates print as today's date, so that no result depends on the day; Llama 3.1's prints this by itself."""

SWITCHES = ("enable_thinking", "thinking", "reasoning")
"""Names under which templates can be told whether the model is to think."""

RESERVED = (
    "add_generation_prompt",
    "chat_template",
    "continue_final_message",
    "conversation",
    "max_length",
    "messages",
    "padding",
    "return_assistant_tokens_mask",
    "return_dict",
    "return_tensors",
    "sanitize_control_tokens",
    "strftime_now",
    "tokenize",
    "tokenizer_kwargs",
    "truncation",
)
"""Names of arguments that are no recipe's to give."""

USER, REPLY = "penname asks", "penname replies"
"""The turns of the conversation by which a template is known."""


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of a tokenizer with its arguments.

    tokenizer: of transformers, or a `LightTokenizer`.
    given: the arguments that the recipe gives, `chat_template_kwargs`.
    day: what it prints as today's date.

    Models do not think unless an argument says so: where the template knows one of SWITCHES, it is false; where it
    opens a thought by itself, or writes empty ones before replies, the prompt ends behind the thought.
    """

    tokenizer: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    day: date = DATE

    @cached_property
    def source(self) -> str:
        """The text of the template; empty where there is none."""
        found = self.tokenizer.chat_template or ""
        return found if isinstance(found, str) else str(found.get("default", ""))

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """All arguments: those given, and the template's switch for thinking: off unless one of SWITCHES is given."""
        switch = self._switch
        return dict(self.given) if switch is None else {switch: self._thinks, **self.given}

    @cached_property
    def unknown_arguments(self) -> list[str]:
        """The arguments that are given and occur nowhere in the template, and are none of SWITCHES."""
        named = set(re.findall(r"\w+", self.source))
        return [name for name in self.given if name not in named and name not in SWITCHES]

    @cached_property
    def _switch(self) -> str | None:
        """The one of SWITCHES that changes what the template writes; None where it has none."""
        for name in SWITCHES:
            on, off = ({**self.given, name: value} for value in (True, False))
            if name in self.source and self._asked(on) != self._asked(off):
                return name
        return None

    @property
    def prints_date(self) -> bool:
        """Whether the template prints today's date."""
        return "strftime_now" in self.source

    def ask(self, text: str) -> str:
        """The conversation in which a user has written `text`, up to where the model's completion begins."""
        return self._apply(text, self.arguments) + ("" if self._thinks else self._before_reply)

    @cached_property
    def before_completion(self) -> str:
        """What a completion that is trained on begins with: an empty thought, where the model is asked to think."""
        return self._before_reply if self._thinks else ""

    @cached_property
    def after_reply(self) -> str:
        """What the template writes after a reply."""
        return self._whole.rpartition(REPLY)[2]

    @cached_property
    def opened_thought(self) -> str:
        """The mark of the thought that completions begin in; empty where they do not begin in one."""
        marks = opened(self.ask(USER))
        return marks.opening if marks else ""

    @property
    def notes(self) -> list[str]:
        """What users should know of how the template is used."""
        is_off = not any(name in self.given for name in SWITCHES)
        off = [name for name in SWITCHES if self.arguments.get(name) is False and is_off]
        notes = [f"does not think ({name}: false); chat_template_kwargs: {{{name}: true}} changes that" for name in off]
        if self._before_reply and not self._thinks:
            notes = [f"does not think: its prompts end with {self._before_reply.strip()!r}"]
        elif not off and not self._thinks and marked(self.source) and not marked(self.ask(USER).rpartition(USER)[2]):
            notes = ["may think, as its chat template cannot prevent it: thoughts are cut off, but count as tokens"]
        if self.prints_date and "date_string" not in self.given:
            notes.append(f"is told the date {self.day} on every day (chat_template_date)")
        return notes

    def exported(self, end: str) -> str:
        """The template for other programs, with which they ask a model as it was trained without giving arguments.

        end: the text of the token that the model has learned to end with, which becomes the tokenizer's `eos_token`.
        """
        settings = [
            f"{{%- if {name} is not defined %}}{{%- set {name} = {value!r} %}}{{%- endif %}}"
            for name, value in self.arguments.items()
        ]
        if self.prints_date:
            settings.append(self._fixed_date)
        if "eos_token" in self.source and self.tokenizer.eos_token != end:
            settings.append(f"{{%- set eos_token = {self.tokenizer.eos_token or ''!r} %}}")
        suffix = "" if self._thinks else self._before_reply
        if not settings and not suffix:
            return self.source
        shown = f"{{{{ {suffix!r} if add_generation_prompt else '' }}}}" if suffix else ""
        return _before(self.source, *settings).removesuffix("\n") + shown

    @property
    def _thinks(self) -> bool:
        """Whether the recipe asks the model to think."""
        return any(self.given.get(name) for name in SWITCHES)

    @cached_property
    def _before_reply(self) -> str:
        """What stands for a thought between the prompt and a reply; empty where nothing does."""
        asked = self._asked(self.arguments)
        if self._whole.startswith(asked):
            between = self._whole.removeprefix(asked).partition(REPLY)[0]
            return between if marked(between) else ""
        marks = opened(asked)
        return f"\n{marks.closing}\n\n" if marks else ""

    @cached_property
    def _whole(self) -> str:
        """The conversation with the model's reply."""
        return self._apply(USER, self.arguments, REPLY)

    def _asked(self, arguments: Mapping[str, Any]) -> str:
        """The conversation before the reply. Raises UserError for a template that leaves the user's text out."""
        asked = self._apply(USER, arguments)
        if USER not in asked:
            raise UserError("the chat template does not write the user's text: it is for other content than texts")
        return asked

    def _apply(self, text: str, arguments: Mapping[str, Any], reply: str | None = None) -> str:
        """What the template makes of the text of a user, and of the model's reply where there is one."""
        if not self.tokenizer.chat_template:
            raise UserError("format chat: this tokenizer has no chat template; set format: plain beside the model")
        turns = [{"role": "user", "content": text}]
        if reply is not None:
            turns.append({"role": "assistant", "content": reply})
        given = dict(arguments, add_generation_prompt=reply is None)
        try:
            if self.prints_date:
                given["chat_template"] = _before(self.source, self._fixed_date)
            return str(self.tokenizer.apply_chat_template(turns, tokenize=False, **given))
        except Exception as error:  # a template is a program, and can raise any error
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"the chat template fails: {reason}; give it what it needs as chat_template_kwargs beside the model, "
                "or set format: plain"
            ) from None

    @cached_property
    def _fixed_date(self) -> str:
        """A macro that prints `day` in every format that the template has; it goes before other functions' names."""
        from jinja2 import Environment

        strings = {text[1:-1] for _, kind, text in Environment().lex(self.source) if kind == "string" and "%" in text}
        midnight = datetime.combine(self.day, time())
        dates = {form: midnight.strftime(form) for form in sorted(strings)}
        printed = f"{{{{- {dates!r} .get(format, {str(self.day)!r}) -}}}}"
        return f"{{%- macro strftime_now(format) -%}}{printed}{{%- endmacro %}}"


def _before(source: str, *settings: str) -> str:
    """A template behind others. The line break belongs to the tag before it, so that what follows stays as it is."""
    return f"{''.join(settings)}\n{source}" if settings else source
