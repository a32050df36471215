"""Retrievers rank as they should, and never hand over the target."""

import pytest

from penname.data.records import Document, Example
from penname.retrieval.retrieve import bm25, make_retriever, recency, retrieve

TEXTS = ("The cat sleeps on the mat.", "Stock prices fell sharply today.", "A kitten and its mother nap.", "Rain.")
DOCUMENTS = tuple(Document("u", text, date=f"200{i}-01-01") for i, text in enumerate(TEXTS))


def example(profile, output="The target."):
    return Example("e", "u", "t", "Write about stock prices", output, profile)


def test_bm25_ranks_by_shared_words():
    assert bm25("why stock prices fell", DOCUMENTS)[0] == 1
    assert sorted(bm25("why stock prices fell", DOCUMENTS)) == [0, 1, 2, 3]


@pytest.mark.parametrize("query", ["", "zzz qqq", "!!!"])
def test_bm25_without_a_shared_word_keeps_the_order(query):
    assert bm25(query, DOCUMENTS) == [0, 1, 2, 3]


def test_bm25_of_wordless_documents():
    assert bm25("x", [Document("u", "!!"), Document("u", "x")]) == [1, 0]


def test_recency_takes_the_latest_first():
    assert recency("", DOCUMENTS) == [3, 2, 1, 0]
    assert recency("", [Document("u", t) for t in TEXTS]) == [3, 2, 1, 0]


def test_random_depends_on_seed_and_query_only():
    one = make_retriever("random", None, 1)
    assert one("q", DOCUMENTS) == one("q", DOCUMENTS)
    orders = {tuple(make_retriever("random", None, s)("q", DOCUMENTS)) for s in range(20)}
    assert len(orders) > 5


@pytest.mark.parametrize("name", ["dense", "contriever"])
def test_dense_ranks_by_meaning(name):
    assert make_retriever(name, None, 0)("two sleeping cats", DOCUMENTS)[:2] in ([0, 2], [2, 0])


@pytest.mark.parametrize("name", ["bm25", "dense", "recency", "random"])
def test_a_duplicate_of_the_target_is_never_in_its_own_context(name):
    copy = Document("u", "  the STOCK prices, target ", date="2030-01-01")
    profile = (*DOCUMENTS, copy)
    found = retrieve(example(profile, "The stock prices target!"), make_retriever(name, None, 0), 5)
    assert copy not in found
    assert len(found) == 4


def test_k_and_an_empty_profile():
    assert len(retrieve(example(DOCUMENTS), bm25, 2)) == 2
    assert retrieve(example(()), bm25, 2) == []
