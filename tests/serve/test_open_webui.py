"""Open WebUI's jobs are told from what users ask for, and get the JSON that it reads."""

from __future__ import annotations

import json

import pytest
from tests.serve.open_webui import (
    AUTOCOMPLETION,
    COMPACTION,
    EMOJI,
    FOLLOW_UPS,
    IMAGE,
    QUERIES,
    RAG,
    TAGS,
    TITLE,
    job,
)

from penname.serve.open_webui import job_reply
from penname.serve.requests import Message

TURNS = "USER: Write about the long rain, of last week please!\nASSISTANT: It rained.\nUSER: Shorter,\nand in verse."


def reply(text, *before):
    return job_reply([*before, Message(role="user", content=text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (job(TITLE, TURNS), {"title": "Write about the long rain, of"}),
        (job(TITLE, "USER: 'Rain'"), {"title": "'Rain'"}),
        (
            job(TITLE, "USER: 雨について短い文章を書いてください。\nASSISTANT: 雨。"),
            {"title": "雨について短い文章を書"},
        ),
        (job(TITLE, "USER: " + "x" * 500), {"title": "x" * 60}),
        (job(TITLE, "ASSISTANT: Hello."), {"title": "New Chat"}),
        (job(TITLE, ""), {"title": "New Chat"}),
        (job(TITLE, "USER: ...\n\n"), {"title": "New Chat"}),
        (job(TAGS, TURNS), {"tags": ["General"]}),
        (job(FOLLOW_UPS, TURNS), {"follow_ups": []}),
        (job(QUERIES, TURNS), {"queries": ["Shorter, and in verse."]}),
        (job(QUERIES, "USER: " + "long " * 100), {"queries": [("long " * 40).strip()]}),
        (job(QUERIES, ""), {"queries": []}),
        (job(IMAGE, TURNS), {"prompt": "Shorter,\nand in verse."}),
        (job(AUTOCOMPLETION, TURNS, "\n<type>General</type>\n<text>It rai</text>\n#### Output:\n"), {"text": ""}),
    ],
)
def test_a_job_is_answered_in_its_own_json(text, expected):
    assert json.loads(reply(text)) == expected
    assert json.loads(reply(f"\n{text}\n", Message(role="system", content="Be brief."))) == expected


def test_jobs_without_json():
    assert reply(EMOJI) == "🙂"
    assert reply(COMPACTION) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Write about rain.",
        RAG,
        "### Task:\nWrite about rain.",
        "Your task is to write about rain, with an emoji.",
        '### Task:\nWrite JSON like { "title": "x" } about rain.',
        "### Task:\nContinue this.\n<chat_history>\nUSER: Rain.\n</chat_history>",
        'Explain { "tags": [] }.\n<chat_history>\nUSER: Rain.\n</chat_history>',
        "",
    ],
)
def test_what_a_user_asks_for_is_no_job(text):
    assert reply(text) is None


def test_a_job_is_alone_in_its_conversation():
    before = [Message(role="user", content="Hello."), Message(role="assistant", content="Hello.")]
    assert reply(job(TITLE, TURNS), *before) is None


def test_json_that_a_user_wrote_of_does_not_change_the_job():
    assert json.loads(reply(job(TAGS, 'USER: What is { "title": 1 }?'))) == {"tags": ["General"]}
