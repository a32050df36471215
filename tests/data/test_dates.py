"""Dates are read as people and programs write them; a column in one way, and nothing that lacks its year."""

import json
import time
from datetime import datetime, timedelta

import pytest

from penname.data.dates import DateColumn, date_column, optional_date, parse_date, told_column
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.data.records import Location
from penname.errors import ArgumentError, DataError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3 mars 2021", "2021-03-03"),
        ("5. März 2024", "2024-03-05"),
        ("20 déc. 2019", "2019-12-20"),
        ("ven. 1er mai 2020", "2020-05-01"),
        ("mar., 5 mars 2021", "2021-03-05"),
        ("dimanche 3 janvier 2021 à 14h30", "2021-01-03T14:30:00"),
        ("3 de mayo de 2021", "2021-05-03"),
        ("5 мая 2021 г.", "2021-05-05"),
        ("7 лютого 2021", "2021-02-07"),
        ("5 stycznia 2021", "2021-01-05"),
        ("1. října 2020", "2020-10-01"),
        ("2024. május 3.", "2024-05-03"),
        ("2017 m. gegužės 3 d.", "2017-05-03"),
        ("1 Ağustos 2020", "2020-08-01"),
        ("3 Ιανουαρίου 2021", "2021-01-03"),
        ("3 בינואר 2021", "2021-01-03"),
        ("١٥ مايو ٢٠٢٤", "2024-05-15"),
        ("९ मई 2024", "2024-05-09"),
        ("3 มกราคม 2024", "2024-01-03"),
        ("ngày 3 tháng 5 năm 2024", "2024-05-03"),
        ("2024年5月3日", "2024-05-03"),
        ("2024年5月3日(金) 10:20", "2024-05-03T10:20:00"),
        ("2021년 3월 5일 오후 3:04", "2021-03-05T15:04:00"),
        ("5.3.2024 klo 14.20", "2024-03-05T14:20:00"),
        ("May 3, 2021", "2021-05-03"),
        ("May 3rd, 2021 at 5:06pm", "2021-05-03T17:06:00"),
        ("3rd of May 2021", "2021-05-03"),
        ("03-May-21", "2021-05-03"),
        ("14,May,2004", "2004-05-14"),
        ("May 2024", "2024-05"),
        ("Jan 5, 2020, 12:59:03 AM", "2020-01-05T00:59:03"),
        ("3/4/24 5:06 PM", "2024-04-03T17:06:00"),
        ("31/12/1999 23:59", "1999-12-31T23:59:00"),
        ("31.12.69", "2069-12-31"),
        ("31.12.70", "1970-12-31"),
        ("2024/05/03 10:11", "2024-05-03T10:11:00"),
        ("Sun Jul 30 07:44:10 -0700 2017", "2017-07-30T14:44:10"),
        ("Sun Jul 30 07:44:10 PDT 2017", "2017-07-30T14:44:10"),
        ("Mon Mar  5 10:11:12 2012", "2012-03-05T10:11:12"),
        ("Tue, 05 Mar 2024 10:00:00 +0100 (CET)", "2024-03-05T09:00:00"),
        ("Tue, 5 Mar 2024 10:00:00 GMT", "2024-03-05T10:00:00"),
        ("2020-01-05 10:00:00 UTC", "2020-01-05T10:00:00"),
        ("1 พฤษภาคม 2567", "2024-05-01"),
        ("29 กุมภาพันธ์ 2567", "2024-02-29"),
        ("วันพุธที่ 1 พฤษภาคม พ.ศ. 2567 เวลา 10:30 น.", "2024-05-01T10:30:00"),
        ("12 ก.พ. 67", "2024-02-12"),
        ("3 มี.ค. 2567", "2024-03-03"),
        ("1/5/2567", "2024-05-01"),
        ("๑ พฤษภาคม ๒๕๖๗", "2024-05-01"),
        ("พฤษภาคม 2567", "2024-05"),
        ("1403/02/12", "2024-05-01"),
        ("۱۴۰۳/۰۲/۱۲", "2024-05-01"),
        ("5 May 1400", "1400-05-05"),
        ("५ जून 2024", "2024-06-05"),
        ("1. toukokuuta 2024", "2024-05-01"),
        ("1. toukokuuta 2024 klo 14.20", "2024-05-01T14:20:00"),
        ("Mi, 01 Mai 2024", "2024-05-01"),
        ("Mi, 01 Mai 2024 10:00:00 +0200", "2024-05-01T08:00:00"),
        ("04 20, 2013", "2013-04-20"),
        ("1700000000123456", "2023-11-14T22:13:20"),
        *(
            (text, None)
            for text in ("May", "3rd of May", "May 3", "May 12:30", "now", "10", "in 3 days", "a book of 1984")
        ),
        *(
            (text, None)
            for text in ("see 3 May 2021 issue", "31 Feb 2020", "99/99/9999", "12.5", "1,5", "10 PM", "3 mai")
        ),
        *(
            (text, None)
            for text in ("13/13/2024", "Ann, May and 3 of 2021 others", "1/2/3/2024", "٣", "May 3 5 2021", "")
        ),
    ],
)
def test_dates_as_they_are_written(text, found):
    assert parse_date(text, "dmy") == found


