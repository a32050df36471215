"""A text that is decoded as it grows is the text that is decoded as a whole, with each kind of tokenizer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from penname.encoders import locate_encoder
from penname.engines.tokenizer import load_light_tokenizer
from penname.prompts.growing_text import UNFINISHED, GrowingText
from penname.prompts.render import Renderer
from penname.serve.streaming import StreamedCompletion

TEXTS = {
    "English": "The rain fell, and it's “cold” – isn't it? Yes.\n\n  Then:\tgone.",
    "emoji": "👩‍👩‍👧‍👦 and 🏽👍🏽 🇩🇪🇫🇷 ☂️ 🙂🙂🙂",
    "combining marks": "e\u0301 o\u0308\u0323 हिन्दी नि ก็ไม่ x\u0301\u0302\u0303 Z͑ͫ̓ͪ̂ͫ̽͏̴̙",
    "CJK": "我喜欢北京的烤鸭。東京とパリ 𠮷野家 한국어 。",
    "scripts": "Привет, мир! مرحبا بالعالم שלום naïve café Ångström",
    "no character": "a\ufffd b \ufffd\ufffd c",
    "white space": "  two  spaces   three\n\n\nlines \u3000 wide",
}
CORPUS = [*TEXTS.values(), "The river and the rain are cold. " * 20, "word by word, and letter by letter"]


def sentencepiece():
    """As Gemma's and Llama 2's: words begin with a mark for the space, and bytes stand for rare letters."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    rules = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(rules)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, limit_alphabet=60, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    # Only the first three are passed over when a text is decoded.
    fresh = Tokenizer.from_str(tokenizer.to_str().replace('"special":true', '"special":false'))
    fresh.add_special_tokens(["<unk>", "<s>", "</s>"])
    return fresh


def metaspace():
    """As T5's: the decoder drops the space before the first word."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def tokenizers(bundled):
    light = load_light_tokenizer(bundled)
    word_pieces = Tokenizer.from_file(f"{locate_encoder(None)}/tokenizer.json")
    word_pieces.no_padding()
    word_pieces.no_truncation()
    plain = {"SentencePiece": sentencepiece(), "Metaspace": metaspace(), "WordPiece": word_pieces}
    coders = {
        name: (
            lambda text, t=tokenizer: t.encode(text, add_special_tokens=False).ids,
            lambda ids, t=tokenizer: t.decode(list(ids), skip_special_tokens=True),
        )
        for name, tokenizer in plain.items()
    }
    renderer = Renderer(light, "chat", 100)
    return {"bundled": (renderer._tokens, renderer.decode), **coders}


KINDS = ("bundled", "SentencePiece", "Metaspace", "WordPiece")


def grown(decode, tokens):
    text = GrowingText(decode)
    return [text(tokens[:end]) for end in range(len(tokens) + 1)]


def in_whole(decode, tokens):
    return [decode(tokens[:end]) for end in range(len(tokens) + 1)]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_at_each_token_the_text_is_that_of_all_tokens(tokenizers, kind, name):
    encode, decode = tokenizers[kind]
    tokens = list(encode(TEXTS[name]))
    assert len(tokens) >= 3
    assert grown(decode, tokens) == in_whole(decode, tokens)


@settings(deadline=None)
@given(
    texts=st.lists(st.sampled_from(list(TEXTS.values())) | st.text(max_size=8), max_size=4), kind=st.sampled_from(KINDS)
)
def test_any_text_is_decoded_as_it_grows(tokenizers, texts, kind):
    encode, decode = tokenizers[kind]
    tokens = list(encode(" ".join(texts)))
    assert grown(decode, tokens) == in_whole(decode, tokens)


@settings(deadline=None)
@given(tokens=st.lists(st.integers(0, 49_000), max_size=40))
def test_tokens_that_are_no_text_are_decoded_as_they_grow(tokenizers, tokens):
    _, decode = tokenizers["bundled"]
    assert grown(decode, tokens) == in_whole(decode, tokens)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3])
def test_what_is_streamed_is_the_whole_text_up_to_a_stop_string(tokenizers, kind, name, size):
    encode, decode = tokenizers[kind]
    tokens = list(encode(TEXTS[name]))
    text = decode(tokens)
    stop = text[len(text) * 2 // 3 :][:4]
    for stops, expected in (((), text.strip()), ((stop,), text[: text.index(stop)].strip())):
        completion = StreamedCompletion(GrowingText(decode), with_reasoning=False, stop=stops)
        pieces = [completion.add(tokens[at : at + size]).response for at in range(0, len(tokens), size)]
        assert "".join(pieces) + completion.end().response == expected
        assert completion.stopped == bool(stops)


def test_few_tokens_are_decoded_at_a_time(tokenizers):
    encode, decode = tokenizers["bundled"]
    tokens, decoded = list(encode(TEXTS["emoji"] * 20)), []
    text = GrowingText(lambda ids: decoded.append(len(ids)) or decode(ids))
    for end in range(1, len(tokens) + 1):
        text(tokens[:end])
    assert len(tokens) >= 300
    assert max(decoded) < 40


def test_tokens_that_are_cut_off_are_forgotten(tokenizers):
    encode, decode = tokenizers["bundled"]
    text, tokens = GrowingText(decode), list(encode("One two three four."))
    for shown in (tokens, tokens[3:], tokens[:2], tokens):
        assert text(shown) == decode(shown)
    assert UNFINISHED not in text(tokens)
