"""Documents of every kind are read as their authors wrote them; what cannot be read is named in a line."""

import io
import random
import shutil
from importlib.util import find_spec
from pathlib import Path

import docx as python_docx
import pytest
from documents import PARAGRAPHS, SAMPLES, archive, docx, epub, pdf
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import BaseDocTemplate, Frame, ListFlowable, PageTemplate, Paragraph, SimpleDocTemplate
from tests.data.mutations import mutated

from penname.data.convert import ConversionSettings, convert
from penname.data.files import kinds
from penname.data.files.document import document_of_file
from penname.data.files.html import text_and_date_of_page, text_of_html
from penname.data.files.pdf import text_of_pdf
from penname.data.files.rtf import text_of_rtf
from penname.data.load_report import LoadReport
from penname.data.profiles import load_profile
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError

GARDEN = (
    "When I was young my grandmother kept a small garden behind the house, and every morning she would walk through "
    "the wet grass to look at the beans. It was there that I learned patience, because nothing that is worth having "
    "comes quickly, and the beans least of all."
)
ODD = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\r",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"<",
    b">",
    b"\\u-10179?",
    b"-1",
    b"\\'",
    b"&#x0;",
    b"",
)


def written(tmp_path, name, raw):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return path


def read(path):
    """The texts of a file or folder, what is said, and the report."""
    lines = []
    report = LoadReport(on_problem=lines.append)
    found = [found.document for found in read_texts(path, ReadingSettings(say=lines.append), report)]
    assert report.rows == report.kept + sum(report.skipped.values())
    assert report.kept == len(found)
    return found, lines, report


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("misnamed", [False, True])
def test_each_kind_is_told_by_its_content(tmp_path, name, misnamed):
    path = written(tmp_path, f"ann/{'x.doc' if misnamed else name}", SAMPLES[name])
    (document,), _, _ = read(tmp_path)
    assert document.user_id == "ann"
    assert document.text.replace("\n\n", " ") == " ".join(PARAGRAPHS)
    assert (document.title, document.date) == (None, None)
    assert [d.text for d in load_profile(path)] == [document.text]


