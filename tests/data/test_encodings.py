"""Files in any encoding come in whole, the guess is one for a file and is said; UTF-8 with a fault stays UTF-8."""

import json

import pytest

from penname.data.encodings import check_encoding, encodings_of, guess_encoding, is_utf8, marked_encoding
from penname.data.load_report import LoadReport
from penname.data.profiles import load_profile
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import ArgumentError

TEXTS = {
    "English": "It’s the third time I’ve been to this café — and it won’t be the last. “Lovely,” said my friend.",
    "French": "Très bon restaurant, l'accueil était chaleureux et les plats délicieux. J'ai aimé la crème",
    "German": "Das Gerät ist größer als erwartet, aber die Qualität überzeugt mich völlig. Für den Preis würde",
    "Spanish": "El año pasado compré este teléfono y todavía funciona muy bien. La batería dura más de un día,",
    "Polish": "Bardzo dobra książka, czyta się ją z dużą przyjemnością. Główny bohater jest świetnie napisany,",
    "Czech": "Příběh je velmi zajímavý a postavy jsou uvěřitelné. Těším se na další díl, který vyjde už příští",
    "Russian": "Очень понравилась книга, читается легко и быстро. Герои живые, сюжет держит до последней страницы.",
    "Ukrainian": "Дуже сподобалася книжка, читається легко. Герої живі, їхні вчинки зрозумілі, а кінець",
    "Greek": "Μου άρεσε πολύ το βιβλίο, διαβάζεται εύκολα και γρήγορα. Οι ήρωες είναι ζωντανοί μέχρι το τέλος.",
    "Turkish": "Kitabı çok beğendim, kolay okunuyor. Kahramanlar canlı ve olay örgüsü son sayfaya kadar ilgi çekici.",
    "Hebrew": "אהבתי מאוד את הספר, הוא נקרא בקלות ובמהירות. הדמויות חיות והעלילה מעניינת עד העמוד האחרון.",
    "Arabic": "أعجبني الكتاب كثيرا، فهو سهل القراءة وممتع. الشخصيات حية والقصة مشوقة حتى الصفحة الأخيرة.",
    "Thai": "ฉันชอบหนังสือเล่มนี้มาก อ่านง่ายและสนุก ตัวละครมีชีวิตชีวา เรื่องราวน่าสนใจจนถึงหน้าสุดท้าย",
    "Chinese": "这本书我非常喜欢，读起来很轻松。人物生动，情节一直到最后一页都很吸引人。推荐给所有的朋友。",
    "Taiwanese": "這本書我非常喜歡，讀起來很輕鬆。人物生動，情節一直到最後一頁都很吸引人。推薦給所有的朋友。",
    "Japanese": "この本はとても面白かったです。登場人物が生き生きとしていて、最後のページまで目が離せませんでした。",
    "Korean": "이 책은 정말 재미있게 읽었습니다. 등장인물이 생생하고 마지막 장까지 눈을 뗄 수 없었습니다.",
    "Lithuanian": "Man labai patiko ši knyga, ji lengvai skaitoma. Veikėjai gyvi, o siužetas įdomus iki",
}
ENCODINGS = [
    *(("English", "cp1252"), ("French", "latin-1"), ("French", "mac-roman"), ("German", "cp1252"), ("German", "cp850")),
    *(
        ("Spanish", "latin-1"),
        ("Polish", "cp1250"),
        ("Polish", "iso-8859-2"),
        ("Czech", "cp1250"),
        ("Russian", "cp1251"),
    ),
    *(
        ("Russian", "koi8-r"),
        ("Russian", "cp866"),
        ("Ukrainian", "cp1251"),
        ("Ukrainian", "koi8-u"),
        ("Greek", "cp1253"),
    ),
    *(("Greek", "iso-8859-7"), ("Turkish", "cp1254"), ("Hebrew", "cp1255"), ("Arabic", "cp1256"), ("Thai", "cp874")),
    *(("Chinese", "gb18030"), ("Chinese", "gb2312"), ("Taiwanese", "big5"), ("Japanese", "shift_jis")),
    *(("Japanese", "euc-jp"), ("Japanese", "iso-2022-jp"), ("Korean", "euc-kr"), ("Lithuanian", "cp1257")),
]
MARKED = [(language, encoding) for language in ("German", "Chinese") for encoding in ("utf-8-sig", "utf-16", "utf-32")]
UNMARKED = [("German", "utf-16-le"), ("Russian", "utf-16-be"), ("Japanese", "utf-16-le"), ("Thai", "utf-8")]


def read(path, **settings):
    lines = []
    report = LoadReport(on_problem=lines.append)
    found = list(read_texts(path, ReadingSettings(say=lines.append, **settings), report))
    return [text.document for text in found], lines


def table(text):
    return f"user;text;rating\r\nann;{text};5\r\nbob;nothing in this row but ascii;4\r\n"


