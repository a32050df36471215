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
