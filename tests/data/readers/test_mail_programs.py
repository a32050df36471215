"""Mail as each program keeps or exports it: told by what is in it, without drafts, spam and deleted messages."""

import shutil

import pytest
from samples_posts import SAMPLES, WORDS, mail
from test_posts import read, write

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError

SPAM = mail(8, "Buy now", "x@spam.example")
NOT_SENT = "draft, spam, chat or deleted email"


def mailbox(*mails, begin="From - Sat Jun 01 10:00:00 2024\n"):
    return "".join(f"{begin}{message}\n" for message in mails)


def texts(found):
    return sorted(f.document.text for f in found)


def test_a_maildir(tmp_path):
    files = {
        "cur/1583926453.M1P2.host:2,S": mail(0, WORDS[0]),
        "cur/1583926454.M1P2.host,S=512,W=530:2,RS": mail(1, WORDS[1]),
        "cur/1583926457.M1P2.host:2,DS": mail(2, "a draft by its flag"),
        "new/1583926455.M1P2V1I2.example.com": mail(3, WORDS[2]),
        "tmp/1583926456.M1P2.host": mail(4, "half")[:60],
        ".Sent/cur/1.M2.host:2,S": mail(5, WORDS[3]),
        ".INBOX.Entwürfe/cur/1.M3.host:2,S": mail(6, "a draft by its folder"),
        ".Junk/cur/1.M4.host:2,S": SPAM,
        "dovecot-uidlist": "3 V1 N4\n",
        "notes/a.txt": "a",
        "notes/b.json": '{"a": 1}',
    }
    files |= {f"notes/{n}.txt": "more texts than mails" for n in range(9)}
    found, report, _ = read(write(tmp_path, files))
    assert texts(found) == sorted(WORDS[:4])
    assert {f.document.user_id for f in found} == {"ann@sea.example"}
    assert report.skipped == {NOT_SENT: 3}


def test_a_thunderbird_profile(tmp_path):
    """Mailboxes without suffixes, folders in them in `.sbd`, deleted messages until it tidies up, and much else."""
    local = "ab12.default/Mail/Local Folders"
    files = {
        f"{local}/Sent": mailbox(
            mail(0, WORDS[0], headers="X-Mozilla-Status: 0001\n"), mail(1, "gone", headers="X-Mozilla-Status: 0009\n")
        ),
        f"{local}/Sent.msf": '// <!-- <mdb:mork:z v="1.4"/> -->\n',
        f"{local}/Sent.sbd/2023": mailbox(mail(2, WORDS[1]), mail(3, WORDS[2]), begin="From \n").replace("\n", "\r\n"),
        f"{local}/Drafts": mailbox(mail(4, "not yet")),
        f"{local}/Trash": "",
        "ab12.default/ImapMail/imap.sea.example/Sent-1": mailbox(mail(5, WORDS[3]), begin="From - \n"),
        **{f"ab12.default/{name}.json": '{"a": 1}' for name in ("extensions", "handlers", "logins", "times", "addons")},
        **{f"ab12.default/{name}.txt": "a" for name in ("AlternateServices", "pkcs11", "SiteSecurity", "x", "y", "z")},
    }
    found, report, _ = read(write(tmp_path, files))
    assert texts(found) == sorted(WORDS[:4])
    assert report.skipped == {NOT_SENT: 2}


def test_apple_mail(tmp_path):
    plist = '<?xml version="1.0"?>\n<plist version="1.0"><dict><key>flags</key><integer>1</integer></dict></plist>\n'
    emlx = {name: f"{len(mail(n, text).encode())}       \n{mail(n, text)}{plist}" for n, (name, text) in enumerate(
        [("Sent.mbox/1/Data/Messages/12.emlx", WORDS[0]), ("Sent.mbox/1/Data/Messages/13.partial.emlx", WORDS[1]),
         ("Drafts.mbox/1/Data/Messages/14.emlx", "not yet")]
    )}  # fmt: skip
    attached = {f"Sent.mbox/1/Data/Attachments/13/{n}/a.txt": "attached" for n in range(5)}
    found, report, _ = read(write(tmp_path / "V10", emlx | attached))
    assert texts(found) == sorted(WORDS[:2])
    assert report.skipped == {NOT_SENT: 1}
    exported = mailbox(mail(3, WORDS[2]), begin="From ann@sea.example Sat Jun  1 10:00:00 2024\n")
    found, _, _ = read(write(tmp_path / "x", {"Sent.mbox/mbox": exported, "Sent.mbox/table_of_contents": b"\0\1"}))
    assert texts(found) == [WORDS[2]]


def test_google_takeout(tmp_path):
    labels = [
        "Sent,Opened",
        "Drafts",
        "Trash,Sent",
        "=?UTF-8?Q?Entw=C3=BCrfe?=",
        "Chat",
        "=?UTF-8?Q?Gesendet,Wichtig?=",
    ]
    mails = [mail(n, f"Mail {n} of it", headers=f"X-Gmail-Labels: {label}\n") for n, label in enumerate(labels)]
    mails.append(SPAM.replace("Subject", "X-Gmail-Labels: Spam,Unread\nSubject"))
    box = mailbox(*mails, begin="From 1782838293832@xxx Sat Jun 01 10:00:00 +0000 2024\n").replace("\n", "\r\n")
    settings = {f"Takeout/Mail/User Settings/{n}.json": '{"a": []}' for n in ("Filters", "Signatures", "Vacation")}
    files = {"Takeout/Mail/All mail Including Spam and Trash.mbox": box, "Takeout/archive_browser.html": "<html>"}
    write(tmp_path / "all", files | settings)
    shutil.make_archive(str(tmp_path / "takeout"), "zip", tmp_path / "all")
    for path in (tmp_path / "all", tmp_path / "takeout.zip"):
        found, report, _ = read(path)
        assert texts(found) == ["Mail 0 of it", "Mail 2 of it", "Mail 5 of it"]
        assert report.skipped == {NOT_SENT: 4}


