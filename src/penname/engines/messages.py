"""A tokenizer for chat servers, which are sent messages: it counts tokens, and its ids are pieces of text themselves.

A server renders the chat template and tokenizes, so nothing here needs the model's vocabulary. An id stands for a piece
of text, and any text is what its ids decode to. Where the model's own tokenizer is known the pieces are its tokens, so
that they are as many; otherwise their number is an estimate, see `estimated_tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from penname.control_tokens import WELL_KNOWN, ControlTokens
from penname.engines.base import TokenIds
from penname.errors import UserError

BREAK = "\u200b"
"""The zero-width space, behind which a control token's letters are no control token."""

END, REPLY = 2, 3
"""The ids of the two control tokens of a message: the end of a reply, and the beginning of one."""

CONTROL = {END: "<|end of reply|>", REPLY: "<|reply|>"}

_PIECE = re.compile(
    r" ?[A-Za-z]{1,6}"
    r"| ?[\u00c0-\u1fff]{1,2}"  # the other alphabets
    r"|[ \t]{1,8}(?! ?\w)|\s"
    r"|[\s\S]"  # digits, punctuation, Chinese, Japanese, Korean, emoji
)


def estimated_tokens(text: str) -> list[str]:
    """Pieces of a text, about as many as its tokens in models of today, and rather more."""
    return _PIECE.findall(text)


@dataclass(frozen=True)
class _ControlToken:
    """A control token, with the names of transformers' added tokens."""

    content: str
    special: bool = True


@dataclass(frozen=True)
class _Encoded:
    """What a call of the tokenizer returns."""

    input_ids: list[int]


class MessageTokenizer:
    """The part of a tokenizer that a renderer needs; its chat template is a message of the user, and nothing else.

    tokenizer: the model's own, by which tokens are counted; None where it is not known.

    Raises UserError for a tokenizer that does not tell the places of its tokens in a text.
    """

    chat_template = "{{ messages }}"
    eos_token_id = END
    bos_token = None

    def __init__(self, tokenizer: Any = None) -> None:
        if tokenizer is not None and not tokenizer.is_fast:
            raise UserError(
                "tokenizer: this one is slow and tells no places of tokens; leave it out, or name a fast one"
            )
        self._tokenizer = tokenizer
        self._models_tokens = None if tokenizer is None else ControlTokens(tokenizer)
        self.added_tokens_decoder: Mapping[int, _ControlToken] = {i: _ControlToken(t) for i, t in CONTROL.items()}

    def __call__(self, text: str, *, add_special_tokens: bool) -> _Encoded:
        """Tokenize a text of the template, whose control tokens are obeyed.

        add_special_tokens: whether to add those before and after every text, of which there are none.
        """
        parts = re.split(f"({'|'.join(map(re.escape, CONTROL.values()))})", text)
        ids = {content: i for i, content in CONTROL.items()}
        return _Encoded([i for part in parts for i in ([ids[part]] if part in ids else self.encode(part))])

    def encode(self, text: str) -> list[int]:
        """The ids of a text in which nothing is obeyed."""
        return [_id_of(piece) for piece in self._pieces(text)]

    def decode(self, tokens: TokenIds, *, skip_special_tokens: bool) -> str:
        """The text of ids.

        skip_special_tokens: whether control tokens are not part of it.
        """
        control = {} if skip_special_tokens else CONTROL
        return "".join(control.get(i, "") if i in CONTROL else _piece_of(i) for i in tokens)

    def apply_chat_template(
        self, turns: Sequence[Mapping[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """The turns as text.

        turns: messages, each with `role` and `content`.
        tokenize: must be False.
        add_generation_prompt: whether the text ends where the reply begins.
        """
        assert not tokenize
        ends = {"assistant": CONTROL[END]}
        text = "".join(turn["content"] + ends.get(turn["role"], "") for turn in turns)
        return text + CONTROL[REPLY] * add_generation_prompt

    def message(self, prompt: TokenIds) -> tuple[str, str]:
        """The user's message, and the reply so far, of a prompt that the template was put around.

        prompt: its ids.

        Letters of a control token are broken up, since a server obeys those of its model wherever they are.
        """
        place = list(prompt).index(REPLY)
        text, begun = (self.decode(part, skip_special_tokens=True) for part in (prompt[:place], prompt[place + 1 :]))
        if self._models_tokens is not None:
            text = BREAK.join(self._models_tokens.pieces(text))
        return WELL_KNOWN.sub(lambda match: f"{match[0][0]}{BREAK}{match[0][1:]}", text), begun

    def _pieces(self, text: str) -> list[str]:
        if self._tokenizer is None:
            return estimated_tokens(text)
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        # Tokens of one character begin at the same place: all but the last of them are empty pieces.
        cuts = sorted(start for start, _ in offsets)
        return [text[a:b] for a, b in pairwise([0, *cuts[1:], len(text)])] if cuts or text else []


def _id_of(piece: str) -> int:
    return int.from_bytes(b"\x01" + piece.encode("utf-8", "surrogatepass"))


def _piece_of(token: int) -> str:
    return token.to_bytes((token.bit_length() + 7) // 8)[1:].decode("utf-8", "surrogatepass")
