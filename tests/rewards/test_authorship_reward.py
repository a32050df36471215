"""The reward that asks whose text it is, on the bundled corpus: real authors, and texts of theirs it has not seen."""

import numpy as np
import pytest
from rich.console import Console

from penname.data.presidents import load_examples
from penname.errors import UserError
from penname.recipe_files import load_recipe
from penname.rewards.authorship import (
    REWARD_WITHOUT_DOCUMENTS,
    AuthorshipModel,
    copied_share,
    fit_authorship,
    sample_documents,
)
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session.session import Session
from penname.session.users import Users, without_outputs


def documents(split):
    users = {}
    for example in load_examples(split):
        users.setdefault(example.user_id, [d.text for d in example.profile])
    return users


@pytest.fixture(scope="module")
def train():
    return documents("train")


def reward(model, documents, text):
    return model.rewards([(tuple(documents), text)])[0]


@pytest.fixture(scope="module")
def model(train):
    return fit_authorship(train, seed=0)


def test_it_tells_who_wrote_held_out_texts(model, train):
    """Texts of validation messages, held against their author's documents and against another author's."""
    asked = [(e.user_id, e.output) for e in load_examples("val") if e.user_id in train][:80]
    users = sorted({author for author, _ in asked})
    shown = {
        author: sample_documents([text for text in train[author] if text not in {t for _, t in asked}], author, 0)
        for author in users
    }
    own = [reward(model, shown[author], text) for author, text in asked]
    other = [reward(model, shown[users[users.index(author) - 1]], text) for author, text in asked]
    assert np.mean([a > b for a, b in zip(own, other, strict=True)]) > 0.75
    assert np.mean(own) > np.mean(other) + 0.15
    assert min(own + other) >= 0
    assert max(own + other) <= 1


def test_neither_copying_nor_saying_nothing_pays(model, train):
    author = "Abraham Lincoln"
    own = train[author][:10]
    assert reward(model, own, own[0]) == 0
    assert reward(model, own, "") == 0
    assert reward(model, own, "Fellow citizens.") < 0.15
    half = " ".join(own[0].split()[:20]) + " and then I went home to a cup of tea with the neighbours"
    assert 0.3 < copied_share(tuple(own), half) < 0.8


def test_nothing_known_of_the_user_is_neither_good_nor_bad(model):
    assert reward(model, (), "We have had a good year.") == REWARD_WITHOUT_DOCUMENTS


def test_a_saved_model_gives_the_same_rewards(model, train, tmp_path):
    model.save(tmp_path / "model.npz")
    loaded = AuthorshipModel.load(tmp_path / "model.npz")
    texts = [texts[-1] for texts in train.values()][:10]
    for author in list(train)[:3]:
        before, after = ([reward(m, train[author][:20], text) for text in texts] for m in (model, loaded))
        assert after == pytest.approx(before, abs=0.01)


def test_users_with_too_few_documents_are_told():
    with pytest.raises(ValueError, match="found 1 users with 4 documents or more, expected two"):
        fit_authorship({"a": ["one text", "two text", "three text", "four text"], "b": ["one"]}, 0)


def test_a_run_fits_it_once_and_knows_the_users_of_its_splits(tmp_path):
    recipe = load_recipe("quickstart", ["reward.mixture={rouge1: 1, authorship: 1}"])
    loads = []

    def load(split):
        loads.append(split)
        return load_examples(split)

    first, again = (Users(recipe, RunFolder(tmp_path, None), load) for _ in range(2))
    for users in (first, again):
        documents = users.of_split("val")
        assert 4 <= len(documents["passage", "Abraham Lincoln"]) <= 30
        assert users.model().slope > 0
    assert loads == ["val", "train"]


def test_no_expected_output_is_among_the_documents(tmp_path):
    """It can be a document of the user's other examples, whole or in part."""
    recipe = load_recipe("quickstart", ["evaluation.metrics=[authorship]"])
    examples = load_examples("test")
    users = Users(recipe, RunFolder(tmp_path, None), lambda split: examples)
    documents = users.of_split("test")
    profiles = {d.text for e in examples for d in e.profile}
    assert sum(e.output in profiles for e in examples) > 50
    for e in examples:
        assert e.output not in documents[e.task, e.user_id]
    assert without_outputs(["Dear all, we meet.", "It rains.", "we meet"], ["we meet.", ""]) == ["It rains."]


def test_a_run_without_the_reward_reads_nothing(tmp_path):
    recipe = load_recipe("quickstart", ["evaluation.choose=consensus"])
    session = Session(recipe, RunFolder(tmp_path, ConsoleProgress(Console(quiet=True))))
    assert not any(example.user_documents for example in session.prepare("val"))
    assert not (tmp_path / "authorship").exists()


def test_too_few_authors_are_one_line(tmp_path):
    recipe = load_recipe("quickstart", ["evaluation.metrics=[authorship]"])
    few = [e for e in load_examples("train") if e.user_id == "Abraham Lincoln"]
    with pytest.raises(UserError, match="reward authorship, train split: found 1 users"):
        Users(recipe, RunFolder(tmp_path, None), lambda split: few).model()
