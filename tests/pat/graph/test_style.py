"""The style trajectory: features, propagation over the graph, and that an excluded user influences no embedding."""

import time

import numpy as np
import pytest
import torch

from penname.config import StyleSettings
from penname.data.records import Document
from penname.pat.graph.style import StyleIndex, StyleModel, StyleQuery, fit_features, train_style
from penname.pat.graph.stylometry import NAMES, stylometric
from penname.pat.graph.user_topic import build_graph

SHOUTED = "WOW!!! THIS IS SO GREAT!!! i love it... and you will too!!!"
QUIET = "It would appear, upon reflection, that the article is adequate; nevertheless, I should prefer another."


def documents(seed=0, users=30, topics=8, most=4):
    """Random edges; every third user shouts, and shouters write on the first topics."""
    generator = np.random.default_rng(seed)
    return [
        Document(
            f"u{u}",
            f"{SHOUTED if u % 3 == 0 else QUIET} {' '.join(generator.choice(list('abcdefgh'), 6))}",
            item_id=f"t{generator.integers(0, topics // 2) if u % 3 == 0 else generator.integers(topics // 2, topics)}",
        )
        for u in range(users)
        for _ in range(generator.integers(1, most + 1))
    ]


@pytest.fixture(scope="module")
def written():
    return documents()


@pytest.fixture(scope="module")
def features(written):
    texts = [d.text for d in written]
    return fit_features(texts)[1]


def message_model(width, dimension=16):
    """A model in which messages have a weight."""
    model = StyleModel(width, dimension, 0)
    torch.nn.init.ones_(model.message_weight)
    return model


def test_stylometric_features_tell_what_they_say():
    rates = dict(zip(NAMES, stylometric(["The cat, the dog. WE sit!", ""])[0], strict=True))
    assert rates["word the"] == pytest.approx(2 / 6)
    assert rates["mark ','"] == pytest.approx(1 / 25)
    assert rates["words a sentence"] == pytest.approx(3)
    assert rates["words in capitals"] == pytest.approx(1 / 6)
    assert rates["distinct words"] == pytest.approx(5 / 6**0.5)
    assert np.isfinite(stylometric(["", " ", "…", "。", "a" * 10_000, "\ud800"])).all()


def test_a_long_row_of_marks_is_read_as_fast_as_any_text():
    began = time.process_time()
    stylometric(["." * 200_000, "what" + "?!" * 100_000 + "no"])
    assert time.process_time() - began < 10  # minutes, if each mark were looked at from each before it


def test_features_are_those_of_each_text_alone(features, written):
    fitted, _ = fit_features([d.text for d in written])
    np.testing.assert_array_equal(fitted.of_texts([written[3].text])[0], features[3])
    assert fitted.of_texts([]).shape == (0, features.shape[1])


def test_sentence_vectors_are_a_part_of_the_features_where_wanted(features, written):
    encoded, _ = fit_features([d.text for d in written], lambda texts: np.ones((len(texts), 5), np.float32))
    assert encoded.of_texts(["a text"]).shape[1] == features.shape[1] + 5
    assert encoded.of_texts([]).shape[1] == features.shape[1] + 5


def test_an_excluded_user_is_in_no_message(features, written):
    """As in a graph that never held the user, computed anew."""
    model, graph = message_model(features.shape[1]), build_graph(written)
    index = StyleIndex(model, features, graph)
    for name in ("u0", "u7", "u29"):
        user = graph.user_index[name]
        others = [i for i, d in enumerate(written) if d.user_id != name]
        without = build_graph([written[i] for i in others])
        plain = StyleIndex(model, features[others], without)
        topics = {written[i].item_id for i in graph.documents_of(user)}
        own = features[graph.documents_of(user)].mean(axis=0)
        here = [graph.topic_index[t] for t in topics]
        there = [without.topic_index[t] for t in topics if t in without.topic_index]
        np.testing.assert_allclose(index.embed(own, here, user), plain.embed(own, there), atol=1e-5)
        found, expected = list(index.rank(StyleQuery(own, here, user))), list(plain.rank(StyleQuery(own, there)))
        assert [graph.users[u] for u in found] == [without.users[u] for u in expected]