@pytest.mark.parametrize(
    ("texts", "order", "said"),
    [
        (["03/04/2024", "05/16/2024"], "mdy", "dates are read as month, day, year, as '05/16/2024' shows"),
        (["03/04/2024", "16/05/2024"], "dmy", "dates are read as day, month, year, as '16/05/2024' shows"),
        (["05.04.2024", "05.31.2024"], "mdy", "as '05.31.2024' shows"),
        (["03/04/2024", "05/06/2024"], "dmy", "'03/04/2024' is read as 2024-04-03, as no date shows the order; "),
        (["1/2/2024 5:00 PM"], "mdy", "'1/2/2024 5:00 PM' is read as 2024-01-02, as no date shows the order; "),
        (["99/05/13", "04/05/14"], "ymd", "dates are read as year, month, day, as '99/05/13' shows"),
        (["16/05/2024"] * 3 + ["05/16/2024"], "dmy", "as '16/05/2024' shows"),
        (["05/05/2024", "2024-05-03"], "dmy", None),
        (["2024-05-03", "3 May 2024", ""], "dmy", None),
        ([], "dmy", None),
    ],
)
def test_a_column_shows_its_order(texts, order, said):
    column, told = told_column(iter(texts))
    assert column == DateColumn(order)
    assert (told is None) == (said is None)
    assert said is None or said in told


def test_no_more_of_a_column_is_looked_at_than_it_needs():
    assert told_column(iter(["2024-01-01"] * 100 + [None]))[0] == DateColumn()
    assert told_column(iter(["01/02/2024"] * 5000 + ["01/31/2024"] * 30 + [None]))[0] == DateColumn("mdy")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2004", "2004"),
        ("2004.0", "2004"),
        (2004.0, "2004"),
        ("1.7145576E+09", "2024-05-01T10:00:00"),
        ("1,7145576E+09", "2024-05-01T10:00:00"),
        ("1.7145576E+12", "2024-05-01T10:00:00"),
        ("1714557600", "2024-05-01T10:00:00"),
        ("1714557600.25", "2024-05-01T10:00:00"),
        ("1714557600000", "2024-05-01T10:00:00"),
        ("٢٠٢٤-٠٥-٠١", "2024-05-01"),
        ("２０２４-０５-０１ １０:００", "2024-05-01T10:00:00"),
        ("२०२४", "2024"),
        ("2567-05-01", "2024-05-01"),
        ("2567-02-29T10:00:00+07:00", "2024-02-29T03:00:00"),
        ("2567", "2024"),
        ("2024-05", "2024-05"),
        ("20240501", "2024-05-01"),
        ("2024/05/01 10:00", "2024-05-01T10:00:00"),
        ("2024-05-01 10:00:00 UTC", "2024-05-01T10:00:00"),
        ("31.05.2024", "2024-05-31"),
        ("14,May,2004", "2004-05-14"),
        ("04 20, 2013", "2013-04-20"),
        ("1. toukokuuta 2024", "2024-05-01"),
        ("Fri May 31 12:00:00 +0200 2024", "2024-05-31T10:00:00"),
        *(
            (text, DataError)
            for text in ("05/06/2024", "31/05/2024", "24/05/13", "2024-13-01", "soon", "12.5", "1.5E+03", "²024")
        ),
    ],
)
def test_a_date_without_a_column(value, found):
    if found is DataError:
        with pytest.raises(DataError, match=r"x:1: field 'd': found '.*', expected a date as in 2024-05-31"):
            optional_date({"d": value}, "d", Location("x", 1))
    else:
        assert optional_date({"d": value}, "d", Location("x", 1)) == found


