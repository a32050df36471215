"""Mail becomes documents: what the sender wrote, without what is quoted, passed on or signed."""

import gzip
import zipfile

import pytest

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.data.readers.html_text import own_text_of_html
from penname.data.readers.mail_text import sender_text, unwrapped
from penname.errors import DataError

MAILS = [
    b"From: Ann <Ann@X.org>\nSubject: Re: FW: The bridge\nDate: Mon, 3 Jun 2002 10:00:00 +0200\n\n"
    b"We should close it.\n\nAnn\n-- \nAnn Example, Bridges Ltd\n",
    b"From: bob@x.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: some day\n"
    b"Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9\n> quoted\nmore\n",
    b"From: bob@x.org\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/html\n\n<b>First</b>\n"
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
    documents = [found.document for found in read_texts(path, ReadingSettings(), report)]
    assert report.rows == report.kept + sum(report.skipped.values())
    assert report.kept == len(documents)
    return documents, report, lines


def test_a_mailbox(tmp_path):
    documents, report, lines = read(mbox(tmp_path))
    first, second, third, last = documents
    assert (first.user_id, first.title, first.text) == ("ann@x.org", "The bridge", "We should close it.\n\nAnn")
    assert first.date == "2002-06-03T08:00:00"
    assert (second.title, second.text, second.date) == ("Grüße", "café\nmore", None)
    assert third.text == "First\n\nhello all"
    assert last.text == "café in no encoding"
    assert dict(report.skipped) == {"email without a sender": 1, "email without text by its sender": 1}
    assert any("sent.mbox:6: found an unknown encoding, guessed to be" in line for line in lines)


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
    assert "mails.zip/1-EM.txt:1: found a broken archive (Bad CRC-32" in lines[0]


@pytest.mark.parametrize(
    "cut",
    [
        "On Mon, 3 Jun 2002, Bob wrote:",
        "---------------------- Forwarded by Bob",
        "From: Bob\nTo: Ann\nSubject: Boats",
        "-- ",
        "_" * 30 + "\nFrom: Bob\nSent: Monday",
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


def test_a_mail_in_html_only_is_read_without_its_quotes(tmp_path):
    html = (
        "<html><head><title>no</title><style>p {}</style></head><body><p>Mine, it&#39;s <b>bold</b>\nand long.</p>"
        "Line<br>break<div>block</div><img src='x'><div class='gmail_quote'><div>On Monday Bob wrote:</div>"
        "<blockquote><p>his</p><br></blockquote></div><p>Below.</p></body></html>"
    )
    (document,), _, _ = read(mbox(tmp_path, [f"From: a@x.org\nContent-Type: text/html\n\n{html}\n".encode()]))
    assert document.text == "Mine, it's bold and long.\n\nLine\nbreak\nblock\n\nBelow."
    assert own_text_of_html("<p>not closed <b>at all") == "not closed at all"


def test_lines_that_begin_with_from_stay_in_their_mail(tmp_path):
    mails = [
        b"From: a@x.org\n\nHello.\n\n>From my side: yes.\n\n>>From two.\n",
        b"From: a@x.org\n\nHello.\n\nFrom where I stand the roof holds.\n\nFrom 10:30 on we sail.\nBye.\n",
        b"From: a@x.org\n\nHello.\n> his\n>From him\n> too\nMine.\n",
        b"From: a@x.org\n\n>From one side: yes.\n>From another: no.\nHe:\n> his\n>From him\n>From her\n",
    ]
    documents, report, _ = read(mbox(tmp_path, mails))
    assert report.rows == 4
    assert [document.text for document in documents] == [
        "Hello.\n\nFrom my side: yes.",
        "Hello.\n\nFrom where I stand the roof holds.\n\nFrom 10:30 on we sail.\nBye.",
        "Hello.\nMine.",
        "From one side: yes.\nFrom another: no.\nHe:",
    ]


@pytest.mark.parametrize(
    ("charset", "payload", "text"),
    [
        ("iso-8859-1", "it\u2019s 5 \u20ac".encode("cp1252"), "it\u2019s 5 \u20ac"),
        ("us-ascii", "café".encode(), "café"),
        ("gb2312", "我在镕基".encode("gb18030"), "我在镕基"),
        ("gb2312", "你好，我很好。".encode("gb18030") + b"\xff!", "你好，我很好。\ufffd!"),
        ("koi8-r", "Привет, как дела?".encode("koi8-r"), "Привет, как дела?"),
        (
            "x-unknown",
            "Schöne Grüße aus Köln!".encode(),
            "Schöne Grüße aus Köln!",
        ),
    ],
)
def test_one_bad_byte_costs_one_character(tmp_path, charset, payload, text):
    header = f"From: a@x.org\nContent-Type: text/plain; charset={charset}\n\n".encode()
    (document,), _, _ = read(mbox(tmp_path, [header + payload + b"\n"]))
    assert document.text == text


ABOVE_A_QUOTE = [
    "Le lun. 3 juin 2024 à 10:00, Jean Dupont <jean@example.org> a écrit\xa0:",
    "Am Mo., 3. Juni 2024 um 10:00 Uhr schrieb Hans <hans@example.org>:",
    "El lun, 3 jun 2024 a las 10:00, Ana (<ana@example.org>) escribió:",
    "Em seg., 3 de jun. de 2024 às 10:00, Rui <rui@example.org> escreveu:",
    "Il giorno lun 3 giu 2024 alle ore 10:00 Ugo <ugo@example.org> ha scritto:",
    "Op ma 3 jun 2024 om 10:00 schreef Piet <piet@example.org>:",
    "Den mån 3 juni 2024 kl 10:00 skrev Åsa <asa@example.org>:",
    "pon., 3 cze 2024 o 10:00 Jan <jan@example.org> napisał(a):",
    "po 3. 6. 2024 v 10:00 odesílatel Eva <eva@example.org> napsal:",
    "пн, 3 июн. 2024 г. в 10:00, Иван <ivan@example.org>:",
    "3 июня 2024 г., в 10:00, Иван <ivan@example.org> написал(а):",
    "3 Haz 2024 Pzt 10:00 tarihinde Can <can@example.org> şunu yazdı:",
    "在 2024年6月3日 10:00，王 <w@example.org> 写道：",
    "2024年6月3日(月) 10:00 山田 <yamada@example.org>:",
    "2024년 6월 3일 (월) 오전 10:00, 김 <kim@example.org>님이 작성:",
    "בתאריך יום ב׳, 3 ביוני 2024 ב-10:00 מאת דן <dan@example.org>:",
    "On Jun 3, 2024, at 10:00, Bob <bob@example.org<mailto:bob@example.org>> wrote:",
    "2024-06-03 10:00 GMT+02:00 Bob <bob@example.org>:",
    "Bob Smith <bob@example.org> wrote:",
    "De : Jean\nEnvoyé : lundi 3 juin 2024\nÀ : Moi\nObjet : Bateau\n",
    "Von: Hans\nGesendet: Montag, 3. Juni 2024 10:00\nAn: ich\n",
    "De: Ana\nEnviado el: lunes, 3 de junio de 2024\nPara: mí\n",
    "Da: Ugo\nInviato: lunedì 3 giugno 2024\nA: me\n",
    "Van: Piet\nVerzonden: maandag 3 juni 2024\nAan: mij\n",
    "От: Иван\nОтправлено: понедельник\nКому: мне\n",
    "发件人: 王\n发送时间: 2024年6月3日\n收件人: 我\n",
    "差出人: 山田\n送信日時: 2024年6月3日\n宛先: 私\n",
    "보낸 사람: 김\n보낸 날짜: 2024년 6월 3일\n받는 사람: 나\n",
    "*From:* Bob <bob@example.org>\n*Sent:* Monday\n*To:* me\n",
    "From:\xa0Bob\nSent:\xa0Monday\nTo:\xa0me\n",
    "-----Ursprüngliche Nachricht-----",
    "---------- Mensaje reenviado ---------",
    "Début du message réexpédié :",
]


@pytest.mark.parametrize("above", ABOVE_A_QUOTE)
def test_what_mail_programs_put_above_a_quote_in_many_languages(above):
    mine = "Mine, first line.\n\nMine: second line.\n\nAnn"
    assert sender_text(f"{mine}\n\n{above}\n\nnot mine, and no marks before it.\n") == mine


TELEPHONES = (
    *("Sent from my iPhone", "Get Outlook for iOS<https://aka.ms/o0ukef>", "Sent from Yahoo Mail on Android"),
    *("Von meinem iPhone gesendet", "Envoyé de mon iPad", "Enviado desde mi iPhone", "Inviato da iPhone"),
    *("Verzonden vanaf mijn PC", "Отправлено с iPhone", "发自我的iPhone", "iPhoneから送信", "나의 iPhone에서 보냄"),
)


@pytest.mark.parametrize("signed", TELEPHONES)
def test_what_a_telephone_signs_is_not_the_senders(signed):
    assert sender_text(f"Mine.\n\nSent from my heart.\nAnn\n\n{signed}\n") == "Mine.\n\nSent from my heart.\nAnn"
    assert sender_text(f"Mine.\n\n{signed}\n\nBob Smith <bob@example.org> wrote:\n\nhis") == "Mine."


def test_what_only_looks_like_a_quote_is_the_senders():
    for own in (
        "In 2019 he wrote:\n\nit is late.", "We met in 2019.\nThen he wrote:\n\nMine.", "To: you\nFrom: me",
        "Note:\nwe meet at 10:30, see below:\n\n1. bread", "De: tout coeur\nmerci",
    ):  # fmt: skip
        assert sender_text(own) == own


def test_flowed_lines_are_joined(tmp_path):
    flowed = "A long \nparagraph.\n\n-- \nAnn\n> quoted \n> line\n From the start"
    assert unwrapped(flowed, False) == "A long paragraph.\n\n-- \nAnn\n> quoted \n> line\nFrom the start"
    assert unwrapped("长 \n句", True) == "长句"
    header = b"From: a@x.org\nContent-Type: text/plain; charset=utf-8; format=flowed\n\n"
    (document,), _, _ = read(mbox(tmp_path, [header + b"One \ntwo \nthree.\n\nFour.\n"]))
    assert document.text == "One two three.\n\nFour."


def test_an_export_of_avocado(tmp_path):
    """Zip archives a custodian, of text files with the mail's headers; attachments and contacts are no mails."""
    headers = b"From: Ann <ann@avocado.com>\nTo: bob@avocado.com\nSubject: Gas\nDate: 12 May 2000 10:11:12 UTC\n\n"
    with zipfile.ZipFile(tmp_path / "001.zip", "w") as archive:
        archive.writestr("001/001-000001-EM.txt", headers + b"Hello all.\n")
        archive.writestr("001/001-000001-AT-000001.txt", b"an attachment")
        archive.writestr("001/001-000002-CT.txt", b"a contact")
    (document,), _, _ = read(tmp_path / "001.zip")
    assert (document.user_id, document.title, document.date) == ("ann@avocado.com", "Gas", "2000-05-12T10:11:12")
    assert document.text == "Hello all."


def test_a_broken_archive_is_one_line(tmp_path):
    (tmp_path / "a.zip").write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(DataError, match=r"a\.zip: found a broken archive \(File is not a zip file\)"):
        read(tmp_path / "a.zip")
    (tmp_path / "b.eml").write_bytes(MAILS[0])  # beside others it is one of the faults
    documents, _, lines = read(tmp_path)
    assert len(documents) == 1
    assert "a.zip:1: found a broken archive" in lines[0]


def test_what_programs_write_into_html_is_no_fault(tmp_path):
    assert own_text_of_html("<p>Mine.<![if !mso]>More.<![endif]></p><![odd>Last<![[") == "Mine.More.\n\nLast<![["