def test_a_users_embedding_aggregates_the_others_and_not_itself(features, written):
    model, graph = message_model(features.shape[1]), build_graph(written)
    index = StyleIndex(model, features, graph)
    user = graph.user_index["u4"]
    own = features[graph.documents_of(user)].mean(axis=0)
    topics = graph.topic[graph.documents_of(user)]
    np.testing.assert_allclose(index.embed(own, topics, user), index.embeddings[user], atol=1e-5)
    no_messages = StyleIndex(model, features, build_graph(written, [None] * len(written)))
    assert np.abs(no_messages.embeddings[user] - index.embeddings[user]).max() > 0.01


def test_the_ranking_does_not_depend_on_the_excluded_users_documents(features, written):
    graph = build_graph(written)
    user = graph.user_index["u5"]
    changed = features.copy()
    changed[graph.documents_of(user)] = 3 * np.random.default_rng(0).normal(size=changed.shape[1])
    own, topics = features[0], graph.topic[graph.documents_of(user)]
    found = [
        list(StyleIndex(message_model(features.shape[1]), given, graph).rank(StyleQuery(own, topics, user)))
        for given in (features, changed)
    ]
    assert list(found[0]) == list(found[1])
    assert sorted([*found[0], user]) == list(range(30))


def test_a_user_without_history_is_embedded_by_the_topic_alone():
    """After training, shouters are near one who will write where others shout."""
    written = documents(users=120)
    graph, (_, features) = build_graph(written), fit_features([d.text for d in written])
    model = train_style(features, graph, StyleSettings(dimension=16, epochs=100, learning_rate=1e-2), 0)
    index = StyleIndex(model, features, graph)
    loud, quiet = graph.topic_index["t0"], graph.topic_index["t6"]
    for topic, shouts in ((loud, True), (quiet, False)):
        found = list(index.rank(StyleQuery(None, [topic])))[:5]
        assert [int(graph.users[user][1:]) % 3 == 0 for user in found] == [shouts] * 5


def apart(model, features, graph):
    """How much nearer an author's documents are to each other than to those of others, by the mean of cosines."""
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(model.project(torch.from_numpy(features)), dim=1)
    cosines, author = embeddings @ embeddings.T, torch.from_numpy(graph.user)
    same = author[:, None] == author[None]
    others = same & ~torch.eye(len(author), dtype=torch.bool)
    return float(cosines[others].mean() - cosines[~same].mean())


def test_training_is_the_same_each_time_and_pulls_authors_together():
    """Each author has a favourite word, which the features as they are hardly tell among the others."""
    generator = np.random.default_rng(0)
    words = [f"{a}{b}{a}" for a in "bcdfgklm" for b in "aeiou"]
    written = [
        Document(f"u{u}", " ".join([*generator.choice(words, 8), words[u]]), item_id=f"t{u % 4}")
        for u in range(40)
        for _ in range(6)
    ]
    graph, (_, features) = build_graph(written), fit_features([d.text for d in written])
    untrained, first, second = (
        train_style(features, graph, StyleSettings(dimension=32, epochs=epochs, learning_rate=1e-2), 0)
        for epochs in (0, 30, 30)
    )
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert apart(first, features, graph) > 1.5 * apart(untrained, features, graph) > 0


def test_graphs_too_small_to_train_on_leave_the_model_as_it_begins():
    few = [Document("a", "one text", item_id="t"), Document("b", "another text", item_id="t")]
    _, features = fit_features([d.text for d in few])
    index = StyleIndex(
        train_style(features, build_graph(few), StyleSettings(dimension=8), 0), features, build_graph(few)
    )
    assert list(index.rank(StyleQuery(features[0], [0], 0))) == [1]
