"""A completion in pieces is what it is as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penname.engines.batch import TokenLogProbs
from penname.prompts.completion import ANSWER_PHRASE, OPENING_PHRASE, compose, parse
from penname.serve.streaming import StreamedCompletion

WORDS = (
    "rain",
    " ",
    "\n\n",
    "Given",
    OPENING_PHRASE,
    ANSWER_PHRASE,
    ANSWER_PHRASE[:9],
    ANSWER_PHRASE.upper(),
    "é",
    "漢",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=12).map("".join)
BYTES = {"read": lambda tokens: bytes(tokens).decode(errors="replace")}


def streamed(text, sizes, **arguments):
    """The reasoning and the response of a completion whose bytes come in portions of these sizes, and all pieces."""
    completion = StreamedCompletion(**BYTES, **arguments)
    tokens, pieces = list(text.encode()), []
    for size in sizes:
        pieces.append(completion.add(tokens[:size]))
        del tokens[:size]
    pieces += [completion.add(tokens), completion.end()]
    return "".join(p.reasoning for p in pieces), "".join(p.response for p in pieces), pieces


@given(TEXTS, st.lists(st.integers(1, 9), max_size=40), st.booleans())
def test_the_pieces_are_the_parts_of_the_whole_completion(text, sizes, with_reasoning):
    reasoning, response, _ = streamed(text, sizes, with_reasoning=with_reasoning)
    whole = parse(text, with_reasoning=with_reasoning)
    expected = (whole.reasoning or "", whole.response or "")
    if with_reasoning and whole.response is None and whole.reasoning is not None:
        expected = parse(text + ANSWER_PHRASE, with_reasoning=True).reasoning or "", ""  # without the opening phrase
    assert (reasoning, response) == expected


def test_a_reasoning_comes_before_the_response_token_by_token():
    text = compose("Short sentences.", "Rain fell. It fell hard.")
    reasoning, response, pieces = streamed(text, [1] * len(text), with_reasoning=True)
    assert (reasoning, response) == ("Short sentences.", "Rain fell. It fell hard.")
    first = next(i for i, p in enumerate(pieces) if p.response)
    assert not any(p.reasoning for p in pieces[first:])
    assert sum(bool(p.response) for p in pieces) > 15
    assert sum(bool(p.reasoning) for p in pieces) > 10


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_response_ends_before_a_stop_string(size):
    text = compose("END is a word.", "One. Two. E.NDEND of it.")
    completion = StreamedCompletion(**BYTES, with_reasoning=True, stop=("END",))
    tokens, response = list(text.encode()), ""
    while tokens and not completion.stopped:
        response += completion.add(tokens[:size]).response
        del tokens[:size]
    assert response + completion.end().response == "One. Two. E.ND"
    assert completion.stopped


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("text", ["One. Two. E.NDEND of it.", "ENDED.", "One EN", "Five <EN", "É.END"])
def test_tokens_of_a_stop_string_are_not_told(text, size):
    completion = StreamedCompletion(**BYTES, with_reasoning=False, stop=("END", "<END"))
    tokens = list(text.encode())
    told = []
    for begin in range(0, len(tokens), size):
        if not completion.stopped:
            some = tokens[begin : begin + size]
            completion.add(some, [TokenLogProbs(-float(token), []) for token in some])
            told.append(completion.told())
    completion.end()
    told.append(completion.told())
    found = [token for tokens, _ in told for token in tokens]
    assert bytes(found).decode() == text.partition("END")[0]
    assert [-here.log_prob for _, log_probs in told for here in log_probs] == found


@pytest.mark.parametrize("size", [1, 3, 100])
def test_tokens_of_a_reasoning_are_not_told(size):
    completion = StreamedCompletion(**BYTES, with_reasoning=True)
    tokens = list(compose("Short sentences.", "Rain fell.").encode())
    told = []
    for begin in range(0, len(tokens), size):
        completion.add(tokens[begin : begin + size])
        told += completion.told()[0]
    assert bytes(told).decode().strip() == "Rain fell."


def test_half_a_character_waits_for_its_other_half():
    completion = StreamedCompletion(**BYTES, with_reasoning=False)
    assert [completion.add([byte]).response for byte in "é".encode()] == ["", "é"]


def test_the_beginning_of_a_mark_waits():
    completion = StreamedCompletion(**BYTES, with_reasoning=False)
    assert completion.add(b"a <thi").response == "a"
    assert completion.add(b"rd> b").response == " <third> b"
