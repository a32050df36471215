"""Both trajectories of PGraphRAG's records, and that no target is in anything that its example sees."""

import json
from dataclasses import replace

import pytest
import torch
from tests.shop import ITEMS, secret, write

from penname.config import SourceConfig, StyleSettings
from penname.data.load_report import LoadReport
from penname.data.sources import read_documents, read_split, shared_names
from penname.encoders import SentenceEncoder
from penname.pat.graph.style import StyleModel, fit_features, train_style
from penname.pat.graph.trajectories import Finder
from penname.pat.graph.user_topic import build_graph, cluster


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


def finder_of(source, encoder, clusters=None, fitted_to=None, without_items=()):
    """A finder whose messages have a large weight; documents of the users in `without_items` have no item."""
    documents = [
        replace(d, item_id=None) if d.user_id in without_items else d
        for d in read_documents(source, "val", LoadReport(strict=True))
    ]
    features, _ = fit_features([d.text for d in read_documents(fitted_to or source, "val", LoadReport())])
    made = features.of_texts([d.text for d in documents])
    model = StyleModel(made.shape[1], 32, 0)
    torch.nn.init.ones_(model.message_weight)
    shared = shared_names(source, documents)
    return Finder(
        documents, model, features, made, lambda texts: encoder.embed(texts, normalize=True), 5, clusters, shared
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return write(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def finder(shop, encoder):
    """The finder of the shop as it is."""
    return finder_of(shop, encoder)


def test_no_target_is_in_anything_its_example_sees(shop, finder):
    examples = list(read_split(shop, "val", LoadReport(strict=True)))
    assert len(examples) == 40
    shown = 0
    for example in examples:
        number = example.user_id.removeprefix("user")
        found = finder.find(example, 5)
        seen = [example.input, *(d.text for d in (*example.profile, *example.neighbours, *found.style, *found.topic))]
        assert secret(number) in str(example.output)
        assert not any(secret(number) in text for text in seen)
        assert not any(d.user_id == example.user_id for d in (*found.style, *found.topic))
        shown += sum("secretword" in text for text in seen)
    assert shown > 100  # the targets of others may be read


def test_what_is_found_does_not_depend_on_the_target(tmp_path, encoder):
    """Its words are in no feature, no topic's mean and no corpus: with others in their place all is the same."""
    user = 7
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = write(tmp_path / "a")
    second = write(
        tmp_path / "b", lambda u: "WHOLLY other words, here; and in ANOTHER style!" if u == user else secret(u)
    )
    found = []
    for source in (first, second):
        example = next(e for e in read_split(source, "val", LoadReport()) if e.user_id == f"user{user}")
        found.append(finder_of(source, encoder, fitted_to=first).find(example, 8))
    assert found[0] == found[1]


def test_topics_are_backed_off_and_levels_told(shop, finder):
    example = next(iter(read_split(shop, "val", LoadReport())))
    found = finder.find(example, 60)
    assert {d.item_id for d, level in zip(found.topic, found.levels, strict=True) if level == "topic"} == {
        example.item_id
    }
    assert found.levels == sorted(found.levels, key=("topic", "nearest topics", "corpus").index)
    exact = finder.find(example, 60, levels=("topic",))
    assert set(exact.levels) == {"topic"}
    assert len(exact.topic) < len(found.topic)


def test_a_user_whom_nobody_knows_is_served_at_once(shop, finder):
    """From the edge to the item, or from the prompt alone."""
    example = next(iter(read_split(shop, "val", LoadReport())))
    for item in (example.item_id, "never seen"):
        unknown = type(example)("new", "a new user", "shop_long", "Write: The soap", query="The soap", item_id=item)
        found = finder.find(unknown, 3)
        assert len(found.style) == len(found.topic) == 3
        assert len({d.user_id for d in found.style}) == 3


def test_names_that_many_share_are_nobodys_style(tmp_path, encoder):
    source = write(tmp_path)
    records = json.loads((tmp_path / "shop_dev.json").read_text())
    records[3]["id"] = "A verified traveler"
    (tmp_path / "shop_dev.json").write_text(json.dumps(records))
    finder = finder_of(source, encoder)
    for example in list(read_split(source, "val", LoadReport()))[:10]:
        assert "A verified traveler" not in {d.user_id for d in finder.find(example, 39).style}


def test_only_ids_that_are_display_names_can_be_shared(tmp_path, encoder):
    """Anybody who writes a lot may be called alice in data whose ids are one person's."""
    source = write(tmp_path)
    written = list(read_documents(source, "val", LoadReport()))
    alice = [replace(d, user_id="alice") for d in written[:6]]
    assert shared_names(source, [*alice, *written]) == {"alice"}
    assert shared_names(SourceConfig(format="jsonl", path=str(tmp_path)), [*alice, *written]) == set()


def test_documents_without_items_have_clusters_for_topics(tmp_path, encoder):
    source = write(tmp_path)
    documents = list(read_documents(source, "val", LoadReport()))
    clusters = cluster(encoder.embed([d.text for d in documents], normalize=True), 6, 0)
    everybody = {d.user_id for d in documents}
    finder = finder_of(source, encoder, clusters, without_items=everybody)
    assert {topic.split()[0] for topic in finder.graph.topics} == {"topic"}
    assert len(finder.graph.topics) <= 6
    example = replace(next(iter(read_split(source, "val", LoadReport()))), item_id=None)
    topic = clusters.topics_of(encoder.embed([str(example.query)], normalize=True))[0]
    found = finder.find(example, 5)
    others = finder.graph.documents_on(finder.graph.topic_index[topic])
    assert found.topic[0].text in {finder.graph.documents[place].text for place in others}
    assert found.levels[0] == "topic"
    assert len(found.topic) == 5


def test_documents_with_items_keep_them_beside_others_without(tmp_path, encoder):
    source = write(tmp_path)
    documents = list(read_documents(source, "val", LoadReport()))
    some = {f"user{number}" for number in range(0, 40, 2)}
    texts = [d.text for d in documents if d.user_id in some]
    clusters = cluster(encoder.embed(texts, normalize=True), 6, 0)
    finder = finder_of(source, encoder, clusters, without_items=some)
    assert set(ITEMS) < set(finder.graph.topics)
    example = next(e for e in read_split(source, "val", LoadReport()) if e.user_id == "user7")
    on_item = finder.find(example, 3)
    assert on_item.levels == ["topic"] * 3
    assert {d.item_id for d in on_item.topic} == {example.item_id}
    assert {d.item_id for d in finder.find(replace(example, item_id=None), 3, ["topic"]).topic} == {None}


def test_a_model_trained_on_one_graph_serves_another(tmp_path, encoder):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    trained_on = list(read_documents(write(tmp_path / "a"), "val", LoadReport()))
    features, made = fit_features([d.text for d in trained_on])
    model = train_style(
        made,
        build_graph(trained_on),
        StyleSettings(dimension=32, epochs=20, learning_rate=1e-2),
        0,
    )
    source = write(tmp_path / "b", users=30)
    documents = list(read_documents(source, "val", LoadReport()))
    finder = Finder(
        documents,
        model,
        features,
        features.of_texts([d.text for d in documents]),
        lambda texts: encoder.embed(texts, normalize=True),
        5,
    )
    right = 0
    examples = [e for e in read_split(source, "val", LoadReport()) if e.profile]
    for example in examples:
        way = int(example.user_id.removeprefix("user")) % 2
        right += sum(int(d.user_id.removeprefix("user")) % 2 == way for d in finder.find(example, 3).style)
    assert right > 0.9 * 3 * len(examples)


def test_a_copy_of_the_target_among_the_users_own_documents_changes_nothing(shop, finder):
    example = next(e for e in read_split(shop, "val", LoadReport()) if e.profile)
    copy = replace(example.profile[0], text=f"Once more: {example.output}", id="copy")
    found = [finder.find(e, 8) for e in (example, replace(example, profile=(*example.profile, copy)))]
    assert found[0] == found[1]


def test_copies_of_the_target_by_others_are_passed_over(tmp_path, encoder):
    """Two others write the target again, on its own item; without them the same is found."""
    source = write(tmp_path)
    records = json.loads((tmp_path / "shop_dev.json").read_text())
    example = next(iter(read_split(source, "val", LoadReport())))
    (tmp_path / "copied").mkdir()
    copied = write(tmp_path / "copied")
    for record in records[20:22]:
        assert record["id"] != example.user_id
        record["profile"].append(
            {"rating": 5, "title": "Again", "text": f"Again: {example.output}", "pid": example.item_id}
        )
    (tmp_path / "copied" / "shop_dev.json").write_text(json.dumps(records))
    documents = list(read_documents(copied, "val", LoadReport()))
    copies = [d.text for d in documents if str(example.output) in d.text and d.user_id != example.user_id]
    assert len(copies) == 2, "the copies are in the graph"
    found = finder_of(copied, encoder, fitted_to=source).find(example, len(documents))
    assert len(found.style) == 39
    assert len(found.topic) > 60
    assert not any(d.text in copies for d in (*found.style, *found.topic))
