"""Thoughts in the replies of servers and of exported chats, where marks are letters."""

import pytest

from penname.thoughts import MARKS, without_thoughts


@pytest.mark.parametrize("marks", MARKS, ids=lambda marks: marks.opening)
def test_a_reply_is_what_stands_behind_its_thoughts(marks):
    opening, closing = marks
    thought = f"{opening}\nHm, {opening} is a mark.\n{closing}\n\n"
    assert without_thoughts(f" {thought}{opening}So.{closing}It rained.") == "It rained."
    assert without_thoughts(f"{thought.upper()}It rained.") == "It rained."
    assert without_thoughts(f"Hm.{closing} It rained.") == "It rained."
    assert without_thoughts(f" {opening}Hm. It rai") == without_thoughts(f"{thought}{opening}Hm.") == ""
    assert without_thoughts(f" It rained.\nI write {opening}.") == f" It rained.\nI write {opening}."