def test_word_as_its_author_wrote_it(tmp_path):
    file = python_docx.Document()
    file.sections[0].header.paragraphs[0].text = "Confidential"
    file.sections[0].footer.paragraphs[0].text = "Page 1"
    file.core_properties.title = "A title that nobody asked for"
    file.add_heading("Of gardens", 1)
    paragraph = file.add_paragraph("It is ")
    paragraph.add_run("very").bold = True
    paragraph.add_run(" wet.")
    paragraph._p.append(
        parse_xml(
            f'<w:ins {nsdecls("w")} w:id="1" w:author="A"><w:r><w:t xml:space="preserve"> Added.</w:t></w:r></w:ins>'
        )
    )
    paragraph._p.append(
        parse_xml(f'<w:del {nsdecls("w")} w:id="2" w:author="A"><w:r><w:delText>Gone.</w:delText></w:r></w:del>')
    )
    file.add_paragraph("beans", style="List Bullet")
    file.add_paragraph("peas", style="List Bullet")
    file.add_paragraph("Dear Ann,\nall is well.")
    table = file.add_table(2, 2)
    for row, cells in zip(table.rows, (("bean", "green"), ("beet", "red")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    file.add_paragraph("日本語 हिन्दी")
    raw = io.BytesIO()
    file.save(raw)
    (document,), _, _ = read(written(tmp_path, "a.docx", raw.getvalue()))
    assert document.text == (
        "Of gardens\n\nIt is very wet. Added.\n\n• beans\n• peas\n\nDear Ann,\nall is well.\n\n"
        "bean\tgreen\nbeet\tred\n\n日本語 हिन्दी"
    )


def test_a_pdf_has_its_paragraphs_again():
    body = ParagraphStyle("body", fontSize=10, leading=12, spaceAfter=6, alignment=TA_JUSTIFY)
    raw = io.BytesIO()

    def decorate(canvas, document):
        canvas.drawString(60, 815, "The Garden, by Ann")
        canvas.drawString(300, 30, f"Page {document.page} of 4")

    numbered = [f"Part {i}. " + " ".join([GARDEN] * (1 + i % 3)) for i in range(24)]
    items = ListFlowable([Paragraph("beans", body), Paragraph("peas", body)], bulletType="bullet")
    story = [Paragraph(text, body) for text in numbered]
    SimpleDocTemplate(raw).build([*story, items], onFirstPage=decorate, onLaterPages=decorate)
    text = text_of_pdf(raw.getvalue())
    assert text == "\n\n".join(numbered) + "\n• beans\n• peas"


def test_columns_and_hyphens_of_a_pdf():
    body = ParagraphStyle("body", fontSize=10, leading=12, firstLineIndent=14)
    raw = io.BytesIO()
    frames = [Frame(50, 50, 230, 740), Frame(310, 50, 230, 740)]
    document = BaseDocTemplate(raw)
    document.addPageTemplates(PageTemplate(frames=frames))
    words = GARDEN.replace(",", "").rstrip(".").split()
    texts = [" ".join(["So", *random.Random(number).sample(words, 45)]) + "." for number in range(20)]
    document.build([Paragraph(text, body) for text in texts])
    assert text_of_pdf(raw.getvalue()).split("\n") == texts
    broken = pdf("It is a wonder-", "ful well-known day for a well-", "known consideration of mine, my dear friend.")
    assert (
        text_of_pdf(broken)
        == "It is a wonderful well-known day for a well-known consideration of mine, my dear friend."
    )


def test_short_lines_of_a_pdf_stay_lines():
    poem = (
        "Rain on the roof,",
        "a sound of small feet that go by,",
        "and I am not asleep yet tonight.",
        "Rain.",
        "Sleep now.",
        "All is dark.",
    )
    assert text_of_pdf(pdf(*poem)) == "\n".join(poem)


def test_rich_text():
    raw = (
        rb"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0\fcharset204 Arial;}}{\info{\title No}}{\header Head}\f0 "
        rb"\'cf\'f0\'e8\'e2\'e5\'f2{\deleted\revauthdel1  gone}{\v  hidden} \u-10179?\u-8704? {\b bold} "
        rb'{\field{\*\fldinst{HYPERLINK "http://x.org"}}{\fldrslt{\ul link}}}.\par second\line third\par'
        rb"{\pntext\f1\'b7\tab}one\par a\cell b\cell\row}"
    )
    assert text_of_rtf(raw) == "Привет 😀 bold link.\n\nsecond\nthird\n\none\n\na\tb"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><p>b<br>c", "a\n\nb\nc"),
        ("<div>a</div><div>b</div><div><br></div><div>c</div>", "a\nb\n\nc"),
        ("<h1>T</h1>text <b>b</b>\n  <i>i</i>", "T\n\ntext b i"),
        ("<blockquote>quoted, as an author does</blockquote>", "quoted, as an author does"),
        ("<ul><li>a<ol><li><p>b</p><li>c</ol></li><li>d</ul>e", "• a\n1. b\n2. c\n• d\n\ne"),
        ("<ol start=4><li>a</ol>", "4. a"),
        ("<table><tr><th>a<th>b<tr><td><p>c</p><td></table>", "a\tb\nc"),
        ("<pre>def f():\n    return 1\n</pre>x  y", "def f():\n    return 1\n\nx y"),
        ("<nav>menu</nav><script>var a = '<p>';</script><p hidden>no</p><style>p{}</style>yes<!-- no -->", "yes"),
        ("<head><title>no</title><p>a<![endif]><![if x]>b<![foo [c]]>", "ab"),
        ("&lt;p&gt; caf&eacute;&nbsp;x", "<p> café x"),
        ("<p>Привет,\xa0мир<p>a&nbsp; &nbsp;b <i>&nbsp;c</i>", "Привет, мир\n\na b c"),
        ("<p>a</p><p>&nbsp;</p><p>b</p><pre>c\n&nbsp;&nbsp;d</pre>", "a\n\nb\n\nc\n  d"),
    ],
)
def test_the_text_of_a_page(html, text):
    assert text_and_date_of_page(html)[0] == text


def test_quotes_are_left_out_where_that_is_asked():
    assert text_of_html("a<blockquote>b<br>c</blockquote>d", lambda tag, _: tag == "blockquote") == "ad"