def test_messages_in_files_of_their_own(tmp_path):
    files = {
        "a.eml": b"\xef\xbb\xbf" + mail(0, WORDS[0]).encode(),
        "b.eml": mail(1, WORDS[1]).replace("\n", "\r\n"),
        "c.eml": "\r\n" + mail(2, WORDS[2]),
        "d.EML": mail(3, WORDS[3]).encode("utf-16"),
        "e.eml": mail(4, WORDS[4]).replace("\n", "\r"),
        "f.eml": ">From ann@sea.example Sat Jun  1 10:00:00 2024\n" + mail(5, "the sixth"),
        "Spam.eml": mail(6, "only its subject is that"),
        "empty.eml": "",
    }
    found, report, _ = read(write(tmp_path, files))
    assert texts(found) == sorted([*WORDS, "the sixth", "only its subject is that"])
    assert report.skipped == {"email without a sender": 1}


OUTLOOK = [
    ("Subject", "Body", "From: (Name)", "From: (Address)", "From: (Type)"),
    ("Betreff", "Text", "Von: (Name)", "Von: (Adresse)", "Von: (Typ)"),
    ("Objet", "Corps", "De : (nom)", "De : (adresse)", "De : (type)"),
    ("Тема", "Текст", "От: (имя)", "От: (адрес)", "От: (тип)"),
    ("件名", "本文", "差出人: (名前)", "差出人: (アドレス)", "差出人: (種類)"),
]


@pytest.mark.parametrize("columns", OUTLOOK, ids=lambda columns: columns[0])
@pytest.mark.parametrize("separator", [",", ";"])
def test_outlooks_tables(tmp_path, columns, separator):
    answer = '"That suits me.\n\nVon: Bob <bob@sea.example>\nGesendet: Montag, 3. Juni 2024 10:00\nAn: Ann\n\nDoes it?"'
    rows = [
        columns,
        ("AW: Boats", answer, "Ann", "/O=EXCHANGE/CN=ANN", "EX"),
        ("Two", "Text", "Bo", "Bo@x.org", "SMTP"),
    ]
    table = "".join(separator.join(row) + "\r\n" for row in rows)
    found, _, _ = read(write(tmp_path, {"sent.csv": "\ufeff" + table}) / "sent.csv")
    assert [(f.document.user_id, f.document.title, f.document.text) for f in found] == [
        ("Ann", "Boats", "That suits me."), ("bo@x.org", "Two", "Text"),
    ]  # fmt: skip
    assert (found[0].answers, found[0].is_email) == ("Does it?", True)
    assert "Bo" in found[1].other_names


@pytest.mark.parametrize(
    ("columns", "text", "encoding"),
    [
        (OUTLOOK[0], "The café is “lovely”", "cp1252"),
        (OUTLOOK[1], "Grüße aus Köln, schöne Tage", "cp1252"),
        (OUTLOOK[3], "Привет, встретимся завтра у моря", "cp1251"),
        ([name.replace(": ", "：") for name in OUTLOOK[4]], "こんにちは、明日は海で会いましょう", "cp932"),
        (OUTLOOK[4], "こんにちは、明日は海で会いましょう", "cp932"),
    ],
)
@pytest.mark.parametrize("is_named", [False, True])
def test_outlooks_tables_in_the_encoding_of_a_computer(tmp_path, columns, text, encoding, is_named):
    table = "".join(",".join(row) + "\r\n" for row in (columns, ("Re", f'"{text}"', "Ann", "ann@x.org", "SMTP")))
    (tmp_path / "sent.csv").write_bytes(table.encode(encoding))
    told = []
    settings = ReadingSettings(encoding=encoding if is_named else None, say=told.append)
    assert texts(read_texts(tmp_path / "sent.csv", settings, LoadReport())) == [text]
    assert any("not UTF-8, read as" in line for line in told) is not is_named


def test_a_table_of_whole_messages(tmp_path):
    found, _, _ = read(write(tmp_path, {"emails.csv": SAMPLES["emails.csv"]}) / "emails.csv")
    assert texts(found) == sorted(WORDS)
    assert {(f.document.user_id, f.document.date[:10]) for f in found} == {("ann@sea.example", "2024-06-01")}


@pytest.mark.parametrize(("name", "program"), [("a.pst", "readpst"), ("b.OST", "readpst"), ("c.msg", "msgconvert")])
def test_what_outlook_keeps_to_itself_is_told_how_to_convert(tmp_path, name, program):
    path = write(tmp_path, {name: b"!BDN"}) / name
    for given in (path, tmp_path):
        with pytest.raises(DataError, match=rf"{name}: found a .* file, expected .*{program}"):
            list(read_texts(given, ReadingSettings(), LoadReport()))
