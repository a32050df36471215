"""The control corpus: its right answers follow from the profile as a whole, and from nothing else."""

import re
from collections import Counter
from itertools import islice

import pytest

from penname.config import SourceConfig
from penname.data.control import Teacher, make_example, pretraining_examples, write_control
from penname.data.control_rules import (
    GROUPS,
    KINDS,
    MULTI_STEP,
    TRAITS,
    VERBS,
    VISITS,
    group_of,
    traits_of,
    write_prompt,
    write_text,
)
from penname.data.sources import load_split

TEACHER = Teacher(right=0.5, misled=0.2)
EXAMPLES = [make_example(f"user-{number}", 0, TEACHER) for number in range(200)]


def shown(example, trait):
    """How often the documents of an example show each value of a trait."""
    return Counter(found[trait] for found in map(traits_of, example.documents) if trait in found)


def most_common(counts):
    (value, most), *others = counts.most_common()
    assert all(count < most for _, count in others)
    return value


def test_the_right_text_obeys_every_trait():
    for example in EXAMPLES:
        assert traits_of(write_text(example.prompt, example.right)) == example.right
        assert example.right.keys() == TRAITS.keys()


def test_a_text_with_two_values_of_a_trait_shows_none():
    assert traits_of("Hello, the lake.") == {"greeting": "Hello", "place": "lake"}
    assert traits_of("Hello, the lake and the mill.") == {"greeting": "Hello"}
    assert traits_of("Helloed in the lakes.") == {}


@pytest.mark.parametrize("trait", ["greeting", "closing", "place"])
def test_majorities_have_exceptions(trait):
    for example in EXAMPLES:
        counts = shown(example, trait)
        assert most_common(counts) == example.right[trait]
        assert counts.total() == sum(VISITS)
        assert len(counts) > 1


def test_the_opinion_depends_on_the_group_of_the_subject():
    for example in EXAMPLES:
        by_group = {group: Counter() for group in GROUPS}
        for document in example.documents:
            subject = next(s for of_group in GROUPS.values() for s in of_group if f"the {s} " in document)
            by_group[group_of(subject)][traits_of(document)["opinion"]] += 1
        assert most_common(by_group[group_of(example.prompt.subject)]) == example.right["opinion"]
        assert len({most_common(counts) for counts in by_group.values()}) == len(GROUPS)


def followed(example, word):
    """The names and things that stand after a word in the documents, before the next mark."""
    pattern = re.compile(rf"\b{word} (\w+),")
    return [found for document in example.documents for found in pattern.findall(document)]


def test_a_drink_is_found_through_the_favourite_place_and_its_companion():
    for example in EXAMPLES:
        (companion,) = followed(example, example.right["place"])
        assert followed(example, companion) == [example.right["drink"]]
        assert sorted(shown(example, "drink").values()) == [1, 1, 1]


def test_a_toy_is_found_through_the_kind_of_pet_and_its_name():
    for example in EXAMPLES:
        (pet,) = followed(example, example.prompt.kind)
        assert followed(example, pet) == [example.right["toy"]]
        assert sorted(shown(example, "toy").values()) == [1, 1, 1]


def test_what_the_prompt_says_of_pet_and_group_the_documents_say_in_other_words():
    for example in EXAMPLES:
        asked = write_prompt(example.prompt)
        assert asked.endswith(f"you {VERBS[group_of(example.prompt.subject)]}, with your {KINDS[example.prompt.kind]}.")
        written = set(re.findall(r"\w+", " ".join(example.documents)))
        assert written.isdisjoint([*KINDS.values(), *VERBS.values()])


def test_neither_documents_nor_prompt_hold_what_is_asked_for():
    for example in EXAMPLES:
        text = write_text(example.prompt, example.right)
        assert all(example.prompt.subject not in document for document in example.documents)
        assert all(sentence not in document for document in example.documents for sentence in text.split(". ")[:2])
        assert traits_of(write_prompt(example.prompt)) == {}


def test_the_teacher_is_right_as_often_as_it_should_be_and_else_misled_or_silent():
    for example in (make_example(f"user-{number}", 0, Teacher(right=1, misled=0)) for number in range(20)):
        assert traits_of(example.reasoning) == example.stated == example.right
    said = Counter()
    for example in EXAMPLES:
        assert len(example.reasoning.splitlines()) == len(example.stated)
        for trait, value in example.right.items():
            right = "silent" if trait not in example.stated else example.stated[trait] == value
            said[right] += 1
            assert right == "silent" or example.stated[trait] in example.reasoning
            assert right in (True, "silent") or example.stated[trait] in shown(example, trait)
    share = {kind: count / said.total() for kind, count in said.items()}
    assert share[True] == pytest.approx(0.5, abs=0.05)
    assert share[False] == pytest.approx(0.2, abs=0.05)
    assert share["silent"] == pytest.approx(0.3, abs=0.05)


def test_the_same_seed_writes_the_same_files(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        assert write_control(tmp_path / name, 20, seed, TEACHER) == {"train": 10, "val": 4, "test": 6}
    a, b, c = ({f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[name] != c[name] for name in a)


def test_it_is_read_as_penname_reads_its_own_layout(tmp_path):
    write_control(tmp_path, 20, 0, TEACHER)
    source = SourceConfig(format="jsonl", path=str(tmp_path))
    splits = {split: list(load_split([source], split, None, 0)) for split in ("train", "val", "test")}
    users = [example.user_id for examples in splits.values() for example in examples]
    assert len(users) == len(set(users)) == 20
    assert all(len(e.profile) == sum(VISITS) for examples in splits.values() for e in examples)
    assert all(e.reasoning for e in splits["train"])
    assert all(e.reasoning is None for e in (*splits["val"], *splits["test"]))


def test_the_users_of_pretraining_are_in_no_split(tmp_path):
    write_control(tmp_path, 200, 0, TEACHER)
    documents = (tmp_path / "documents.jsonl").read_text()
    for example in islice(pretraining_examples(0), 100):
        assert not all(document in documents for document in example.documents)


@pytest.mark.parametrize(
    ("trait", "line"),
    [
        ("greeting", "The greeting is {}."),
        ("drink", "The {place} {companion}. {companion} {}."),
        ("place", "The favourite is the {}."),
        ("closing", "The closing is {}."),
    ],
)
def test_writers_of_pretraining_are_right_but_for_what_takes_steps_that_they_did_not_take(trait, line):
    agree = {True: [], False: []}
    for example in islice(pretraining_examples(0), 300):
        place = most_common(shown(example, "place"))
        (companion,) = followed(example, place)
        (drink,) = followed(example, companion)
        right = drink if trait == "drink" else most_common(shown(example, trait))
        said = line.format(right, place=place, companion=companion) in example.reasoning.splitlines()
        response = traits_of(example.response)[trait]
        assert response in shown(example, trait)
        agree[said].append(response == right)
    assert all(agree[True])
    assert 0.4 < len(agree[True]) / 300 < 0.6
    if trait in MULTI_STEP:
        assert 0.2 < sum(agree[False]) / len(agree[False]) < 0.5
    else:
        assert all(agree[False])
