"""Long runs of words: from the prompt, from others' texts, from the own user's, and common phrases."""

import pytest

from penname.evaluation.word_runs import WORDS, Origin, WordRuns

LINE = "the old bridge by the mill was closed on a grey tuesday in november because nobody would pay for it"
OTHER = "we walked home along the river with cold hands and warm bread under our coats and said nothing at all"


def origin(user="ann", text="1"):
    return Origin(user, text, "training target")


def runs(text, asked="Write.", shown=""):
    return WordRuns([text], [asked], [f"{asked} {shown}"])


@pytest.mark.parametrize(
    ("text", "length"),
    [
        (f"So {LINE}, yes.", 20),
        (f"So {LINE.upper()}!", 20),
        (" ".join(LINE.split()[:WORDS]), WORDS),
        (" ".join(LINE.split()[: WORDS - 1]), 0),
        (LINE.replace("closed", "shut"), WORDS),
        ("", 0),
    ],
)
def test_runs_from_other_texts(text, length):
    found = runs(text)
    found.look_through(f"I said that {LINE}.", origin())
    assert [len(run.words) for run in found.from_others()] == [length] * bool(length)
    assert all(run.origins == (origin(),) for run in found.from_others())


def test_what_the_prompt_shows_is_copied_and_the_input_is_neither():
    found = runs(f"{LINE}, but {OTHER}", asked=f"Go on: {LINE}.", shown=f"Context: {OTHER}")
    assert [" ".join(run.words) for run in found.from_prompts()] == [OTHER]
    separate = runs(LINE, shown=LINE)
    separate.look_through(LINE, origin())
    assert not separate.from_others()


def test_whose_words_they_are():
    found = runs(LINE)
    found.look_through(LINE, origin("ann"))
    assert found.from_others(["bob"])
    assert not found.from_others(["ann"])
    assert found.from_others(["ann"], own=True)
    assert not found.from_others(["bob"], own=True)


@pytest.mark.parametrize(("users", "common"), [("ab", False), ("abc", True), ("aaa", False), ("aaaa", True)])
def test_phrases_of_many_are_nobodys(users, common):
    found = runs(LINE)
    for number, user in enumerate(users):
        found.look_through(LINE, origin(user, str(number)))
    assert bool(found.from_others()) is not common


def test_scripts_without_spaces():
    text = "今天天气很好我们一起去公园散步然后回家吃饭看书睡觉"
    found = runs(f"他说{text}。")
    found.look_through(text, origin())
    assert found.from_others()
