"""Mail in any encoding and of any parts is read as its sender wrote it; guesses and what is broken are noted."""

import base64

import pytest
from test_mail import mbox, read

SENTENCES = {
    "iso-2022-jp": "こんにちは、元気ですか。明日は海へ行きます。",
    "iso-2022-kr": "안녕하세요. 내일 바다에 갑니다.",
    "hz-gb-2312": "你好，我们明天去海边。",
    "utf-7": "Schöne Grüße aus Köln",
    "unicode-1-1-utf-7": "Schöne Grüße aus Köln",
    "shift_jis": "明日は海へ行きます。",
    "ISO-8859-15": "pour 5 € à l'œil",
}


def one(tmp_path, *mails):
    documents, report, lines = read(mbox(tmp_path, mails))
    return documents[0], report, lines


def plain(payload, *headers):
    return b"".join(header + b"\n" for header in (b"From: a@x.org", *headers)) + b"\n" + payload + b"\n"


@pytest.mark.parametrize("charset", SENTENCES)
def test_the_named_encoding_is_read(tmp_path, charset):
    text = SENTENCES[charset]
    payload = text.encode({"unicode-1-1-utf-7": "utf-7"}.get(charset, charset))
    document, report, _ = one(tmp_path, plain(payload, f"Content-Type: text/plain; charset={charset}".encode()))
    assert document.text == text
    assert not report.noted


def test_signs_of_windows_in_japanese(tmp_path):
    payload = b"\x1b$B-!L@F|\x1b(B a \x1b(I1\x1b(B."
    document, report, _ = one(tmp_path, plain(payload, b"Content-Type: text/plain; charset=iso-2022-jp"))
    assert document.text == "①明日 a ｱ."
    assert not report.noted


@pytest.mark.parametrize("charset", ["", "; charset=us-ascii", "; charset=utf-8", "; charset=x-unknown"])
@pytest.mark.parametrize(("encoding", "text"), [
    ("cp1252", "Schöne Grüße aus Köln, es ist wunderschön hier."),
    ("iso-2022-jp", "こんにちは、元気ですか。明日は海へ行きます。"),
    ("cp1251", "Привет, как дела? Завтра мы едем к морю."),
])  # fmt: skip
def test_an_encoding_that_is_wrong_or_missing_is_guessed(tmp_path, charset, encoding, text):
    document, report, _ = one(tmp_path, plain(text.encode(encoding), f"Content-Type: text/plain{charset}".encode()))
    assert document.text == text
    assert report.noted == {"encoding guessed": 1}


@pytest.mark.parametrize(("subject", "charset", "title", "guessed"), [
    ("Grüße aus Köln".encode(), b"us-ascii", "Grüße aus Köln", 0),
    ("Grüße aus Köln".encode("cp1252"), b"iso-8859-1", "Grüße aus Köln", 0),
    ("Привет из Москвы, как дела".encode("koi8-r"), b"koi8-r", "Привет из Москвы, как дела", 0),
    ("Grüße aus Köln".encode("cp1252"), b"us-ascii", "Grüße aus Köln", 1),
    (b"=?iso-2022-jp?B?" + base64.b64encode("海へ".encode("iso-2022-jp")) + b"?=", b"us-ascii", "海へ", 0),
    (b"=?gb2312?B?" + base64.b64encode("镕".encode("gb18030")) + b"?= a\n =?utf-8?q?=C3=BC?=", b"utf-8", "镕 a ü", 0),
])  # fmt: skip
def test_subjects_in_any_encoding(tmp_path, subject, charset, title, guessed):
    mail = plain(b"Hello.", b"Subject: " + subject, b"Content-Type: text/plain; charset=" + charset)
    document, report, _ = one(tmp_path, mail)
    assert document.title == title
    assert report.noted["encoding guessed"] == guessed


