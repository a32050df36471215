"""Quotes in Markdown are others' words; boxes and code are the writer's."""

import pytest

from penname.data.load_report import LoadReport
from penname.data.markdown import without_quotes
from penname.data.profiles import load_profile
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("One\n\n> his words\n> more\n\nTwo", "One\n\n\nTwo"),
        ("  > his\nMine", "Mine"),
        ("> [!note] Mine\n> in a box\n\n> his", "> [!note] Mine\n> in a box"),
        ("```\n> a prompt\n```\n> his", "```\n> a prompt\n```"),
        ("1 > 0, a -> b\n    > code", "1 > 0, a -> b\n    > code"),
    ],
)
def test_quotes_are_left_out(tmp_path, text, own):
    assert without_quotes(text) == own
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "a.md").write_text(f"---\ntitle: A\n---\n{text}")
    (tmp_path / "ann" / "b.txt").write_text("> kept in plain text")
    found = [found.document.text for found in read_texts(tmp_path, ReadingSettings(), LoadReport())]
    assert found == [own, "> kept in plain text"]
    assert load_profile(tmp_path / "ann" / "a.md")[0].text == own


CHATS = {
    "chat.txt": "31/12/24, 10:00 - Ann: hers\n31/12/24, 10:01 - Ben: his\n",
    "mail.txt": "From: ann@x.org\nTo: ben@x.org\nDate: Fri, 03 May 2024 10:00:00 +0200\n\nHers\n> his\n",
    "signal.md": "[2024-05-01 10:00:00] Ann: Shall we walk?  \n\n[2024-05-02 10:00:00] Me: Yes, at six  \n\n",
}


@pytest.mark.parametrize("name", CHATS)
def test_an_export_is_no_profile(tmp_path, name):
    (tmp_path / name).write_text(CHATS[name])
    with pytest.raises(
        DataError, match=r"which has others' words, expected .* penname data convert makes of it for one author"
    ):
        load_profile(tmp_path / name)
    (tmp_path / "own.txt").write_text("My own words.")
    said = []
    assert [document.text for document in load_profile(tmp_path, say=said.append)] == ["My own words."]
    assert name in said[0]
