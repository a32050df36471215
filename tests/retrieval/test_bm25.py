"""Scores are rank_bm25's, of any texts and of a benchmark's."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.caching import CacheImpl
from rank_bm25 import BM25Okapi

from penname.config import SourceConfig
from penname.data.layouts import query_of, searched_text
from penname.data.sources import load_split
from penname.retrieval import bm25, known_words
from penname.retrieval import tokens as tokenizer
from penname.retrieval.bm25 import rank, rank_cached, rank_known, score
from penname.retrieval.compiled import SMALL_INPUT, compiled
from penname.retrieval.known_words import KnownWords
from penname.retrieval.tokens import SMALLEST_TABLE, tokenize
from penname.words import plain_words

SPLITTERS = {"words": plain_words, "whitespace": str.split}

LOOPS = (
    (bm25, "_score"),
    *((tokenizer, name) for name in ("_blank_wide_spaces", "_hash", "_number")),
)


def reference(query, texts, tokens):
    """rank_bm25 fails where there is no word at all."""
    corpus = [SPLITTERS[tokens](text) for text in texts]
    return BM25Okapi(corpus).get_scores(SPLITTERS[tokens](query)) if any(corpus) else np.zeros(len(texts))


def check(queries, profiles, tokens):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penname.retrieval.compiled.SMALL_INPUT", -1)
        check_loops(queries, profiles, tokens)
        for module, loop in LOOPS:
            patch.setattr(module, loop, getattr(module, loop).__wrapped__)
        with np.errstate(over="ignore"):
            check_loops(queries, profiles, tokens)


def check_loops(queries, profiles, tokens):
    orders, scores = rank(queries, profiles, tokens), score(queries, profiles, tokens)
    for query, texts, order, found in zip(queries, profiles, orders, scores, strict=True):
        expected = reference(query, texts, tokens)
        assert np.array_equal(found, expected)
        assert np.array_equal(order, np.argsort(-expected, kind="stable"))


# Few words, so that they meet; long ones with a common start; and every kind of space, mark and letter.
WORDS = st.sampled_from(["a", "B", "b", "the", "it's", "extraordinary", "extraordinarily", "ΟΔΟΣ", "na\u00efve", "x_1"])
SPACES = st.sampled_from([" ", "  ", "\n", "\t", "\x1c", "\x85", "\u00a0", "\u2003", "\u3000", "\0", "-", "\u200b"])
TEXTS = st.lists(WORDS | SPACES | st.text(max_size=3), max_size=30).map("".join)
PROFILES = st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=6)), max_size=5)


@pytest.mark.parametrize("tokens", ["words", "whitespace"])
@settings(deadline=None)
@given(profiles=PROFILES)
def test_any_texts_are_ranked_as_by_rank_bm25(tokens, profiles):
    check([query for query, _ in profiles], [texts for _, texts in profiles], tokens)


@pytest.mark.parametrize("tokens", ["words", "whitespace"])
@settings(deadline=None)
@given(texts=st.lists(TEXTS | st.text(st.characters(codec=None)), max_size=6))
def test_texts_are_cut_as_words_of_and_split_cut_them(tokens, texts):
    found = tokenize(texts, tokens)
    words = [word for text in texts for word in SPLITTERS[tokens](text)]
    assert list(np.diff(found.ends, prepend=0)) == [len(SPLITTERS[tokens](text)) for text in texts]
    assert len(set(zip(words, found.words, strict=True))) == len(set(words)) == len(set(found.words))


@pytest.mark.slow
@pytest.mark.parametrize("tokens", ["words", "whitespace"])
def test_every_character_separates_words_or_does_not(tokens):
    letters = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
    texts = [f"a{letter}b" for letter in letters]
    ends = tokenize(texts, tokens).ends
    assert list(np.diff(ends, prepend=0)) == [len(SPLITTERS[tokens](text)) for text in texts]


def test_more_words_than_a_table_has_room_for():
    words = [f"w{i}" for i in range(SMALLEST_TABLE)]
    assert list(tokenize([" ".join(words), "w7 w8"], "whitespace").words) == [*range(len(words)), 7, 8]


@pytest.mark.skipif("PENNAME_DATA" not in os.environ, reason="PENNAME_DATA is not set: no real texts")
@pytest.mark.parametrize("tokens", ["words", "whitespace"])
@pytest.mark.parametrize("task", ["abstract_generation_user", "topic_writing_user"])
def test_a_benchmark_is_ranked_as_by_rank_bm25(task, tokens):
    source = SourceConfig(format="longlamp", path=f"$PENNAME_DATA/longlamp-format/{task}")
    examples = load_split([source], "test", None, 0)
    profiles = [[searched_text(e, document) for document in e.profile] for e in examples]
    check([query_of(e) for e in examples], profiles, tokens)


def test_rankings_of_much_text_are_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path))
    texts = [f"{'rain ' * (i % 7)}bread {i}" for i in range(40)]
    searches = (["rain", "bread 3", "snow"], [texts[:30], texts[10:], []])
    expected = rank(*searches, "words")
    rank_cached(*searches, "words")
    assert not list(tmp_path.iterdir()), "little text"
    monkeypatch.setattr(bm25, "MIN_CACHED_CHARACTERS", 100)
    rank_cached(*searches, "words")
    with monkeypatch.context() as without:
        without.setattr(bm25, "rank", None)
        assert all(map(np.array_equal, rank_cached(*searches, "words"), expected))
    for queries, profiles, tokens in (
        (["rain", "bread 4", "snow"], searches[1], "words"),
        (searches[0], [texts[:31], texts[10:], []], "words"),
        (searches[0], [texts[:30], [], texts[10:]], "words"),
        (*searches, "whitespace"),
    ):
        assert all(map(np.array_equal, rank_cached(queries, profiles, tokens), rank(queries, profiles, tokens)))
    monkeypatch.setenv("PENNAME_CACHE", "/dev/null")
    assert all(map(np.array_equal, rank_cached(*searches, "words"), expected))
    assert "set PENNAME_CACHE to a folder that can be written to" in caplog.text


@pytest.mark.parametrize("tokens", ["words", "whitespace"])
@settings(deadline=None)
@given(profiles=st.lists(st.tuples(TEXTS, st.lists(TEXTS, max_size=6)), min_size=1, max_size=5))
def test_texts_whose_words_are_known_are_ranked_as_others(tokens, profiles):
    """One profile, whose documents come, change and go."""
    known = KnownWords()
    for query, texts in profiles:
        for _ in range(2):
            expected = np.argsort(-reference(query, texts, tokens), kind="stable")
            assert np.array_equal(rank_known(query, texts, tokens, known), expected)


def test_only_new_texts_are_tokenized(monkeypatch):
    known, texts, cut = KnownWords(), [f"note {i} about rain" for i in range(30)], []
    real = known_words.hash_words
    monkeypatch.setattr(known_words, "hash_words", lambda texts, tokens: cut.extend(texts) or real(texts, tokens))
    rank_known("rain", texts, "words", known)
    assert cut == [*texts, "rain"]
    cut.clear()
    taken = known.size
    rank_known("snow", [*texts[:20], "new"], "words", known)
    assert cut == ["new", "snow"]
    assert 0 < known.size < taken
    rank_known("snow", texts, "words", known)
    assert cut[2:] == [*texts[20:], "snow"], "what a profile has no more is not kept"


def test_a_profile_of_many_documents():
    texts = [f"note {i} about {'rain' if i % 1000 == 7 else 'bread'}" for i in range(50_000)]
    order = rank(["rain 8007"], [texts], "words")[0]
    assert order[0] == 8007
    assert list(order[1:50]) == [i for i in range(7, 50_000, 1000) if i != 8007]
    assert re.fullmatch(r"note 0 .*", texts[order[50]])


def test_loops_are_compiled_where_nothing_can_be_kept(monkeypatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    @compiled
    def double(numbers):
        return 2 * numbers

    assert double(np.full(SMALL_INPUT + 1, 21))[0] == 42


@pytest.mark.slow
def test_damaged_loops_are_compiled_anew(tmp_path):
    program = tmp_path / "loops.py"
    program.write_text(
        "import numpy\n"
        "from penname.retrieval.compiled import SMALL_INPUT, compiled\n"
        "@compiled\n"
        "def double(numbers):\n"
        "    return 2 * numbers\n"
        "print(double(numpy.full(SMALL_INPUT + 1, 21))[0])\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    for damage in (None, b"", b"\x80"):
        done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == ("42\n", 0), done.stderr
        kept = list(tmp_path.glob("kept/*/*.nb?"))
        assert kept
        for file in kept:
            file.write_bytes(damage or file.read_bytes()[:20])