@pytest.mark.parametrize(("language", "encoding"), ENCODINGS + MARKED + UNMARKED)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_each_encoding_is_read(tmp_path, language, encoding, kind):
    text = TEXTS[language].encode(encoding, "ignore").decode(encoding)
    path = tmp_path / f"a.{kind}"
    content = {
        "csv": table(text),
        "jsonl": json.dumps({"user": "ann", "text": text}, ensure_ascii=False) + "\n",
        "txt": f"{text}\n",
    }[kind]
    path.write_bytes(content.encode(encoding))
    documents, lines = read(path)
    assert documents[0].text == text
    said = [line for line in lines if "not UTF-8, read as" in line]
    assert len(said) == ((language, encoding) not in MARKED and encoding != "utf-8")
    assert [d.text for d in load_profile(path)] == [text] if kind == "txt" else True
    assert not [line for line in lines if "byte sequences" in line]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("naïve — café’s “x”".encode() + b" and a bad \xe9 byte", "naïve — café’s “x” and a bad \ufffd byte"),
        (b"a caf\xff in ascii", "a caf\ufffd in ascii"),
        (b"a caf\xc3 cut in two", "a caf\ufffd cut in two"),
        ("это текст".encode() + b" \xff\xfe!", "это текст \ufffd\ufffd!"),
        ("日本語の文".encode()[:-1] + b" and so on", "日本語の\ufffd and so on"),
    ],
)
def test_utf8_with_a_fault_stays_utf8_with_the_byte_noted(tmp_path, raw, text):
    (tmp_path / "a.txt").write_bytes(raw)
    documents, lines = read(tmp_path / "a.txt")
    assert documents[0].text == text
    assert len(lines) == 1
    assert "byte sequences that are not UTF-8, expected UTF-8" in lines[0]


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"caf\xe9 au lait", "cp1252"),
        (b"it\x92s a \x93word\x94", "cp1252"),
        (b"only \xa35 each", "cp1252"),
        ("Das war schön".encode("cp1252"), "cp1252"),
        ("Jag är mycket nöjd".encode("cp1252"), "cp1252"),
        ("Очень".encode("cp1251"), "cp1251"),
        ("这本书我".encode("gb18030"), "gb18030"),
        ("この本は".encode("cp932"), "cp932"),
    ],
)
def test_short_texts_are_taken_for_what_is_widespread(raw, encoding):
    assert not is_utf8(raw)
    assert raw.decode(guess_encoding(raw)) == raw.decode(encoding)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "La città è più bella. Perché però non c'è libertà? Così è già. Lunedì andrò al caffè. La verità è là.",
            "cp1252",
        ),
        ("La città e più bella", "cp1252"),
        ("Zoé;déjà vu", "cp1252"),
        ("È così. È già là", "cp1252"),
        ("Olá, não é bom, a ação", "cp1252"),
        ("Það er gott að þú ert hér", "cp1252"),
        ("Þetta er gott", "cp1252"),
        ("Jiří", "cp1250"),
        ("Jiří;Žižka šel domů", "cp1250"),
        ("Łódź źle", "iso8859-2"),
        ("Szép idő, őszi fű, tűz", "cp1250"),
        ("Čuješ li? Šetnja, žena, đak, ćup", "cp1250"),
        ("Îmi place această carte foarte mult, şi ţie", "cp1250"),
        ("Ayşe;çok güzel değil", "cp1254"),
        ("değil", "cp1254"),
        ("iyi akşamlar", "cp1254"),
        ("Ölçüm için şarkı söylüyor, ışık", "cp1254"),
        ("Man patinka šis žodis, ačiū", "cp1257"),
        ("Es mīlu šo grāmatu, ļoti laba", "cp1257"),
        ("Väike šokolaad, žanr on põnev", "cp1257"),
        ("Купил USB-кабель и iPhone, всё отлично", "cp1251"),
        ("Καλημέρα κόσμε", "cp1253"),
    ],
)
@pytest.mark.parametrize("times", [1, 200])
def test_no_guess_mixes_scripts_or_languages(text, encoding, times):
    raw = f"{text}\n".encode(encoding) * times
    assert raw.decode(guess_encoding(raw), "replace") == f"{text}\n" * times


def test_a_folder_is_read_in_the_encoding_that_fits_most_of_it(tmp_path):
    """A word alone may be of several encodings; beside Polish texts in ISO 8859-2 it is too."""
    for number in range(4):
        (tmp_path / f"{number}.txt").write_bytes((TEXTS["Polish"] + f" {number}").encode("iso-8859-2"))
    short = "Miłość żółwia"
    (tmp_path / "z.txt").write_bytes(short.encode("iso-8859-2"))
    (tmp_path / "utf8.txt").write_text(short)
    documents, lines = read(tmp_path)
    assert {d.id: d.text for d in documents}["z.txt"] == {d.id: d.text for d in documents}["utf8.txt"] == short
    said = [line for line in lines if "read as" in line]
    assert len(said) == 1
    assert "0.txt" in said[0]
    assert said[0].endswith(", ...: not UTF-8, read as iso8859-2 unless another encoding is named")
    told = []
    assert short in [d.text for d in load_profile(tmp_path, say=told.append)]
    assert len(told) == 1


