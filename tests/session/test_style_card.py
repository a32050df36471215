"""A style card mentions what distinguishes a user, and nothing that the user has not written."""

import io

from rich.console import Console

from penname.data.presidents import load_examples
from penname.prompts.completion import parse
from penname.recipe_files import load_recipe
from penname.rest_pg.algorithm import reasoning_targets
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session.session import Session
from penname.session.style_card import population_statistics, style_card

PLAIN = [f"The {thing} was sold in the market. It was cheap." for thing in ("bread", "cheese", "horse", "wagon")]
OTHERS = population_statistics([PLAIN, [text.replace("cheap", "dear") for text in PLAIN], ["We sold it."] * 3])
LOUD = [
    "Hello friends! I loved the soup! You must try the soup, it was gorgeous! Cheers",
    "Hello friends! I saw the concert! You must hear the singer, she was gorgeous! Cheers",
    "Hello friends! I went to the harbour! You must see the boats, they were gorgeous! Cheers",
]


def test_it_mentions_unusual_habits():
    card = style_card(LOUD, OTHERS)
    for told in ("uses exclamation marks", "speaks to the reader", 'often says "I"', "gorgeous"):
        assert told in card
    assert 'begin with "Hello"' in card
    assert 'end with "Cheers"' in card
    assert card.startswith("Texts of about 15 words")


def test_it_does_not_mention_what_everybody_does():
    card = style_card(PLAIN, OTHERS)
    assert "begin with" not in card
    assert "exclamation" not in card


def test_without_documents_there_is_no_card():
    assert style_card([], OTHERS) == ""


def test_one_document_and_odd_texts_are_measured_too():
    for documents in (["Hm."], ["..."], ["   "], ["😀 😀"], ["a" * 5000]):
        assert style_card(documents, OTHERS).startswith("Texts of about ")
    assert style_card(["Hm."], population_statistics([]))


def test_cards_of_real_authors_differ_and_each_is_short():
    users = {}
    for example in load_examples("train"):
        users.setdefault(example.user_id, [d.text for d in example.profile][:30])
    population = population_statistics(users.values())
    cards = [style_card(own, population) for own in users.values()]
    assert len(set(cards)) == len(cards)
    assert max(len(card.split()) for card in cards) < 90


class Teacher:
    """Writes nothing, and keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def generate(self, prompts, seeds, sampling):
        self.asked += prompts
        return [[] for _ in prompts]


def test_a_recipe_uses_the_card_as_the_reasoning_or_shows_it_to_the_teacher(tmp_path):
    for source in ("card", "teacher-with-card"):
        recipe = load_recipe("quickstart", [f"reasoning.source={source}", "limit={train: 4, test: 2}"])
        session = Session(recipe, RunFolder(tmp_path / source, ConsoleProgress(Console(file=io.StringIO()))))
        teacher = Teacher()
        session.engine = lambda config, model=None, teacher=teacher: teacher
        train = session.prepare_fitting("train")
        cards = [session.users.style_card(e.user_documents) for e in train]
        assert all(card.startswith("Texts of about") for card in cards)
        if source == "card":
            targets = reasoning_targets(session, train)
            for e, card in zip(train, cards, strict=True):
                assert e.output not in card
                assert parse(targets[e.example_id], with_reasoning=True).reasoning == card
            assert not teacher.asked
            continue
        reasoning_targets(session, train)
        shown = [session.teacher_renderer().tokenizer.decode(prompt) for prompt in teacher.asked]
        assert all(card in prompt for card, prompt in zip(cards, shown, strict=True))
