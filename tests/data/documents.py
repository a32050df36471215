"""A small document of each kind, as bytes: as their formats say, in as few words as a program needs."""

import io
import zipfile

PARAGRAPHS = ("I walk by the sea each morning, early.", "Grüße aus München: “so sagt man”.")


def archive(files):
    """A zip archive of the texts, by name; the first file is not compressed."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as file:
        for number, (name, text) in enumerate(files.items()):
            file.writestr(name, text, zipfile.ZIP_DEFLATED if number else zipfile.ZIP_STORED)
    return raw.getvalue()


def docx(body):
    """A Word document with this XML as its body."""
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return archive(
        {
            "[Content_Types].xml": f'<Types xmlns="{types}"><Default Extension="rels" ContentType="application/vnd.'
            f'openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{main}"/>'
            "</Types>",
            "_rels/.rels": f'<Relationships xmlns="{relations}"><Relationship Id="r1" Type="{office}" '
            'Target="word/document.xml"/></Relationships>',
            "word/document.xml": f'<w:document xmlns:w="{word}"><w:body>{body}</w:body></w:document>',
        }
    )


def epub(*chapters):
    """A book with these chapters, in HTML."""
    items = "".join(
        f'<item id="c{n}" href="c{n}.xhtml" media-type="application/xhtml+xml"/>' for n, _ in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n, _ in reversed(list(enumerate(chapters))))
    return archive(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="nav" href="nav.xhtml" '
            f'media-type="application/xhtml+xml" properties="nav"/>{items}</manifest><spine><itemref idref="nav"/>'
            f"{spine}</spine></package>",
            "OEBPS/nav.xhtml": "<html><body><nav>Contents</nav><p>Contents</p></body></html>",
            **{f"OEBPS/c{n}.xhtml": f"<html><body>{text}</body></html>" for n, text in enumerate(chapters)},
        }
    )


def pdf(*lines):
    """A page with these lines in Latin letters."""
    shown = " ".join(f"({line}) Tj T*" for line in lines)
    stream = f"BT /F1 12 Tf 14 TL 50 700 Td {shown} ET".encode("cp1252")
    objects = [
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>",
    ]
    raw, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(raw))
        raw += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<</Size 6 /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(raw)
    return raw + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


SAMPLES = {
    "word.docx": docx("".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in PARAGRAPHS)),
    "portable.pdf": pdf(*PARAGRAPHS),
    "page.html": "".join(f"<p>{text}</p>" for text in PARAGRAPHS).join(["<!DOCTYPE html><body>", "</body>"]).encode(),
    "rich.rtf": b"{\\rtf1\\ansi\\ansicpg1252 I walk by the sea each morning, early.\\par "
    b"Gr\\'fc\\'dfe aus M\\'fcnchen: \\ldblquote so sagt man\\rdblquote .\\par}",
    "book.epub": epub(*(f"<p>{text}</p>" for text in reversed(PARAGRAPHS))),
}