@pytest.mark.parametrize(
    ("raw", "text", "date"),
    [
        ('<meta charset="windows-1251"><p>Привет'.encode("cp1251"), "Привет", None),
        ('<?xml version="1.0" encoding="shift_jis"?><html><p>日本語'.encode("shift_jis"), "日本語", None),
        ('<meta charset="iso-8859-1"><p>It’s'.encode("cp1252"), "It’s", None),
        ('<meta charset="iso-8859-1"><p>Größe'.encode(), "Größe", None),
        ("<html><p>Größe".encode("utf-16"), "Größe", None),
        ("<p>Grüße aus München, bis bald im schönen Köln".encode("latin-1"), None, None),
        (
            b'<meta property="article:published_time" content="2021-03-04T05:06:07+02:00"><p>a',
            "a",
            "2021-03-04T03:06:07",
        ),
        (b'<meta itemprop="datePublished" content="2021-03-04"><p>a', "a", "2021-03-04"),
        (b'<meta name="date" content="soon"><p>a', "a", None),
    ],
)
def test_encodings_and_dates_of_pages(tmp_path, raw, text, date):
    document = document_of_file(written(tmp_path, "a.html", raw), "u", LoadReport())
    assert document.text == (text or "Grüße aus München, bis bald im schönen Köln")
    assert document.date == date


def test_chapters_are_in_the_order_of_reading(tmp_path):
    book = epub("<p>second", "<p>first", "")
    assert document_of_file(written(tmp_path, "a.epub", book), "u", LoadReport()).text == "first\n\nsecond"


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("b.docx", b"fake docx", "b.docx: found a file that begins with b'fake docx', expected a Word document"),
        ("b.docx", b"", "found an empty file, expected a Word document"),
        ("b.docx", SAMPLES["word.docx"][:-40], "found a broken one, or one with a password (File is not a zip file)"),
        ("b.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "expected a Word document"),
        ("d.pdf", b"%PDF-1.4", "found a broken one, or one with a password (Failed to load document"),
        ("d.pdf", pdf(), "found a PDF file without text, expected text; pictures of text are not read"),
        ("e.epub", archive({"a": "b"}), "expected an EPUB book"),
        ("f.rtf", b"plain", "expected an RTF file"),
        ("g.html", b"\x89PNG\r\n\x1a\n\x00\x00\x00", "found no text, expected an HTML page"),
        ("h.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR", "found no text, in any encoding, expected a text"),
        ("i.docx", docx("<w:p/>" + "x" * 10), "found a Word document without text"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path, name, raw, message):
    written(tmp_path, "texts/ann/good.txt", b"A text that can be read.")
    bad = written(tmp_path, f"texts/ann/{name}", raw)
    documents, lines, report = read(tmp_path / "texts")
    assert [d.text for d in documents] == ["A text that can be read."]
    assert len([line for line in lines if message in line]) == 1
    assert report.faults == 1
    said = []
    assert len(load_profile(tmp_path / "texts" / "ann", say=said.append)) == 1
    assert len(said) == 1
    assert said[0].startswith(f"not read of the profile: {name}: found ")
    with pytest.raises(DataError) as error:
        load_profile(bad)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_other_files_of_a_profile_are_named_and_nothing_else_is_an_error(tmp_path):
    for name in ("a.png", "b.png"):
        written(tmp_path, name, b"\x89PNG")
    with pytest.raises(
        DataError, match=r"found no file that can be read; a.png, b.png: found another kind of file, expec"
    ):
        load_profile(tmp_path)
    written(tmp_path, "sub/page.html", b"<p>I like bread</p>")
    said = []
    assert [d.text for d in load_profile(tmp_path, say=said.append)] == ["I like bread"]
    assert len(said) == 1
    assert ".docx" in said[0]
    assert load_profile(written(tmp_path, "empty/a.txt", b" \n").parent) == []


def test_without_the_extra_each_file_is_named_with_what_reads_it(tmp_path, monkeypatch):
    missing = {"mammoth", "pypdfium2", "striprtf"}
    monkeypatch.setattr(kinds, "find_spec", lambda name: None if name in missing else find_spec(name))
    for name in ("a.docx", "b.docx"):
        written(tmp_path, f"ann/{name}", SAMPLES["word.docx"])
    with pytest.raises(
        DataError, match=r"found 2 files, each a Word document, expected pip install 'penname\[documents\]'"
    ):
        read(tmp_path)
    with pytest.raises(DataError, match=r"a.docx, b.docx: found a Word document, expected pip install"):
        load_profile(tmp_path)
    written(tmp_path, "ann/c.txt", b"A text.")
    written(tmp_path, "ann/d.epub", SAMPLES["book.epub"])
    documents, lines, _ = read(tmp_path)
    assert len(documents) == 2
    assert len([line for line in lines if "docx: found a Word document, expected pip install" in line]) == 2
    said = []
    assert len(load_profile(tmp_path, say=said.append)) == 2
    assert "a.docx, b.docx: found a Word document, expected pip install" in said[0]


def test_a_folder_of_documents_is_converted(tmp_path):
    for user in range(6):
        for number, name in enumerate(SAMPLES):
            text = f"User {user} writes of rain and number {number} at some length."
            raw = {
                "word.docx": docx(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"),
                "portable.pdf": pdf(text),
                "page.html": f"<html><p>{text}".encode(),
                "rich.rtf": b"{\\rtf1 " + text.encode() + b"}",
                "book.epub": epub(f"<p>{text}"),
            }[name]
            written(tmp_path, f"texts/user{user}/{number}{Path(name).suffix}", raw)
    shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "texts")
    for source in (tmp_path / "texts", tmp_path / "zipped.zip"):
        report = LoadReport()
        counts = convert(source, tmp_path / f"out of {source.name}", ConversionSettings(), report)
        assert (report.rows, report.kept, sum(counts.values())) == (30, 30, 6)


def test_pages_that_a_program_puts_beside_its_export_are_no_documents(tmp_path):
    written(tmp_path, "Sent.mbox", b"From a@x.org Mon Jan  1 10:00:00 2024\nFrom: a@x.org\n\nThis is what I wrote.\n")
    for name in ("archive_browser.html", "index.html", "help.html"):
        written(tmp_path, name, SAMPLES["page.html"])
    documents, lines, _ = read(tmp_path)
    assert [d.text for d in documents] == ["This is what I wrote."]
    assert sum("html: found a file that is not read" in line for line in lines) == 3
    for number in range(12):
        written(tmp_path, f"{number}.html", SAMPLES["page.html"])
    assert len(read(tmp_path)[0]) == 15


def mutated_sample(name, random):
    """A mutated file; of an archive either the whole or, as that hardly ever opens, what is in it."""
    if random.random() < 0.5 or name not in ("word.docx", "book.epub"):
        return mutated(SAMPLES[name], random, ODD)
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in PARAGRAPHS).encode()
    if name == "word.docx":
        return docx(mutated(body, random, ODD).decode("utf-8", "replace"))
    return epub(mutated(b"<p>".join(text.encode() for text in PARAGRAPHS), random, ODD).decode("utf-8", "replace"))


