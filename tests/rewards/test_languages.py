"""Metrics in ten scripts: what they see of texts that are not English, and that English is as it was."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest
from rouge_score.rouge_scorer import RougeScorer
from tests.rewards.test_overlap import PAIRS, random_texts

from penname.config import RewardConfig
from penname.pat.graph.stylometry import NAMES, stylometric
from penname.rewards.base import RewardInput
from penname.rewards.meteor import meteor
from penname.rewards.mixture import make_rewards
from penname.rewards.overlap import METRICS, rouge1, rouge_l
from penname.words import OTHER_LETTERS, bare_words, other_letters, plain_words, words_for

TEXTS = {
    # A text, one that begins and ends as it does and differs in between, and one of other words.
    "Latin with accents": ("Schöne Grüße aus Köln, Jörg.", "Schöne Küsse für Köln, Jörg.", "Müde Bären träumen öfter."),
    "Cyrillic": ("Мой друг живёт в большом городе.", "Мой брат живёт в большом городе.", "Сегодня шёл сильный дождь."),
    "Greek": ("Ο φίλος μου μένει στην Αθήνα.", "Ο αδελφός μου μένει στην Αθήνα.", "Σήμερα έβρεξε πολύ."),
    "Arabic": ("صديقي يسكن في مدينة كبيرة.", "أخي يسكن في مدينة كبيرة.", "أمطرت اليوم كثيرا؟"),
    "Hebrew": ("החבר שלי גר בעיר גדולה.", "האח שלי גר בעיר גדולה.", "היום ירד גשם חזק."),
    "Devanagari": ("मेरा मित्र बड़े शहर में रहता है।", "मेरा भाई बड़े शहर में रहता है।", "आज बहुत बारिश हुई।"),
    "Thai": ("เพื่อนของฉันอยู่ในเมืองใหญ่", "พี่ของฉันอยู่ในเมืองใหญ่", "วันนี้ฝนตกหนัก"),
    "Chinese": ("我的朋友住在北京的大学。", "我的老师住在北京的大学。", "今天下雨了！"),
    "Japanese": ("私の友達は東京に住んでいます。", "私の先生は東京に住んでいます。", "昨夜、雪降った！"),
    "Korean": ("내 친구는 큰 도시에 산다.", "내 형은 큰 도시에 산다.", "오늘 비가 왔다."),
}


@pytest.mark.parametrize("script", TEXTS)
def test_rouge_and_meteor_see_what_texts_of_a_script_share(script: str) -> None:
    text, similar, other = TEXTS[script]
    for metric in METRICS.values():
        assert metric(text, text, "unicode") > 0.98
        assert metric(text, text, "unicode") > metric(text, similar, "unicode") > metric(text, other, "unicode")
    assert 0.4 < rouge1(text, similar, "unicode") < 0.95
    assert 0.4 < rouge_l(text, similar, "unicode") < 0.95
    assert rouge1(text, other, "unicode") == rouge_l(text, other, "unicode") == 0
    if script != "Latin with accents":
        assert rouge1(text, text) == 0  # as in rouge_score


def test_letters_with_accents_are_not_what_is_left_without_them() -> None:
    assert rouge1("Größe", "Grüße") == 1
    assert rouge1("Größe", "Grüße", "unicode") == meteor("Größe", "Grüße", "unicode") == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I ❤️ it 👍🏽", ["i", "it"]),  # the signs on an emoji are no word
        ("می‌خواهم", ["میخواهم"]),  # with a zero-width non-joiner
        ("क्‍षत्रिय", ["क्षत्रिय"]),
        ("Sil\u00adben", ["silben"]),
        ("Cafe\u0301", ["café"]),
        ("ΟΔΟΣ 3½", ["οδος", "3½"]),
    ],
)
def test_signs_and_invisible_characters_stay_within_their_words(text: str, words: list[str]) -> None:
    assert plain_words(text) == words


@pytest.mark.parametrize(("mark", "text"), [("।", "वह आया। मैं गया।"), ("؟", "كيف حالك؟ أين؟"), ("。", "雨だ。雪だ。")])
def test_meteor_separates_the_marks_of_other_scripts(mark: str, text: str) -> None:
    without = text.replace(mark, " ")
    matched = len(plain_words(text))
    assert meteor(text, without, "unicode") < meteor(without, without, "unicode")
    assert meteor(without, text, "unicode") > 0.9 * matched / (matched + text.count(mark))


def test_meteor_has_no_english_stems_with_words_of_any_script() -> None:
    assert meteor("he walked", "he walking") > meteor("he walked", "he walking", "unicode")


def test_english_is_as_rouge_score_has_it_with_either_words() -> None:
    scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=False)
    english = [pair for pair in [*PAIRS, *pairwise(random_texts(30))] if all(map(str.isascii, pair))]
    assert len(english) > 60
    for reference, response in english:
        expected = scorer.score(reference, response)
        assert rouge1(reference, response) == pytest.approx(expected["rouge1"].fmeasure, abs=1e-9)
        assert rouge1(reference, response, "unicode") == rouge1(reference, response)
        assert rouge_l(reference, response, "unicode") == rouge_l(reference, response)


@pytest.mark.parametrize("words", ["ascii", "unicode", "auto"])
def test_rewards_have_the_words_of_the_recipe(words: str) -> None:
    settings = RewardConfig.model_validate({"mixture": {"rouge1": 1}, "words": words})
    rewards = make_rewards(["rouge1", "rougeL", "meteor"], settings, pytest.fail, pytest.fail)
    items = [RewardInput("", *TEXTS["Chinese"][:2])]
    assert [reward(items)[0] for reward in rewards.values()] == [
        metric(*TEXTS["Chinese"][:2], "unicode" if words == "unicode" else "ascii") for metric in METRICS.values()
    ]


ENGLISH = (
    "The café on the corner — Dvořák's favourite — serves a naïve but honest coffee, and nobody there is in a hurry. "
    "People come in, they read their papers, and after an hour or two they leave without a word to anybody. "
)
ACCENTED = {
    "German": "Am Morgen gingen wir über die Brücke zum Markt, wo es schon nach Brot und Kaffee roch und alle grüßten.",
    "French": "Le matin, nous traversions le pont pour aller au marché, où l'on sentait déjà le pain et le café.",
    "Italian": "La mattina si andava al mercato perché il pane era caldo, e poi la gente parlava di tutto con calma.",
    "Spanish": "Por la mañana cruzábamos el puente para ir al mercado, donde ya olía a pan y a café.",
}


def test_english_with_a_few_accents_keeps_its_words() -> None:
    texts = [ENGLISH, *["It was a plain day and nothing happened, which is how I like my days to be. " * 3] * 20]
    assert 0 < other_letters(texts) < OTHER_LETTERS
    assert words_for(other_letters(texts)) == words_for(other_letters([])) == words_for(0) == "ascii"
    assert words_for(other_letters(["1, 2, 3 — “…” 😀 ²"])) == "ascii"  # no letters


@pytest.mark.parametrize("texts", [*TEXTS.values(), *([text] for text in ACCENTED.values())])
def test_other_languages_need_words_of_any_script(texts: list[str]) -> None:
    assert words_for(other_letters(texts)) == "unicode"


@pytest.mark.parametrize("script", [script for script in TEXTS if script != "Latin with accents"])
def test_one_text_in_fifty_that_needs_them_is_enough(script: str) -> None:
    assert words_for(other_letters([TEXTS[script][0], *["A plain day on which nothing happened."] * 49])) == "unicode"


@pytest.mark.parametrize("digits", [True, False])
def test_bare_words_of_english_are_what_they_were(digits: bool) -> None:
    before = re.compile(r"[^\W_]+(?:['’][^\W_]+)*" if digits else r"[^\W\d_]+(?:['’][^\W\d_]+)*")
    rng = random.Random(5)
    pieces = ["don't", "l’été", "x_y", "19th", "B2B", "²", "½", "é", "Ünï", "'", "’", "-", "—", " ", "\n", "...", "😀"]
    for _ in range(3000):
        text = "".join(rng.choices(pieces, k=8))
        assert bare_words(text, digits=digits) == before.findall(text), text


@pytest.mark.parametrize("script", TEXTS)
def test_stylometry_counts_words_and_sentences_of_a_script(script: str) -> None:
    text, similar, _ = TEXTS[script]
    gap = "" if script in ("Chinese", "Japanese") else " "
    figures = dict(zip(NAMES, stylometric([text + gap + similar])[0], strict=True))
    sentences = 1 if script == "Thai" else 2  # which has no full stop
    assert figures["words a sentence"] == pytest.approx(len(plain_words(f"{text} {similar}")) / sentences)
    assert figures["mark '.'"] == pytest.approx(0 if script == "Thai" else 2 / len(text + gap + similar))