RSS = """<rss version="2.0"><channel><title>A blog</title><managingEditor>ann@x.org (Ann)</managingEditor>
<item><title>One</title><description>A post.</description><pubDate>DATE</pubDate></item></channel></rss>"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "user,text,date\nann,A text.,DATE\n"),
        ("a.xml", RSS),
        ("ann/a.md", "---\ntitle: One\ndate: DATE\n---\nA text.\n"),
    ],
)
@pytest.mark.parametrize(
    "date", ["1 พฤษภาคม 2567", "1. toukokuuta 2024", "٢٠٢٤-٠٥-٠١", "Mi. 01 Mai 2024", "1 May 2024"]
)
def test_each_reader_knows_the_same_dates(tmp_path, name, content, date):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content.replace("DATE", date))
    assert [f.document.date for f in read_texts(path, ReadingSettings(), LoadReport())] == ["2024-05-01"]


def test_numbers_of_excel():
    column, told = told_column(["45000", "45000.5"])
    assert "days since 1899" in told
    values = [column.read({"d": value}, "d", Location("x", 1)) for value in (45000, 45000.5, "2024-05-03")]
    assert values == ["2023-03-15", "2023-03-15T12:00:00", "2024-05-03"]


@pytest.mark.parametrize(
    ("given", "text", "found"),
    [
        ("mdy", "03/04/2024", "2024-03-04"),
        ("ymd", "24/05/13", "2024-05-13"),
        ("%d.%m.%Y", "3.5.2024", "2024-05-03"),
        ("%d.%m.%Y %H:%M", "3.5.2024 10:11", "2024-05-03T10:11:00"),
        ("%Y-%m", "2024-05", "2024-05"),
        ("%Y", "987", None),
        ("%Y", "1987", "1987"),
        ("%y%m%d", "240503", "2024-05-03"),
        ("%d %b %Y %z", "03 May 2024 +0200", "2024-05-02"),
        ("%d.%m.%Y", "2024-05-03", None),
        ("%Y年%m月%d日", "2024年05月03日", "2024-05-03"),
    ],
)
def test_a_format_that_is_named_is_taken(given, text, found):
    column = date_column(given)
    if found is not None:
        assert column.read({"d": text}, "d", Location("x", 1)) == found
        return
    with pytest.raises(DataError, match=f"x:1: field 'd': found '{text}', expected a date as in {given}"):
        column.read({"d": text}, "d", Location("x", 1))


@pytest.mark.parametrize("given", ["%d.%m", "DD/MM/YYYY", "abc", "%", "%q", ""])
def test_a_format_without_a_year_is_refused(given):
    with pytest.raises(ArgumentError, match=r"date_format: found .*, expected dmy, mdy, ymd, or a pattern with a year"):
        date_column(given)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_tables_dates_are_read_in_one_way(tmp_path, suffix):
    """The order is shown by a row behind those that it is needed for; a date in the other order is noted."""
    rows = [{"user": "ann", "text": f"Text {n}", "date": f"{1 + n % 12:02}/0{1 + n % 9}/2024"} for n in range(3000)]
    rows += [
        {"user": "ann", "text": "x", "date": date}
        for date in ("01/31/2024", "02/28/2024", "31/01/2024", "Jan 5, 2024", "soon", "")
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        path.write_text("user,text,date\n" + "".join(f'{r["user"]},{r["text"]},"{r["date"]}"\n' for r in rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = []
    report = LoadReport(on_problem=lines.append)
    documents = [f.document for f in read_texts(path, ReadingSettings(say=lines.append), report)]
    assert documents[1].date == "2024-02-02"
    assert documents[9].date == "2024-10-01"
    assert [d.date for d in documents[-6:]] == ["2024-01-31", "2024-02-28", None, "2024-01-05", None, None]
    assert sum("month, day, year, as '01/31/2024' shows" in line for line in lines) == 1
    assert report.noted == {"invalid date, ignored": 2}
    assert report.rows == report.kept == 3006
    lines.clear()
    settings = ReadingSettings(say=lines.append, dates=date_column("dmy"))
    assert [f.document.date for f in read_texts(path, settings, LoadReport())][9] == "2024-01-10"
    assert not any("shows" in line for line in lines)


@pytest.mark.parametrize(
    ("pattern", "least"),
    [("%Y-%m-%d", 20_000), ("%a, %d %b %Y %H:%M:%S +0100", 5_000), ("%d mars %Y", 5_000), ("%d/%m/%Y %I:%M %p", 5_000)],
)
def test_dates_are_read_fast(pattern, least):
    column, location = DateColumn(), Location("x", 1)
    texts = [(datetime(2001, 1, 1) + timedelta(days=8 * n, minutes=n)).strftime(pattern) for n in range(1000)]
    begin = time.process_time()
    for text in texts:
        column.read({"d": text}, "d", location)
    assert len(texts) / (time.process_time() - begin) > least