@pytest.mark.parametrize("seeds", [range(200), pytest.param(range(200, 1000), marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_files_are_kept_or_reported(tmp_path, name, seeds):
    kept = 0
    for seed in seeds:
        path = tmp_path / name
        path.write_bytes(mutated_sample(name, random.Random(seed)))
        report = LoadReport()
        try:
            found = sum(1 for _ in read_texts(path, ReadingSettings(), report))
        except DataError:
            continue
        assert report.rows == report.kept + sum(report.skipped.values()) == 1
        assert report.kept == found
        kept += found
    assert kept > len(seeds) / 20


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>one</li><li></li></ul><p>After</p>", "• one\n\nAfter"),
        ("<ul><li>one</li><li>&nbsp;</li></ul>After", "• one\n\nAfter"),
        ("<ul><li>one<li></ul><h2>After</h2>", "• one\n\nAfter"),
        ("<ol><li>one</li><li><p></p></li><li>three</li></ol>After", "1. one\n3. three\n\nAfter"),
        ("<ul><li></li></ul><div>After</div>", "After"),
        ("<table><tr><td>a</td><td> </td></tr></table><p>After</p>", "a\n\nAfter"),
        ("<table><tr><td>a</td><td></td><td>b</td></tr></table>After", "a\t\tb\n\nAfter"),
    ],
)
def test_what_follows_an_empty_item_or_cell_is_not_in_its_line(html, text):
    assert text_of_html(html) == text
