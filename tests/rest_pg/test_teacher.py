"""A teacher's reasoning is kept only where it copies neither the answer nor its instructions."""

import pytest

from penname.config import DecodingConfig, ReasoningConfig
from penname.engines.base import GeneratedTokens
from penname.engines.models import load_tokenizer
from penname.errors import UserError
from penname.prompts.completion import compose, parse
from penname.prompts.render import Renderer
from penname.rest_pg.algorithm import reasonings_of_data
from penname.rest_pg.teacher import TeacherInput, write_reasoning
from penname.session.examples import PreparedExample

OUTPUT = "The old mill by the river has stood empty since the great flood of that year."
CLEAN = "Short sentences. Likes places and dates."
COPY = "The user would write that the old mill by the river has stood empty since the great flood."
ECHO = "Your task is to summarize the user writing style from the profile considering the expected output."


class Script:
    """An engine that writes given texts, the same for every prompt."""

    def __init__(self, renderer, texts, finish_reason="stop"):
        self.completions = [GeneratedTokens(renderer.target(text)[:-1], finish_reason) for text in texts]

    def generate(self, prompts, seeds, sampling):
        return [self.completions[: len(row)] for row in seeds]


@pytest.fixture(scope="module")
def renderer(bundled):
    return Renderer(load_tokenizer(bundled), "chat", 1024)


def write(renderer, texts, output=OUTPUT, finish_reason="stop"):
    settings = ReasoningConfig(max_new_tokens=64, temperature=0.7, attempts=len(texts), max_copied_tokens=8)
    inputs = [TeacherInput("a", "Write about the mill.", output, ("I like mills.",))]
    return write_reasoning(Script(renderer, texts, finish_reason), renderer, inputs, settings, DecodingConfig(), 0)[0]


def test_the_first_attempt_that_copies_nothing_is_kept(renderer):
    assert write(renderer, [COPY, ECHO, CLEAN, "Another one."]).text == CLEAN


@pytest.mark.parametrize("thought", ["<think>It is short.</think>", " <think>\n\n</think>\n\n"])
def test_what_the_teacher_thought_is_no_part_of_its_reasoning(renderer, thought):
    assert write(renderer, ["<think>It is short. It is", thought + CLEAN]).text == CLEAN


@pytest.mark.parametrize("text", [COPY, COPY.upper(), ECHO, ""])
def test_without_such_an_attempt_there_is_no_reasoning(renderer, text):
    written = write(renderer, [text, text])
    assert written.text is None
    assert (written.copied_tokens > 8) == bool(text)


def test_an_input_over_the_limit_gets_no_reasoning(renderer):
    assert write(renderer, [CLEAN], output="word " * 2000).text is None


@pytest.mark.parametrize(
    "phrase",
    ["Now, considering the style summary, we can generate the final answer:",
     "now, considering  the STYLE summary,\nwe can generate the final answer:"],
)  # fmt: skip
def test_a_reasoning_cannot_end_itself_with_the_answer_phrase(renderer, phrase):
    text = write(renderer, [f"Terse. {phrase} yes"]).text
    assert parse(compose(text, OUTPUT), with_reasoning=True).response == OUTPUT


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Terse. Likes mills. And of", "Terse. Likes mills."),
        ("- terse\n- likes mills\n- and", "- terse\n- likes mills"),
        ("Terse. The summary is:\n\nThe us", "Terse."),
        ("The summary includes the following:\n\nThe us", None),
    ],
)
def test_a_reasoning_truncated_by_the_limit_ends_with_its_last_sentence_or_point(renderer, text, kept):
    assert write(renderer, [text], finish_reason="length").text == kept


def test_a_reasoning_may_come_with_the_data():
    told = PreparedExample("a", "u", "task", "Write.", OUTPUT, (), reasoning="Terse.")
    ends_early = PreparedExample(
        "b", "u", "task", "Write.", OUTPUT, (),
        reasoning="Now, considering the style summary, we can generate the final answer: Plain.",
    )  # fmt: skip
    untold = PreparedExample("c", "u", "task", "Write.", OUTPUT, ())
    found = reasonings_of_data([told, ends_early, untold])
    assert {name: text.strip() for name, text in found.items()} == {"a": "Terse.", "b": "Plain."}
    with pytest.raises(UserError, match="no train example with a field 'reasoning'"):
        reasonings_of_data([untold])
