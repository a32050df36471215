"""Mail becomes documents: what the sender wrote, without what is quoted, passed on or signed."""

import gzip
import zipfile

import pytest

from penname.data.load_report import LoadReport
from penname.data.mail import is_mail, read_mail, sender_text

MAILS = [
    b"From: Ann <Ann@X.org>\nSubject: Re: FW: The bridge\nDate: Mon, 3 Jun 2002 10:00:00 +0200\n\n"
    b"We should close it.\n\nAnn\n-- \nAnn Example, Bridges Ltd\n",
    b"From: bob@x.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: some day\n"
    b"Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9\n> quoted\nmore\n",
    b"From: bob@x.org\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/html\n\n<b>no</b>\n"
    b"--B\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVsbG8gYWxs\n--B--\n",
    b"Subject: nobody\n\ntext\n",
    b"From: ann@x.org\n\n-----Original Message-----\nall of it another's\n",
    b"From: ann@x.org\n\ncaf\xe9 in no encoding\n",
]


def mbox(folder, mails=MAILS):
    path = folder / "sent.mbox"
    path.write_bytes(b"".join(b"From - Mon Jun  3 10:00:00 2002\n" + mail + b"\n" for mail in mails))
    return path


def read(path):
    lines = []
    report = LoadReport(on_problem=lines.append)
    documents = list(read_mail(path, report))
    assert report.rows == report.kept + sum(report.skipped.values())
    assert report.kept == len(documents)
    return documents, report, lines


def test_a_mailbox(tmp_path):
    documents, report, lines = read(mbox(tmp_path))
    first, second, third, last = documents
    assert (first.user_id, first.title, first.text) == ("ann@x.org", "The bridge", "We should close it.\n\nAnn")
    assert first.date == "2002-06-03T08:00:00"
    assert (second.title, second.text, second.date) == ("Grüße", "café\nmore", None)
    assert third.text == "hello all"
    assert last.text == "caf\ufffd in no encoding"
    assert dict(report.skipped) == {"email without a sender": 1, "email without text by its sender": 1}
    assert any("sent.mbox:6: found 1 byte sequences that are not UTF-8" in line for line in lines)


def test_text_before_the_first_mail_is_reported(tmp_path):
    path = mbox(tmp_path, MAILS[:1])
    path.write_bytes(b"\nnotes of my own\n" + path.read_bytes())
    documents, report, lines = read(path)
    assert len(documents) == 1
    assert report.skipped == {"text before the first email": 1}
    assert (
        "sent.mbox:1: found text before the first email ('notes of my own'), expected a line that begins with From"
        in lines[0]
    )


@pytest.mark.parametrize(
    "mail",
    [
        b"From: a@x.org\nDate: Fri, 31 Dec 9999 23:59:00 -0500\n\nMy own text.\n",
        b"From: a@x.org\nContent-Type: text/plain; charset=unicode_escape\n\nMy own \\ud800 text.\n",
    ],
)
def test_odd_dates_and_charsets_are_no_fault_of_the_text(tmp_path, mail):
    (document,), _, _ = read(mbox(tmp_path, [mail]))
    assert document.date is None
    assert document.text.encode().startswith(b"My own")


def test_a_mail_nested_too_deeply_is_one_row(tmp_path):
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(3000))
    documents, report, _ = read(mbox(tmp_path, [b"From: a@x.org\n" + parts, MAILS[0]]))
    assert [d.user_id for d in documents] == ["ann@x.org"]
    assert report.rows == 2


def test_the_other_mails_of_an_archive_with_a_broken_one_are_read(tmp_path):
    path = tmp_path / "mails.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i in range(3):
            archive.writestr(f"{i}-EM.txt", f"From: u{i}@x.org\n\nMail number {i}, whole.\n")
    path.write_bytes(path.read_bytes().replace(b"Mail number 1", b"Mail NUMBER 1"))
    documents, report, lines = read(path)
    assert [d.user_id for d in documents] == ["u0@x.org", "u2@x.org"]
    assert report.skipped == {"broken archive": 1}
    assert "mails.zip:2: found a broken archive (Bad CRC-32" in lines[0]


@pytest.mark.parametrize(
    "cut",
    [
        "On Mon, 3 Jun 2002, Bob wrote:",
        "---------------------- Forwarded by Bob",
        "From: Bob\nTo: Ann",
        "-- ",
        "_" * 30,
    ],
)
def test_what_is_not_the_senders_own(cut):
    assert sender_text(f"Mine.\r\n\r\n\r\n\r\nMine too.\n> not mine\n{cut}\nNot mine.") == "Mine.\n\nMine too."


@pytest.mark.parametrize("header", ["On Mon, 3 Jun 2002, Bob wrote:", "On Mon, 3 Jun 2002\n<bob@x.org> wrote:"])
def test_what_stands_below_a_quote_is_the_senders(header):
    assert (
        sender_text(f"Hello.\n\n{header}\n> Shall we?\n>  I ask.\n\n  Yes.\nOn Sunday") == "Hello.\n\n  Yes.\nOn Sunday"
    )
    assert sender_text("From: here to the bridge\nit is a mile.") == "From: here to the bridge\nit is a mile."


def test_a_header_in_no_known_encoding_costs_no_text(tmp_path):
    (document,), _, _ = read(mbox(tmp_path, [b"From: a@x.org\nSubject: =?xx?b?!!!?=\n\nMy own text.\n"]))
    assert document.text == "My own text."


def test_a_mail_in_html_only_is_told(tmp_path):
    _, _, lines = read(mbox(tmp_path, [b"From: a@x.org\nContent-Type: text/html\n\n<b>Mine</b>\n"]))
    assert "sent.mbox:1: found HTML only, expected plain text" in lines[0]


def test_an_export_of_avocado(tmp_path):
    """Zip archives a custodian, of text files with the mail's headers; attachments and contacts are no mails."""
    headers = b"From: Ann <ann@avocado.com>\nTo: bob@avocado.com\nSubject: Gas\nDate: 12 May 2000 10:11:12 UTC\n\n"
    with zipfile.ZipFile(tmp_path / "001.zip", "w") as archive:
        archive.writestr("001/001-000001-EM.txt", headers + b"Hello all.\n")
        archive.writestr("001/001-000001-AT-000001.txt", b"an attachment")
        archive.writestr("001/001-000002-CT.txt", b"a contact")
    assert is_mail(tmp_path)
    (document,), _, _ = read(tmp_path / "001.zip")
    assert (document.user_id, document.title, document.date) == ("ann@avocado.com", "Gas", "2000-05-12T10:11:12")
    assert document.text == "Hello all."


def test_a_broken_archive_is_one_line(tmp_path):
    (tmp_path / "a.zip").write_bytes(gzip.compress(b"no archive"))
    documents, _, lines = read(tmp_path / "a.zip")
    assert documents == []
    assert len(lines) == 1
    assert "found a broken archive" in lines[0]
