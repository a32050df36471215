"""Whose mail is: robots are nobody, and members of lists that stand in their place are told apart."""

import pytest
from test_mail import mbox, read
from test_mail_encodings import parts

LIST = "list@lists.example"


@pytest.mark.parametrize(("headers", "author"), [
    (f"From: Ann via List <{LIST}>\nX-Original-From: Ann <ann@x.org>", "ann@x.org"),
    (f"From: 'Ann Example' via List <{LIST}>\nReply-To: ann@x.org", "ann@x.org"),
    (f"From: Ann Example via List <{LIST}>\nReply-To: List <{LIST}>, Ann <ann@x.org>", "ann@x.org"),
    (f'From: "Ann Example (via List)" <{LIST}>\nReply-To: {LIST}\nTo: {LIST}', "ann example"),
    (f"From: Ann Example via List <{LIST}>", "ann example"),
    ("From: Ann <ann=40x.org@dmarc.ietf.org>", "ann@x.org"),
    ("From: Ann via groups.io <ann=x.org@groups.io>", "ann@x.org"),
    ("From: Via Milano <via@x.org>", "via@x.org"),
    ("From: Noah Reply <noah.reply@x.org>", "noah.reply@x.org"),
])  # fmt: skip
def test_senders(tmp_path, headers, author):
    (document,), _, _ = read(mbox(tmp_path, [f"{headers}\n\nMy own words.\n".encode()]))
    assert document.user_id == author


@pytest.mark.parametrize("name", [
    "MAILER-DAEMON", "Mailer-Daemon", "no-reply", "noreply", "no_reply", "noreply+ab12", "donotreply", "do-not-reply",
    "notifications", "bounces+1", "nicht-antworten", "nepasrepondre", "no-responder", "naoresponda", "postmaster",
    "calendar-notification", "messages-noreply",
])  # fmt: skip
def test_robots_are_nobody(tmp_path, name):
    mails = [f"From: X <{name}@x.org>\n\nSome words.\n".encode(), b"From: a@x.org\n\nMine.\n"]
    documents, report, lines = read(mbox(tmp_path, mails))
    assert [document.user_id for document in documents] == ["a@x.org"]
    assert report.skipped == {"email by a program": 1}
    assert f"{name}@x.org, a program, expected a person" in lines[0]


@pytest.mark.parametrize("stub", [
    "This message is in HTML. Please view it in an HTML capable client.", "Your e-mail client does not support HTML.",
    "Diese Nachricht ist im HTML-Format, Ihr Programm kann sie nicht anzeigen.", "このメールはHTML形式です。",
    "Si ce message ne s'affiche pas, votre logiciel ne peut pas lire le HTML : afficher dans un navigateur.",
])  # fmt: skip
def test_a_plain_text_that_is_none(tmp_path, stub):
    mail = parts("alternative", ("text/plain; charset=utf-8", stub), ("text/html", "<p>Mine.</p>"))
    (document,), _, _ = read(mbox(tmp_path, [f"From: ann@x.org\n{mail}\n".encode()]))
    assert document.text == "Mine."


SEPARATORS = [
    "From a@b Fri, 3 May 2024 10:00:00 +0200", "From a@b 2024-05-03 10:00:00", "From a@b 2024-05-03T10:00:00Z",
    "From a@b Fri May  3 10:00:00 24", "From a@b 03/05/2024 10:00", "From Ben Other Fri May  3 10:00:00 2024",
    "From - Fri, 03 May 2024 10:00:00", "From a@b 1714723200", "From a@b", "From ???@??? Fri May 03 10:00:00 2024",
    "From MAILER-DAEMON Fri May  3 10:00:00 2024", "From a@b  Fri May  3 10:00 2024",
    "From a@b Fri May 3 10:00:00 CEST 2024",
]  # fmt: skip


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", SEPARATORS)
def test_what_stands_before_each_message(tmp_path, separator, mark):
    mails = "".join(f"{separator}\nFrom: u{n}@x.org\nSubject: S\nDate: x\n\nText {n}\n\n" for n in range(3))
    (tmp_path / "sent").write_text(mark + mails, encoding="utf-8")
    documents, _, _ = read(tmp_path / "sent")
    assert [document.text for document in documents] == ["Text 0", "Text 1", "Text 2"]


@pytest.mark.parametrize("lines", [
    "From a@b Fri May  3 10:00:00 2024\n\nis what it looks like.", "From 10:30 on we sail in 2024\nNote: bring a coat.",
    "From the desk of Ann, Fri May 3 10:00 2024:\nSubject: nothing",
    "From ann@x.org I have 3 letters.\nSubject: the sea",
])  # fmt: skip
def test_lines_of_a_text_that_look_like_it(tmp_path, lines):
    mails = [f"From: a@x.org\nDate: x\n\nMine.\n\n{lines}\n".encode(), b"From: a@x.org\nDate: x\n\nLast.\n"]
    documents, _, _ = read(mbox(tmp_path, mails))
    assert [document.text for document in documents] == [f"Mine.\n\n{lines}", "Last."]
