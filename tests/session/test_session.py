"""Examples with their contexts: skipped rows are reported, and a benchmark's prompts show what the benchmark shows."""

import json
from dataclasses import replace

import pytest

from penname.config import Recipe
from penname.data.records import Document, Example
from penname.errors import UserError
from penname.runs.folder import RunFolder
from penname.session.examples import shuffle_profiles
from penname.session.session import Session

RECORD = {
    "name": "a",
    "input": "Generate an abstract using the following items: rain.",
    "output": "Rain again.",
    "profile": [{"title": f"T{i}", "abstract": f"On {what}."} for i, what in enumerate(("snow", "ice", "rain"))],
}


class Lines:
    """Progress that keeps the lines, and shows one stage at a time."""

    def __init__(self):
        self.said = []
        self.shown = None

    def start(self, stage, *arguments):
        assert self.shown in (None, stage)
        self.shown = stage

    def add_generated(self, *arguments): ...
    def advance(self, *arguments, **named): ...
    def finish(self, *arguments):
        self.shown = None

    def say(self, line):
        self.said.append(line)


def session(tmp_path, tiny_model, **prompt):
    folder = tmp_path / "abstract_generation_user"
    folder.mkdir()
    empty = {**RECORD, "output": None}
    (folder / "test.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (RECORD, empty)))
    recipe = Recipe.model_validate(
        {
            "methods": ["rag"],
            "data": [{"format": "longlamp", "path": str(folder)}],
            "generator": {"model": str(tiny_model), "format": "plain"},
            "retrieval": {"k": 2},
            "prompt": prompt,
            "expectation": {"threshold": 1.0},
            "reward": {"mixture": {"rouge1": 1}},
        }
    )
    return Session(recipe, RunFolder(tmp_path / "run", Lines()))


def test_documents_are_shown_as_raw_text(tmp_path, tiny_model):
    made = session(tmp_path, tiny_model)
    (example,) = made.prepare("test")
    assert example.context == ("On rain.", "On snow.")
    assert "context: On rain. | On snow." in made.prompt(example, with_reasoning=False).text
    assert "data/test: skipped 1 row: empty output" in made.run.progress.said


def test_documents_are_shown_as_the_benchmark_shows_them(tmp_path, tiny_model):
    made = session(tmp_path, tiny_model, style="benchmark")
    (example,) = made.prepare("test")
    assert made.prompt(example, with_reasoning=False).text == (
        '"On rain." is the abstract for the title "T2", and "On snow." is the abstract for the title "T0". Use the '
        "above abstracts as context to understand the style and language of the user and, " + RECORD["input"]
    )
    assert made.prompt(example, with_reasoning=False, with_context=False).text == RECORD["input"]


@pytest.mark.parametrize(
    ("documents", "context"),
    [
        (
            "both",
            'User\'s Own Reviews:\nReview title: "Old", Review text: "An old one."\nOther Users\' Reviews:\n'
            'Review title: "Good", Review text: "Bob liked it."\n',
        ),
        ("own", 'User\'s Own Reviews:\nReview title: "Old", Review text: "An old one."\n'),
        ("neighbours", 'Other Users\' Reviews:\nReview title: "Good", Review text: "Bob liked it."\n'),
    ],
)
def test_pgraphrags_prompts_show_whose_reviews_they_are(tmp_path, tiny_model, documents, context):
    review = {"rating": 5, "pid": "i"}
    users = [
        {
            "id": "ann",
            "profile": [
                review | {"title": "Fine", "text": "The target."},
                review | {"title": "Old", "text": "An old one.", "pid": "j"},
            ],
        },
        {"id": "bob", "profile": [review | {"title": "Good", "text": "Bob liked it."}]},
    ]
    (tmp_path / "hotel_dev.json").write_text(json.dumps(users))
    recipe = Recipe.model_validate(
        {
            "methods": ["zero-shot", "rag"],
            "data": [{"format": "pgraphrag", "path": str(tmp_path / "hotel_dev.json")}],
            "generator": {"model": str(tiny_model), "format": "plain"},
            "retrieval": {"k": 2, "documents": documents},
            "prompt": {"style": "benchmark"},
            "expectation": {"threshold": 1.0},
            "reward": {"mixture": {"rouge1": 1}},
        }
    )
    made = Session(recipe, RunFolder(tmp_path / "run", Lines()))
    ann, bob = made.prepare("val")
    shown = made.prompt(ann, with_reasoning=False).text
    assert context in shown
    assert shown.endswith("Generate the review text using the format: 'Review text:'. Do NOT generate anything else!.")
    without_history = made.prompt(bob, with_reasoning=False).text
    assert ("User's Own Reviews:\n" in without_history) == (documents != "neighbours")
    nothing = made.prompt(ann, with_reasoning=False, with_context=False).text
    assert nothing.removeprefix("<s>").startswith("Given only information on this review:\nGenerate a review")


def test_a_split_without_an_example_is_one_line(tmp_path, tiny_model):
    made = session(tmp_path, tiny_model)
    (tmp_path / "abstract_generation_user" / "test.jsonl").write_text(json.dumps({**RECORD, "output": ""}))
    with pytest.raises(UserError, match="found no example, expected a test split"):
        made.prepare("test")


def test_some_examples_get_the_profile_of_another_user_of_their_task():
    examples = [
        Example(f"{task}{i}", f"user{i // 2}", task, "Write.", "Words.", (Document(f"user{i // 2}", f"{task} {i}"),))
        for task in ("notes", "mails")
        for i in range(20)
    ]
    found = {share: shuffle_profiles(examples, share, 7) for share in (0, 0.25, 0.5, 1)}
    assert found[0] == examples
    changed = {}
    for share, own in found.items():
        changed[share] = {new.id: new.profile for new, old in zip(own, examples, strict=True) if new != old}
        assert len(changed[share]) == share * 40
        for new, old in zip(own, examples, strict=True):
            assert replace(new, profile=old.profile) == old
            if new.profile != old.profile:
                assert new.profile[0].user_id != old.user_id
                assert new.profile[0].text.startswith(old.task)
    assert changed[0.25].items() <= changed[0.5].items() <= changed[1].items()
    with pytest.raises(UserError, match="task notes: found no second user"):
        shuffle_profiles(examples[:2], 1, 7)
