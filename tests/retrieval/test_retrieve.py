"""Retrievers rank as they should, block after block, and never hand over the target."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from penname.config import SourceConfig
from penname.data.duplicates import MIN_SHARE, ngrams_of
from penname.data.load_report import LoadReport
from penname.data.records import Document, Example
from penname.data.sources import read_split
from penname.retrieval import retrieve as module
from penname.retrieval.retrieve import make_retriever, rank_by_date, retrieve, retrieve_all
from penname.words import plain_words

TEXTS = ("The cat sleeps on the mat.", "Stock prices fell sharply today.", "A kitten and its mother nap.", "Rain.")
DOCUMENTS = tuple(Document("u", text, date=f"200{i}-01-01") for i, text in enumerate(TEXTS))
RETRIEVERS = ["bm25", "dense", "contriever", "recency", "random"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path))


def example(profile, output="The target.", **fields):
    return Example("e", "u", "t", fields.pop("input", "Write about stock prices"), output, profile, **fields)


def order(name, query, documents=DOCUMENTS, seed=0):
    found = retrieve(example(documents, input=query), make_retriever(name, None, seed), len(documents))
    return [documents.index(document) for document in found]


def test_bm25_ranks_by_shared_words():
    assert order("bm25", "why stock prices fell")[0] == 1
    assert sorted(order("bm25", "why stock prices fell")) == [0, 1, 2, 3]


@pytest.mark.parametrize("query", ["", "zzz qqq", "!!!"])
def test_bm25_without_a_shared_word_keeps_the_order(query):
    assert order("bm25", query) == [0, 1, 2, 3]


def test_bm25_splits_words_as_it_is_told():
    documents = (*DOCUMENTS, Document("u", "RAIN! falls"))
    asked = example(documents, input="rain!")
    assert retrieve(asked, make_retriever("bm25", None, 0, "words"), 1)[0].text == "Rain."
    assert retrieve(asked, make_retriever("bm25", None, 0, "whitespace"), 1)[0].text == TEXTS[0]


def test_recency_takes_the_latest_first():
    assert list(rank_by_date(DOCUMENTS)) == [3, 2, 1, 0]
    assert list(rank_by_date([Document("u", t) for t in TEXTS])) == [3, 2, 1, 0]


def test_random_depends_on_seed_and_query_only():
    assert order("random", "q", seed=1) == order("random", "q", seed=1)
    assert len({tuple(order("random", "q", seed=s)) for s in range(20)}) > 5


@pytest.mark.parametrize("name", ["dense", "contriever"])
def test_dense_ranks_by_meaning(name):
    assert order(name, "two sleeping cats")[:2] in ([0, 2], [2, 0])


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_copy_of_the_target_is_never_in_its_own_context(name):
    copies = (
        Document("u", "  the STOCK prices, target ", date="2030-01-01"),
        Document("u", "Before it: the stock prices target. And after it.", date="2029-01-01"),
    )
    target = "The stock prices target!"
    found = retrieve(example((*DOCUMENTS, copies[0]), target), make_retriever(name, None, 0), 5)
    assert copies[0] not in found
    assert len(found) == 4
    longer = f"{target} It fell and rose and fell again today."
    inside = Document("u", f"First this. {longer} Then that.", date="2029-01-01")
    assert inside not in retrieve(example((*DOCUMENTS, inside), longer), make_retriever(name, None, 0), 5)


def test_k_and_an_empty_profile():
    bm25 = make_retriever("bm25", None, 0)
    assert len(retrieve(example(DOCUMENTS), bm25, 2)) == 2
    assert retrieve(example(()), bm25, 2) == []
    assert retrieve(example(DOCUMENTS), bm25, 0) == []


@pytest.mark.parametrize("name", RETRIEVERS)
def test_whose_documents(name):
    """PGraphRAG's three configurations: k from each side, the user's own first."""
    neighbours = tuple(Document("other", f"{text} So they say.") for text in TEXTS)
    both = example(DOCUMENTS, neighbours=neighbours)
    retriever = make_retriever(name, None, 0)
    own, other = (retrieve(both, retriever, 2, side) for side in ("own", "neighbours"))
    assert [d.user_id for d in own] == ["u", "u"]
    assert [d.user_id for d in other] == ["other", "other"]
    assert retrieve(both, retriever, 2, "both") == own + other
    assert retrieve(example(DOCUMENTS), retriever, 2, "neighbours") == []
    assert retrieve(example((), neighbours=neighbours), retriever, 2, "both") == other


@pytest.mark.parametrize("name", ["bm25", "dense", "contriever"])
def test_layouts_say_what_is_searched_and_for_what(name):
    documents = tuple(Document("u", "Nothing.", title=title) for title in ("Dull", "Bread", "Stock prices"))
    asked = example(documents, input="Dull", query="stock prices", layout="abstract")
    assert retrieve(asked, make_retriever(name, None, 0), 1)[0].title == "Stock prices"


@pytest.mark.parametrize("name", RETRIEVERS)
@pytest.mark.parametrize("limit", ["BLOCK_CHARACTERS", "BLOCK_DOCUMENTS"])
def test_many_examples_are_ranked_as_one_by_one_whatever_the_blocks(name, limit, monkeypatch):
    examples = [
        example(tuple(Document("u", f"{text} {i % 5}") for text in TEXTS[: i % 5]), input=TEXTS[i % 3])
        for i in range(12)
    ]
    retriever = make_retriever(name, None, 0)
    alone = [(e, retrieve(e, retriever, 3)) for e in examples]
    assert list(retrieve_all(iter(examples), retriever, 3)) == alone
    monkeypatch.setattr(module, limit, 50 if limit == "BLOCK_CHARACTERS" else 3)
    assert list(retrieve_all(iter(examples), retriever, 3)) == alone


def test_no_more_than_a_block_is_read_ahead(monkeypatch):
    monkeypatch.setattr(module, "BLOCK_DOCUMENTS", 10)
    read = []

    def examples():
        for i in range(20):
            read.append(i)
            yield example(DOCUMENTS)

    next(retrieve_all(examples(), make_retriever("bm25", None, 0), 1))
    assert len(read) == 3


@pytest.mark.skipif("PENNAME_DATA" not in os.environ, reason="PENNAME_DATA is not set: no PGraphRAG data")
@pytest.mark.parametrize("name", ["amazon", "hotel", "gap"])
def test_pgraphrags_candidates_and_their_order(name):
    """Other users' reviews of the target's item, ranked by rank_bm25, computed anew from the file."""
    path = Path(os.environ["PENNAME_DATA"]) / "pgraphrag" / f"{name}_dev.json"
    reviews = [(record["id"], r) for record in json.loads(path.read_text()) for r in record["profile"]]
    of_item = {}
    for user, review in reviews:
        of_item.setdefault(review["pid"], []).append((user, review["title"] or "", review["text"] or ""))
    targets = {record["id"]: record["profile"][0] for record in json.loads(path.read_text())}
    source = SourceConfig(format="pgraphrag", path=str(path))
    examples = list(read_split(source, "val", LoadReport()))[::5]
    for asked, found in retrieve_all(examples, make_retriever("bm25", None, 0), 4, "neighbours"):
        target = targets[asked.user_id]
        ngrams = ngrams_of(plain_words(target["text"]))
        candidates = [
            (title, text)
            for user, title, text in of_item[target["pid"]]
            if user != asked.user_id
            and text.strip()
            and len(ngrams & ngrams_of(plain_words(text))) < MIN_SHARE * len(ngrams)
        ]
        if not candidates:
            assert found == []
            continue
        scores = BM25Okapi([plain_words(f"{title} {text}") for title, text in candidates]).get_scores(
            plain_words(target["title"])
        )
        best = [candidates[i] for i in np.argsort(-scores, kind="stable")[:4]]
        assert [(d.title, d.text) for d in found] == best