def test_what_is_not_ascii_may_come_late(tmp_path):
    rows = ["user,text\n", *(f"ann,plain row {number} of many\n" for number in range(40_000)), "bob,Grüße aus Köln\n"]
    (tmp_path / "a.csv").write_bytes("".join(rows).encode("cp1252"))
    documents, _ = read(tmp_path / "a.csv")
    assert documents[-1].text == "Grüße aus Köln"
    assert len(documents) == 40_001


def test_an_encoding_that_is_named_is_taken(tmp_path):
    (tmp_path / "a.txt").write_bytes("Größe".encode("cp850"))
    documents, lines = read(tmp_path / "a.txt", encoding="cp850")
    assert [d.text for d in documents] == ["Größe"]
    assert not lines
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 \x81")
    documents, lines = read(tmp_path / "a.txt", encoding="cp1252")
    assert documents[0].text == "café \ufffd"
    assert "found 1 byte sequences that are not CP1252" in lines[0]


@pytest.mark.parametrize("name", ["latin-17", "rot13", "base64", "a\0b", ""])
def test_an_unknown_encoding_is_refused(name):
    with pytest.raises(ArgumentError, match=r"encoding: found .*, expected one such as utf-8, cp1252"):
        check_encoding(name)


def test_binary_files_have_no_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x08\xff\xfe")
    assert encodings_of([tmp_path / "a.txt"], print) == {}
    assert marked_encoding(b"\0\1\2\3\4" * 10) is None


WITHOUT_MARK = {
    **TEXTS,
    "Hindi": "यह किताब मुझे बहुत पसंद आई, पढ़ने में आसान है। पात्र जीवंत हैं और कहानी रोचक है।",
    "Gujarati": "આ પુસ્તક મને ખૂબ ગમ્યું, વાંચવામાં સરળ છે.",
    "Malayalam": "ഈ പുസ്തകം എനിക്ക് വളരെ ഇഷ്ടപ്പെട്ടു, വായിക്കാൻ എളുപ്പമാണ്.",
}


@pytest.mark.parametrize("language", WITHOUT_MARK)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_in_any_script(language, encoding):
    text = WITHOUT_MARK[language]
    for table in (f"{text}\n", f"user,text\n{''.join(f'u{n},{text}{n}' for n in range(9))}\n"):
        assert marked_encoding(table.encode(encoding)) == encoding


@pytest.mark.parametrize(("language", "encoding"), [("English", "utf-8"), ("Russian", "utf-8"), *ENCODINGS])
def test_a_stray_nul_makes_no_utf16_of_a_text(tmp_path, language, encoding):
    raw = "".join(f"{TEXTS[language]} {n}\n" for n in range(30)).encode(encoding)
    for count in (1, 2, 10, 40):
        places = [n * len(raw) // count for n in range(count)]
        parts = [raw[begin:end] for begin, end in zip(places, [*places[1:], len(raw)], strict=True)]
        assert marked_encoding(b"\0".join([b"", *parts, b""])) is None
    assert marked_encoding(raw + b"\0" * 4096) is None


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "ann/a.txt"])
def test_a_stray_nul_is_left_out_and_said(tmp_path, name):
    texts = ["It was as dark\0 as the hall", "The café was closed to us again"]
    rows = [f"ann,{text}\n" for text in texts]
    lines = [f'{{"user": "ann", "text": "{text}"}}\n' for text in texts]
    written = {"a.csv": ["user,text\n", *rows], "a.jsonl": lines, "ann/a.txt": texts[:1]}[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(written))
    found, said = read(path if name != "ann/a.txt" else tmp_path)
    assert found[0].text == "It was as dark as the hall"
    assert sum("NUL characters (1), left out" in line for line in said) == 1


def test_a_file_that_a_crash_filled_up_with_zeros(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"It was dark.\n" + b"\0" * 5000)
    assert [document.text for document in load_profile(tmp_path / "a.txt")] == ["It was dark."]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("ends", ["\r", "\r\n", "mixed"])
def test_line_ends_of_any_kind(tmp_path, name, ends):
    rows = ["user,text", "ann,One text of hers", "ben,Another of his"]
    lines = [json.dumps({"user": user, "text": text}) for user, text in (row.split(",") for row in rows[1:])]
    marks = ["\n", "\r", "\r\n"] if ends == "mixed" else [ends] * 3
    written = rows if name == "a.csv" else lines
    (tmp_path / name).write_bytes("".join(row + mark for row, mark in zip(written, marks, strict=False)).encode())
    assert [document.text for document in read(tmp_path / name)[0]] == ["One text of hers", "Another of his"]
