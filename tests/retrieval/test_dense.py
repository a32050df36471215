"""Dense rankings are plain dot products; nothing is embedded or ranked twice: not after a kill, nor after damage."""

import logging
import sqlite3

import numpy as np
import pytest

from penname.data.records import Document
from penname.encoders import SentenceEncoder
from penname.errors import UserError
from penname.retrieval import dense
from penname.retrieval.cache import key_of, key_of_ranking
from penname.retrieval.dense import DenseRanking
from penname.retrieval.retrieve import DENSE, Search, make_retriever

PROFILES = [
    ["The cat sleeps.", "Stock prices fell.", "A kitten naps."],
    ["Rain fell all day.", "The cat sleeps."],
    [],
    [f"Note {i}: {'bread, ' * (i % 6)}and more of it." for i in range(40)],
]
QUERIES = ["two sleeping cats", "weather", "nothing", "a note of bread"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path))
    return tmp_path / "retrieval"


@pytest.fixture
def embedded(monkeypatch):
    """The texts that an encoder was given."""
    texts = []
    embed = SentenceEncoder.embed

    def noted(self, part, *arguments, **named):
        texts.extend(part)
        return embed(self, part, *arguments, **named)

    monkeypatch.setattr(SentenceEncoder, "embed", noted)
    return texts


def ranked(queries=QUERIES, profiles=PROFILES, on_progress=lambda note: None, pooling="model default", normalize=True):
    orders = DenseRanking(None, pooling=pooling, normalize=normalize).rank(queries, profiles, on_progress)
    return [list(order) for order in orders]


@pytest.mark.parametrize(("pooling", "normalize"), [("model default", True), ("mean", False)])
def test_a_ranking_is_that_of_plain_dot_products(pooling, normalize):
    encoder = SentenceEncoder(pooling=pooling)
    for _ in range(2):  # with vectors made now, and with those kept
        for query, texts, order in zip(QUERIES, PROFILES, ranked(pooling=pooling, normalize=normalize), strict=True):
            if texts:
                scores = encoder.encode(texts, normalize=normalize) @ encoder.encode([query], normalize=normalize)[0]
                assert sorted(order) == list(range(len(texts)))
                assert np.all(np.diff(scores[order]) <= 1e-5)


def test_each_distinct_text_is_embedded_once(embedded):
    first = ranked()
    assert sorted(embedded) == sorted({*QUERIES[:2], QUERIES[3], *(text for texts in PROFILES for text in texts)})
    embedded.clear()
    assert ranked() == first
    assert embedded == []
    ranked(profiles=[[*PROFILES[0], "A new one."], *PROFILES[1:]])
    assert embedded == ["A new one."]


def test_a_ranking_is_kept_by_its_content(cache, embedded):
    first = ranked()
    (path,) = cache.iterdir()
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM vectors")
    embedded.clear()
    assert ranked(QUERIES[::-1], PROFILES[::-1]) == first[::-1]
    assert embedded == []
    ranked(profiles=[PROFILES[0][::-1], *PROFILES[1:]])
    assert set(embedded) == {QUERIES[0], *PROFILES[0]}


def test_what_was_embedded_before_a_kill_is_kept(embedded, monkeypatch):
    monkeypatch.setattr(dense, "EMBEDDING_BATCH", 8)
    notes = []

    def kill_at_the_third(note):
        notes.append(note)
        if len(notes) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ranked(on_progress=kill_at_the_third)
    assert notes[-1] == "24 of 47 texts embedded"
    ranked()
    assert len(embedded) == len(set(embedded)) == 47


def test_encoders_do_not_share_vectors(embedded):
    ranked()
    ranked(pooling="mean", normalize=False)
    assert len(embedded) == 2 * 47


@pytest.mark.parametrize("damage", ["cut short", "no database", "a changed vector", "a changed ranking"])
def test_damage_is_named_in_a_line_and_mended(damage, cache, caplog, embedded):
    first = ranked()
    embedded.clear()
    (path,) = cache.iterdir()
    held = bytearray(path.read_bytes())
    if damage == "cut short":
        held = held[: len(held) // 2]
    elif damage == "no database":
        held[:100] = b"x" * 100
    elif damage == "a changed vector":
        with sqlite3.connect(path) as file:
            file.execute("DELETE FROM rankings")
            file.execute("UPDATE vectors SET entry = zeroblob(1536) WHERE key = ?", [key_of(QUERIES[0])])
        held = path.read_bytes()
    else:
        with sqlite3.connect(path) as file:
            key = key_of_ranking(QUERIES[0], PROFILES[0])
            file.execute("UPDATE rankings SET entry = zeroblob(12) WHERE key = ?", [key])
        held = path.read_bytes()
    path.write_bytes(held)
    with caplog.at_level(logging.WARNING):
        assert ranked() == first
    assert len([r for r in caplog.records if "damaged" in r.message]) == 1
    assert str(path) in caplog.text
    assert len(embedded) == {"a changed vector": 1, "a changed ranking": 0}.get(damage, 47)
    caplog.clear()
    embedded.clear()
    assert ranked() == first
    assert (embedded, caplog.records) == ([], [])


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="PENNAME_CACHE") as raised:
        ranked()
    assert "\n" not in str(raised.value)


def test_a_text_over_the_window_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(dense, "EMBEDDING_BATCH", 2)
    ranked(["q"], [[f"{i} " + "word " * 600 for i in range(3)]])
    assert [r.message.startswith("3 of 4 texts are longer") for r in caplog.records] == [True]


@pytest.mark.parametrize("name", ["bm25", *DENSE])
def test_nothing_of_the_texts_stays_on_disk_where_that_is_asked_for(name, cache, monkeypatch):
    monkeypatch.setattr("penname.retrieval.bm25.MIN_CACHED_CHARACTERS", 0)
    searches = [Search(QUERIES[0], [Document("u", text) for text in PROFILES[0]], PROFILES[0])]
    orders = [make_retriever(name, None, 0, cached=cached)(searches, lambda note: None) for cached in (False, True)]
    assert orders[0][0].tolist() == orders[1][0].tolist()
    kept = list(cache.rglob("*.sqlite"))
    assert kept
    for file in kept:
        file.unlink()
    make_retriever(name, None, 0, cached=False)(searches, lambda note: None)
    assert not list(cache.rglob("*.sqlite"))
