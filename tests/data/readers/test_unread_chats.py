"""Chats in forms that are not read: refused by name, as they would be everybody's words under one author's name."""

import pytest

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError

TELEGRAM = (
    '<!DOCTYPE html>\n<html>\n <head><meta charset="utf-8"/><title>Exported Data</title></head>\n'
    ' <body onload="CheckLocation();"><div class="page_wrap"><div class="page_header"><div class="content">\n'
    '<div class="text bold">Ben</div></div></div><div class="page_body chat_page"><div class="history">\n'
    '<div class="message default clearfix" id="message1"><div class="body"><div class="from_name">Ann</div>\n'
    '<div class="text">We sail at dawn</div></div></div></div></div></div></body></html>'
)
FACEBOOK = (
    '<html><head><base href="../../../" /><style type="text/css">._3-95{margin:12px}</style></head><body>\n'
    '<div class="_3-95 _a6-g"><div class="_2ph_ _a6-h _a6-i">Ann</div><div class="_2ph_ _a6-p">At dawn</div></div>'
    "</body></html>"
)
DISCORD = (
    "<!DOCTYPE html><html lang=en><head><title>Friends</title><style>.chatlog{}</style></head><body>"
    "<div class=chatlog__message-group><span class=chatlog__author title=ann>Ann</span>"
    "<div class=chatlog__content>At dawn</div></div></body></html>"
)
VOICE = (
    '<html><body><div class="hChatLog hfeed">' + 3 * '<cite class="sender vcard">Ann</cite>' + "</div></body></html>"
)
CHATS = {
    "messages.html": (TELEGRAM, "Telegram in HTML, expected its export as machine-readable JSON"),
    "message_1.html": (FACEBOOK, "Facebook or Instagram in HTML, expected JSON, the format to choose"),
    "general.html": (DISCORD, "Discord in HTML, expected JSON, which DiscordChatExporter writes with -f Json"),
    "Ann.html": (VOICE, "a chat of several people in HTML"),
    "discord.txt": (
        f"{'=' * 20}\nGuild: Friends\nChannel: general\n{'=' * 20}\n\n[01-May-24 10:00] ann\nHi\n",
        "Discord",
    ),
    "line.txt": (
        "[LINE] Chat history with Ben\nSaved on: 2024/05/01 10:00\n\n2024/05/01(Wed)\n10:00\tAnn\tAt dawn\n",
        "a chat of LINE",
    ),
    "line_of_pc.txt": ("2024.05.01 Wednesday\n10:00 Ann\tAt dawn\n10:01 Ben\tYes\n10:02 Ann\tGood\n", "several people"),
    "kakao.txt": (
        "앤 님과 카카오톡 대화\n저장한 날짜 : 2024-05-01\n\n--------------- 2024년 5월 1일 수요일 ---------------\n"
        + "[앤] [오전 10:00] 안녕\n[벤] [오전 10:01] 그래\n" * 4,
        "several people",
    ),
    "irc.txt": ("[10:00] <ann> hi\n[10:01] <@ben> yes\n[10:02] <ann> good\n", "several people"),
    "iso.md": ("2024-05-01T10:00:00Z ann: hi\n" * 2 + "2024-05-01T10:00:00+02:00 ben: yes\n", "several people"),
    "names.txt": ("May 1, 2024 10:00 AM | Ann: hi\n" * 2 + "1 May 2024 at 10:01 PM | Ben: yes\n", "several people"),
    "utf16.txt": ("(10:00:01) Ann: hi\n(10:00:05) Ben: yes\n(10:00:07) Ben: no\n", "several people"),
}


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_in_another_form_is_refused_or_noted(tmp_path, name):
    content, told = CHATS[name]
    chat = tmp_path / name
    chat.write_bytes(content.encode("utf-16" if name.startswith("utf16") else "utf-8"))
    for path in (chat, tmp_path):
        with pytest.raises(DataError) as caught:
            list(read_texts(path, ReadingSettings(), LoadReport()))
        assert f"{name}: found what looks like a chat of " in str(caught.value)
        assert told in str(caught.value)
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "dawn.txt").write_text("We sailed at dawn.")
    said = []
    found = list(read_texts(tmp_path, ReadingSettings(), LoadReport(on_problem=said.append)))
    assert [text.document.text for text in found] == ["We sailed at dawn."]
    assert any(told in line for line in said)


def test_files_that_were_sent_in_a_chat_are_no_ones_texts(tmp_path):
    (tmp_path / "messages.html").write_text(TELEGRAM)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "letter.txt").write_text("A letter that someone has sent on.")
    with pytest.raises(DataError, match=r"messages.html: found what looks like a chat of Telegram"):
        list(read_texts(tmp_path, ReadingSettings(), LoadReport()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("diary.txt", "2024-05-01 Weather: sun\n2024-05-02 Weather: rain\n2024-05-03 Weather: sun\n"),
        ("plan.txt", "10:00 Breakfast\n11:00 A walk\n12:00 Lunch\n"),
        ("talk.txt", "It was 10:00. Ann said: go.\nBen said: stay.\nAnd so they went, at 11:00 sharp.\n"),
        ("page.html", "<html><body><p>By the sender: ann</p><p>10:00 Ann: hi</p></body></html>"),
    ],
)
def test_what_only_has_times_or_colons_is_a_text(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert len(list(read_texts(tmp_path / name, ReadingSettings(), LoadReport()))) == 1


@pytest.mark.parametrize("name", ["a.xlsx", "b.XLS", "c.ods", "d.numbers"])
def test_a_spreadsheet_is_to_be_saved_as_csv(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=rf"{name}: found a \..* file, expected a table: save it as CSV"):
        list(read_texts(tmp_path / name, ReadingSettings(), LoadReport()))
