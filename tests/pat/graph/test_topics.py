"""The topic trajectory: the topic's own documents first, by those of like preferences; then what is near; then all."""

import numpy as np
import pytest

from penname.data.records import Document
from penname.pat.graph.topics import TopicIndex
from penname.pat.graph.user_topic import build_graph, cluster


def unit(*values):
    return np.array(values, np.float32) / np.linalg.norm(values)


#            user  item   rating  vector
WRITTEN = [
    ("ann", "soap", 5.0, unit(1, 0.1, 0)),
    ("bob", "soap", 1.0, unit(1, 0.2, 0)),
    ("bob", "comb", 1.0, unit(0.9, 0, 0.3)),
    ("cid", "comb", 5.0, unit(0.8, 0, 0.4)),
    ("dan", "rope", 5.0, unit(0, 1, 0)),
    ("eve", "soap", 5.0, unit(1, 0, 0.1)),
]
DOCUMENTS = [Document(user, f"{user} on {item}", item_id=item, rating=r) for user, item, r, _ in WRITTEN]
VECTORS = np.stack([vector for *_, vector in WRITTEN])
GRAPH = build_graph(DOCUMENTS)
QUERY = unit(1, 0, 0)
NOTHING = np.zeros((0, 3), np.float32)


def find(history=(), topic="soap", without=None, k=10, **options):
    vectors = np.stack([VECTORS[DOCUMENTS.index(d)] for d in history]) if history else NOTHING
    place = GRAPH.topic_index.get(topic)
    user = None if without is None else GRAPH.user_index[without]
    found = TopicIndex(GRAPH, VECTORS, 5).find(QUERY, history, vectors, place, user, k, **options)
    return [(DOCUMENTS[f.document].text, f.level) for f in found]


def test_the_topic_itself_comes_first_then_what_is_near_then_all():
    assert find(without="eve") == [
        ("ann on soap", "topic"),
        ("bob on soap", "topic"),
        ("bob on comb", "nearest topics"),
        ("cid on comb", "nearest topics"),
        ("dan on rope", "nearest topics"),
    ]
    assert find(without="eve", k=1) == [("ann on soap", "topic")]
    assert find(without="eve", levels=("topic",)) == [("ann on soap", "topic"), ("bob on soap", "topic")]
    assert [level for _, level in find(levels=("topic", "corpus"))] == ["topic"] * 3 + ["corpus"] * 3


def test_a_topic_nobody_wrote_on_is_told_by_the_prompt():
    assert find(topic="unknown", without="eve", k=3) == [
        ("ann on soap", "nearest topics"),
        ("bob on soap", "nearest topics"),
        ("bob on comb", "nearest topics"),
    ]
    assert find(topic="rope", without="dan", k=1) == [("ann on soap", "nearest topics")]


def test_those_who_prefer_what_the_user_prefers_come_first():
    liked = [DOCUMENTS[3]]
    assert find(history=liked, topic="soap", without="cid", k=3)[2] == ("bob on soap", "topic")
    disliked = [DOCUMENTS[2]]
    assert find(history=disliked, topic="soap", without=None, k=1) == [("bob on soap", "topic")]


def test_those_who_write_of_what_the_user_writes_of_come_first():
    """Without ratings, by the cosine of what they have written: of three on the soap, eve writes of the sea too."""
    vectors = {"soap": unit(1, 0, 0), "sea": unit(0, 1, 0), "sky": unit(0, 0, 1)}
    written = [("ann", "soap"), ("ann", "sky"), ("eve", "soap"), ("eve", "sea"), ("me", "sea"), ("me", "sky")]
    documents = [Document(user, f"{user} on {item}", item_id=item) for user, item in written]
    graph = build_graph(documents)
    index = TopicIndex(graph, np.stack([vectors[item] for _, item in written]), 5)
    me, soap = graph.user_index["me"], graph.topic_index["soap"]
    for place, first in ((4, 2), (5, 0)):
        history, known = documents[place : place + 1], vectors[written[place][1]][None]
        assert index.find(QUERY, history, known, soap, me, 1)[0].document == first


def test_the_rating_of_the_one_left_out_is_no_part_of_the_scale():
    """One who rates 5 is nearer to bob (4) than to ann (2); how much that counts is told by others' ratings alone."""
    orders = []
    for target in (5.0, -20.0):
        documents = [
            Document("ann", "one", item_id="soap", rating=2.0),
            Document("bob", "two", item_id="soap", rating=4.0),
            Document("me", "target", item_id="soap", rating=target),
        ]
        graph = build_graph(documents)
        vectors = np.stack([unit(1, 0, 0), unit(1, 0.5, 0), unit(0, 0, 1)])
        history = [Document("me", "before", item_id="comb", rating=5.0)]
        found = TopicIndex(graph, vectors, 5).find(
            QUERY, history, unit(0, 0, 1)[None], 0, graph.user_index["me"], 2, levels=("topic",)
        )
        orders.append([documents[f.document].user_id for f in found])
    assert orders == [["bob", "ann"]] * 2


def test_what_is_not_allowed_is_passed_over():
    found = find(without="eve", k=2, allowed=lambda document: document.user_id != "ann")
    assert found == [("bob on soap", "topic"), ("bob on comb", "nearest topics")]


@pytest.mark.parametrize("topic", ["soap", "rope", "unknown"])
def test_what_the_one_left_out_has_written_changes_nothing(topic):
    """Neither a topic's vector nor an order depends on it."""
    changed = VECTORS.copy()
    changed[5] = unit(-1, 5, 2)
    place = GRAPH.topic_index.get(topic)
    orders = [
        [f.document for f in TopicIndex(GRAPH, v, 5).find(QUERY, (), NOTHING, place, GRAPH.user_index["eve"], 10)]
        for v in (VECTORS, changed)
    ]
    assert orders[0] == orders[1]
    assert 5 not in orders[0]


def test_documents_without_topics_or_ratings():
    documents = [Document("a", "one"), Document("b", "two"), Document("c", "three")]
    index = TopicIndex(build_graph(documents), VECTORS[:3], 5)
    found = index.find(QUERY, documents[:1], VECTORS[:1], None, 0, 5)
    assert [(f.document, f.level) for f in found] == [(1, "corpus"), (2, "corpus")]


def test_clusters_are_topics_of_a_corpus_of_text_alone():
    generator = np.random.default_rng(0)
    middles = np.eye(3, 8, dtype=np.float32)
    vectors = np.concatenate([middles[i] + 0.05 * generator.normal(size=(20, 8)).astype(np.float32) for i in range(3)])
    topics = cluster(vectors, 3, 0).topics_of(vectors)
    assert [len(set(topics[20 * i : 20 * i + 20])) for i in range(3)] == [1, 1, 1]
    assert len(set(topics)) == 3
    assert len(set(cluster(vectors[:2], 3, 0).topics_of(vectors[:2]))) <= 2
