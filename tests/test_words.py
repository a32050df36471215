"""Words in many scripts, and what is counted, searched and compared by them."""

import json

import pytest

from penname.data.convert import ConversionSettings, convert
from penname.data.duplicates import CopyDetector
from penname.data.load_report import LoadReport
from penname.retrieval.tokens import tokenize
from penname.rewards.overlap import word_sequences
from penname.words import plain_words, split_words

SENTENCES = {
    "English": ("It's a long, cold winter.", ["It's", "a", "long,", "cold", "winter."]),
    "German": ("Schöne Grüße aus Köln!", ["Schöne", "Grüße", "aus", "Köln!"]),
    "Russian": ("Привет, мой друг.", ["Привет,", "мой", "друг."]),
    "Greek": ("Καλημέρα σε όλους.", ["Καλημέρα", "σε", "όλους."]),
    "Arabic": ("مرحبا بالعالم الجميل", ["مرحبا", "بالعالم", "الجميل"]),
    "Hindi": ("मैं हिन्दी बोलता हूँ।", ["मैं", "हिन्दी", "बोलता", "हूँ।"]),
    "Korean": ("나는 서울에 산다.", ["나는", "서울에", "산다."]),
    "Chinese": ("我喜欢北京的烤鸭。", ["我", "喜欢", "北京", "的", "烤鸭"]),
    "Japanese": ("東京と京都と大阪。", ["東京", "と", "京都", "と", "大阪"]),
    "Thai": ("ฉันรักภาษาไทย", ["ฉัน", "รัก", "ภาษา", "ไทย"]),
    "mixed": ("Ich heiße 王小明, und Du?", ["Ich", "heiße", "王", "小明", "und", "Du?"]),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_words_of_ten_scripts(language):
    sentence, words = SENTENCES[language]
    assert split_words(sentence) == words
    assert plain_words(sentence) == plain_words(" ".join(words))
    position = 0
    for word in words:  # each is in the text as it is
        position = sentence.index(word, position) + len(word)


@pytest.mark.parametrize("language", SENTENCES)
def test_retrieval_and_copies_see_the_same_words(language):
    sentence, _ = SENTENCES[language]
    ids = tokenize([sentence, " ".join(plain_words(sentence))], "words")
    first = int(ids.ends[0])
    assert ids.words[:first].tolist() == ids.words[first:].tolist()
    assert first == len(plain_words(sentence)) >= 3
    assert CopyDetector(sentence).in_text(f" {sentence.lower()}")
    assert not CopyDetector(sentence).in_text("other words")
    assert len(word_sequences(sentence, 2)) == len(split_words(sentence)) - 1


@pytest.mark.parametrize("language", ["Chinese", "Thai", "Japanese"])
def test_texts_without_spaces_become_examples(tmp_path, language):
    """Their words are counted, and the opening of a text that has no title is a third of them, not all."""
    sentence = SENTENCES[language][0]
    digits = "零一二三四五六七八九"
    texts = {(u, n): f"{sentence}{digits[u]}{digits[n]}" + sentence * (n + 2) for u in range(6) for n in range(5)}
    records = [{"user": f"u{u}", "text": text} for (u, _), text in texts.items()]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    report = LoadReport()
    convert(tmp_path / "texts.jsonl", tmp_path / "out", ConversionSettings(), report)
    assert "shorter than 5 words" not in report.skipped
    examples = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert examples
    for example in examples:
        opening = example["input"].split('"')[1]
        assert 0.2 < len(opening) / len(opening + example["output"]) < 0.5