@pytest.mark.parametrize("sender", [
    b"=?utf-8?q?M=C3=BCller=2C_Hans?= <h@x.org>", b"Meier, Hans <h@x.org>", b"=?utf-8?q?Hans_=3Ch=40x.org=3E?=",
    "Müller Hans <h@x.org>".encode(), "Müller Hans <h@x.org>".encode("cp1252"),
])  # fmt: skip
def test_senders_by_their_address(tmp_path, sender):
    assert one(tmp_path, b"From: " + sender + b"\n\nHello.\n")[0].user_id == "h@x.org"


LONG = "Wir fahren morgen ans Meer, wenn das Wetter hält.\n" * 4


@pytest.mark.parametrize(("encoded", "text", "noted"), [
    (base64.encodebytes(LONG.encode()).decode(), LONG.strip(), 0),
    (base64.encodebytes(LONG.encode()).decode().rstrip("=\n"), LONG.strip(), 0),
    ("aGVsbG8gYWxsI", "hello all", 1),
    ("aGVsbG8gYWxs\n_____\nThis is a list of mails\n", "hello all", 1),
    ("It is plain text, and no other.", "It is plain text, and no other.", 1),
])  # fmt: skip
def test_broken_base64_is_read_as_far_as_it_can_be(tmp_path, encoded, text, noted):
    headers = (b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: base64")
    document, report, _ = one(tmp_path, plain(encoded.encode(), *headers))
    assert document.text == text
    assert report.noted["broken base64"] == noted


def parts(kind, *inner):
    """A multipart message or part of parts, each a type of content and a payload, or again such."""
    mark = f"{kind}{len(str(inner))}"
    made = [part if isinstance(part, str) else f"Content-Type: {part[0]}\n\n{part[1]}" for part in inner]
    text = "".join(f"--{mark}\n{part}\n" for part in made)
    return f"Content-Type: multipart/{kind}; boundary={mark}\n\n{text}--{mark}--"


BOTH = parts("alternative", ("text/plain", "A."), ("text/html", "A"))
ATTACHED = ("message/rfc822", "From: bob@x.org\nContent-Type: text/plain\n\nBob's words.")
PICTURE = ('image/png; name="a.png"', "iVBORw0KGgo=")
FILE = ("text/plain\nContent-Disposition: attachment", "A file.")
NAMED = ('text/plain; name="a.txt"', "A file.")


@pytest.mark.parametrize(("mail", "text"), [
    (parts("mixed", ("text/html", "<p>Mine.</p>"), ATTACHED), "Mine."),
    (parts("mixed", ("text/plain", "Mine."), ATTACHED, ("text/plain", "More.")), "Mine.\n\nMore."),
    (parts("mixed", ATTACHED), None),
    (parts("digest", ("", "From: bob@x.org\n\nBob's words.")).replace("Content-Type: \n", ""), None),
    (parts("mixed", ("text/plain", "Before."), PICTURE, ("text/plain", "Behind."), FILE, NAMED), "Before.\n\nBehind."),
    (parts("mixed", ("text/html", "<p>Before.</p>"), PICTURE, ("text/html", "<p>Behind.</p>")), "Before.\n\nBehind."),
    (parts("alternative", ("text/plain", "Plain."), ("text/html", "<p>HTML</p>")), "Plain."),
    (parts("alternative", ("text/html", "<p>HTML</p>"), ("text/plain", "Plain.")), "Plain."),
    (parts("alternative", ("text/plain", "\n \n"), ("text/html", "<p>HTML</p>")), "HTML"),
    (parts("mixed", ("text/plain", " "), ("text/html", "<p>HTML</p>")), "HTML"),
    (parts("mixed", ("text/html", "<p>Both.</p>"), ("text/plain", "Both.")), "Both."),
    (parts("alternative", ("text/plain", ""), parts("related", ("text/html", "<p>HTML</p>"), PICTURE)), "HTML"),
    (parts("mixed", BOTH, PICTURE, ("text/plain", "B.")), "A.\n\nB."),
    (parts("signed", ("text/plain", "Mine."), ("application/pgp-signature", "x")), "Mine."),
])  # fmt: skip
def test_the_parts_that_are_the_senders(tmp_path, mail, text):
    documents, report, _ = read(mbox(tmp_path, [f"From: ann@x.org\n{mail}\n".encode()]))
    assert [document.text for document in documents] == ([] if text is None else [text])
    assert sum(report.skipped.values()) == (text is None)


RUSSIAN, JAPANESE = (
    "Вчера я наконец починил часы в прихожей и они снова бьют.",
    "昨日は時計を直しました。とても良い音がします。",
)
CHINESE, GERMAN = (
    "我昨天把大厅里的老钟修好了，它又开始敲响了。",
    "Gestern hab ich die schöne Uhr repariert, Grüße an alle.",
)


@pytest.mark.parametrize(("text", "encoding", "named"), [
    *((GERMAN, "utf-8", named) for named in ("iso-8859-1", "windows-1252", "iso-8859-15")),
    *((GERMAN, "utf-8", named) for named in ("gb2312", "koi8-r", "shift_jis")),
    *((RUSSIAN, "utf-8", named) for named in ("iso-8859-1", "windows-1251", "koi8-r", "gb2312", "iso-2022-jp")),
    *((CHINESE, "utf-8", named) for named in ("gb2312", "gbk", "big5", "iso-8859-1", "euc-kr")),
    *((JAPANESE, "utf-8", named) for named in ("shift_jis", "iso-2022-jp", "euc-jp", "iso-8859-1")),
    (RUSSIAN, "koi8-r", "windows-1251"), (RUSSIAN, "cp1251", "koi8-r"), (RUSSIAN, "cp1251", "iso-8859-1"),
    (JAPANESE, "cp932", "iso-2022-jp"), (JAPANESE, "cp932", "iso-8859-1"),
    (JAPANESE, "iso2022_jp", "iso-8859-1"), (CHINESE, "gb18030", "big5"), (CHINESE, "gb18030", "iso-8859-1"),
    ("café", "utf-8", "iso-8859-1"),
])  # fmt: skip
def test_another_encoding_than_the_one_that_is_named(tmp_path, text, encoding, named):
    mail = plain(text.encode(encoding), f"Content-Type: text/plain; charset={named}".encode())
    document, report, _ = one(tmp_path, mail)
    assert document.text == text
    assert report.noted == {"encoding guessed": 1}


@pytest.mark.parametrize(("text", "encoding", "named"), [
    ("ВНИМАНИЕ ВСЕМ УЧАСТНИКАМ СОБРАНИЕ ЗАВТРА", "koi8-r", "koi8-r"),
    ("ВНИМАНИЕ ВСЕМ УЧАСТНИКАМ СОБРАНИЕ ЗАВТРА", "cp1251", "windows-1251"),
    ("ΠΡΟΣΟΧΗ ΣΕ ΟΛΟΥΣ ΑΥΡΙΟ ΣΥΝΑΝΤΗΣΗ", "iso8859-7", "iso-8859-7"),
    ("Ça a été très bien, à côté, où ça? Là, voilà l'été; naïf, Noël", "cp1252", "iso-8859-1"),
    ("½ cup, 3 £ and 20 € – “fine” … x² + y² = z², 5 °C", "cp1252", "iso-8859-1"),
    ("★☆◆◇○●→←", "gb18030", "gb2312"), ("你好", "gb18030", "gb2312"),
    ("繁體中文用國標碼寫的信件內容", "gb18030", "gbk"),
    ("大韓民國 萬歲 歷史 講義 資料", "cp949", "euc-kr"), ("日期：２０２４年５月３日", "gb18030", "gb2312"),
    ("σ=3 μ=4 α β γ δ and ε are Greek letters", "iso8859-7", "iso-8859-7"),
])  # fmt: skip
def test_a_named_encoding_is_believed_where_it_makes_words(tmp_path, text, encoding, named):
    mail = plain(text.encode(encoding), f"Content-Type: text/plain; charset={named}".encode())
    document, report, _ = one(tmp_path, mail)
    assert document.text == text
    assert not report.noted
