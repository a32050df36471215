"""Tables of well-known corpora: which column is what, and when each text was written."""

import csv
import json

import pytest
from test_posts import read, write

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError

LAYOUTS = {
    "amazon_2014.jsonl": (
        {
            "reviewerID": "ann",
            "asin": "b",
            "reviewerName": "A",
            "helpful": [0, 0],
            "reviewText": "Good.",
            "overall": 4.0,
        }
        | {"summary": "Fine", "unixReviewTime": 1366416000, "reviewTime": "04 20, 2013"},
        ("ann", "Good.", "Fine", "2013-04-20", "b", 4.0),
    ),
    "amazon_2018.json": (
        {"overall": 4.0, "verified": True, "reviewTime": "09 13, 2009", "reviewerID": "ann", "asin": "b"}
        | {"style": {"Color:": "Red"}, "reviewText": "Good.", "summary": "Fine", "unixReviewTime": 1252800000},
        ("ann", "Good.", "Fine", "2009-09-13", "b", 4.0),
    ),
    "amazon_2023.jsonl": (
        {"rating": 4.0, "title": "Fine", "text": "Good.", "images": [], "asin": "c", "parent_asin": "b"}
        | {"user_id": "ann", "timestamp": 1588687728923, "helpful_vote": 0, "verified_purchase": True},
        ("ann", "Good.", "Fine", "2020-05-05T14:08:48", "b", 4.0),
    ),
    "amazon_reviews_us.tsv": (
        {"marketplace": "US", "customer_id": "ann", "review_id": "R", "product_id": "b", "product_title": "Thing"}
        | {"star_rating": 4, "review_headline": "Fine", "review_body": "Good.", "review_date": "2015-08-31"},
        ("ann", "Good.", "Fine", "2015-08-31", "b", 4.0),
    ),
    "yelp_academic_dataset_review.json": (
        {"review_id": "r", "user_id": "ann", "business_id": "b", "stars": 4.0, "useful": 0, "funny": 0, "cool": 0}
        | {"text": "Good.", "date": "2018-07-07 22:09:11"},
        ("ann", "Good.", None, "2018-07-07T22:09:11", "b", 4.0),
    ),
    "goodreads_reviews.json": (
        {"user_id": "ann", "book_id": "b", "review_id": "r", "rating": 0, "review_text": "Good.", "n_votes": 2}
        | {"date_added": "Sun Jul 30 07:44:10 -0700 2017", "date_updated": "", "read_at": "", "started_at": ""},
        ("ann", "Good.", None, "2017-07-30T14:44:10", "b", None),
    ),
    "blogtext.csv": (
        {"id": "ann", "gender": "male", "age": 15, "topic": "Student", "sign": "Leo", "date": "14,May,2004"}
        | {"text": "  Good. "},
        ("ann", "Good.", None, "2004-05-14", None, None),
    ),
    "RC_2024-05.jsonl": (
        {"author": "ann", "body": "&gt; his\n\nGood &amp; bad.", "created_utc": "1714564800", "subreddit": "boats"}
        | {"score": 4312, "id": "c2", "parent_id": "t1_c1", "link_id": "t3_p1", "name": "t1_c2"},
        ("ann", "Good & bad.", None, "2024-05-01T12:00:00", None, None),
    ),
    "RS_2024-05.jsonl": (
        {"author": "ann", "title": "Fine", "selftext": "Good.", "created_utc": 1714564800, "subreddit": "boats"}
        | {"score": 4312, "id": "p1", "url": "x", "num_comments": 3},
        ("ann", "Good.", "Fine", "2024-05-01T12:00:00", None, None),
    ),
    "google_play.csv": (
        {"reviewId": "r", "userName": "ann", "content": "Good.", "score": 4, "thumbsUpCount": 7}
        | {"at": "2020-02-26 16:14:55", "replyContent": "ours", "repliedAt": "2020-02-27 10:00:00"},
        ("ann", "Good.", None, "2020-02-26T16:14:55", None, 4.0),
    ),
    "app_store.csv": (
        {"date": "2020-02-26 16:14:55", "review": "Good.", "rating": 4, "isEdited": False, "userName": "ann"}
        | {"title": "Fine", "developerResponse": ""},
        ("ann", "Good.", "Fine", "2020-02-26T16:14:55", None, 4.0),
    ),
    "steam.csv": (
        {"": 0, "app_id": "b", "app_name": "W", "review_id": 1, "language": "english", "review": "Good."}
        | {"timestamp_created": 1611379970, "recommended": True, "author.steamid": 76561199095369542},
        ("76561199095369542", "Good.", None, "2021-01-23T05:32:50", "b", None),
    ),
    "imdb.json": (
        {"review_id": "r", "reviewer": "ann", "movie": "b", "rating": "4", "review_summary": "Fine"}
        | {"review_date": "3 May 2020", "spoiler_tag": 0, "review_detail": "Good.", "helpful": ["1", "2"]},
        ("ann", "Good.", "Fine", "2020-05-03", "b", 4.0),
    ),
    "imdb_spoilers.json": (
        {"review_date": "10 February 2006", "movie_id": "b", "user_id": "ann", "is_spoiler": True}
        | {"review_text": "Good.", "rating": "4", "review_summary": "Fine"},
        ("ann", "Good.", "Fine", "2006-02-10", "b", 4.0),
    ),
    "ann/goodreads_library_export.csv": (
        {"Book Id": "b", "Title": "Emma", "Author": "Jane Austen", "My Rating": 0, "Date Read": ""}
        | {"Date Added": "2023/05/01", "My Review": "Good<br/>one."},
        ("ann", "Good\none.", "Emma", "2023-05-01", "b", None),
    ),
    "ann/reviews.csv": (
        {"Date": "2023-05-01", "Name": "A Film", "Year": 1999, "Letterboxd URI": "https://x.example", "Rating": 3.5}
        | {"Review": "Good <i>one</i>."},
        ("ann", "Good one.", "A Film", "2023-05-01", "A Film", 3.5),
    ),
}


def written(path, rows):
    path.parent.mkdir(exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path, name):
    row, expected = LAYOUTS[name]
    (found,), report, said = read(written(tmp_path / name, [row]))
    document = found.document
    assert (
        document.user_id,
        document.text,
        document.title,
        document.date,
        document.item_id,
        document.rating,
    ) == expected
    assert report.noted == {}
    assert "text from" in said[0]


def test_comments_of_reddit_name_what_they_answer(tmp_path):
    rows = [LAYOUTS["RC_2024-05.jsonl"][0], LAYOUTS["RC_2024-05.jsonl"][0] | {"id": "c3", "parent_id": "t1_c2"}]
    first, second = read(written(tmp_path / "a.jsonl", rows))[0]
    assert (first.reply_to, second.reply_to) == ("t1_c1", first.message_id)


@pytest.mark.parametrize("name", ["goodreads_reviews.json", "RS_2024-05.jsonl", "ann/goodreads_library_export.csv"])
def test_ratings_and_links_alone_are_no_faults(tmp_path, name):
    row = LAYOUTS[name][0]
    column = next(column for column in ("review_text", "selftext", "My Review") if column in row)
    found, report, _ = read(written(tmp_path / name, [row, row | {column: ""}]))
    assert len(found) == 1
    assert (report.skipped, report.faults) == ({"row without text": 1}, 0)


def test_tables_without_texts_beside_others_are_named(tmp_path):
    reviews = json.dumps(LAYOUTS["yelp_academic_dataset_review.json"][0])
    files = {
        "business.json": '{"business_id": "b", "name": "N"}\n' * 3,
        "review.json": reviews,
        "tips.csv": "user,text\n",
    }
    found, report, _ = read(write(tmp_path, files))
    assert len(found) == 1
    assert report.noted == {"missing column": 1, "no row": 1}


ROWS = [{"user": f"u{n % 3}", "text": f"Text number {n} of all."} for n in range(9)]
IN_ONE_LINE = {
    "a list in an object": json.dumps({"count": 9, "reviews": ROWS}),
    "a list in an object, indented": json.dumps({"reviews": ROWS, "next": None}, indent=1),
    "a list deeper in an object": json.dumps({"meta": {"x": [{"y": 1}]}, "data": {"items": ROWS}}, indent="\t"),
    "objects in several lines": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "lists in lines": "\n".join(json.dumps({"reviews": ROWS[n : n + 3]}) for n in (0, 3, 6)),
}


@pytest.mark.parametrize("name", IN_ONE_LINE)
def test_rows_within_objects(tmp_path, name):
    found, _, _ = read(write(tmp_path, {"a.json": IN_ONE_LINE[name]}) / "a.json")
    assert [text.document.text for text in found] == [row["text"] for row in ROWS]


@pytest.mark.parametrize(
    "value", [{"a": [{"x": 1}], "b": 2}, {"a": ROWS, "b": ROWS}, {"columns": ["a"], "data": [[1]]}]
)
def test_an_object_without_one_list_of_rows_is_told_in_one_line(tmp_path, value):
    path = write(tmp_path, {"a.json": json.dumps(value, indent=2)}) / "a.json"
    with pytest.raises(DataError, match=rf"a\.json:1: found the columns {', '.join(value)}, expected one for the user"):
        read(path)


def test_a_row_with_a_list_of_objects_stays_a_row(tmp_path):
    row = {"user": "ann", "text": "Hers.", "answers": [{"user": "ben", "text": "His."}]}
    found, _, _ = read(write(tmp_path, {"a.json": json.dumps(row)}) / "a.json")
    assert [text.document.text for text in found] == ["Hers."]


def table(texts, **columns):
    return "".join(json.dumps({"user": "ann", "text": text, **columns}) + "\n" for text in texts)


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("It&#x27;s good<p>and <i>cheap</i>", "It's good\n\nand cheap"),
        ("One<br />two &amp; three", "One\ntwo & three"),
        ("<p>One</p>\n<pre><code>x &lt; y\n  z</code></pre>", "One\n\nx < y\n  z"),
        ("<blockquote>his words</blockquote><p>my words</p>", "my words"),
        ("Tom &amp; Jerry\nof old\n\nby <b>me</b>", "Tom & Jerry\nof old\n\nby me"),
    ],
)
def test_a_column_of_html_is_read_as_html_and_that_is_said(tmp_path, html, plain):
    path = (
        write(tmp_path, {"a.jsonl": table([html, html, "a < b &c, plain\ntwo", "<3 you"], title="A &amp; B")})
        / "a.jsonl"
    )
    found, _, said = read(path)
    texts = [text.document.text for text in found]
    assert texts == [plain, plain, "a < b &c, plain\ntwo", "<3 you"]
    assert found[0].document.title == "A & B"
    assert any("text: read as HTML, as 2 of the first 4 texts" in line for line in said)


def test_a_text_about_html_makes_no_column_html(tmp_path):
    texts = ["Use <p> here.", *(f"Plain text number {n}: 1 < 2 & so on." for n in range(20))]
    found, _, said = read(write(tmp_path, {"a.jsonl": table(texts)}) / "a.jsonl")
    assert [text.document.text for text in found] == texts
    assert not any("HTML" in line for line in said)


def test_a_deleted_text_and_a_name_with_a_prefix(tmp_path):
    rows = [("u/ann", "One of hers"), ("ann", "Two of hers"), ("/u/ann", "[removed]"), ("cleo", "[deleted]")]
    content = "author,body,subreddit\n" + "".join(f"{author},{body},x\n" for author, body in rows)
    lines = []
    report = LoadReport(on_problem=lines.append)
    path = write(tmp_path, {"a.csv": content}) / "a.csv"
    found = list(read_texts(path, ReadingSettings(), report))
    assert [(text.document.user_id, text.other_names) for text in found] == [("ann", ("u/ann",))] * 2
    assert ["field 'body': found '[removed]'" in lines[0], "field 'body': found '[deleted]'" in lines[1]] == [
        True,
        True,
    ]


def test_a_rating_with_a_comma_the_end_of_a_day_and_a_mark_of_the_encoding(tmp_path):
    content = "user;text;rating;date\nann;\ufeffGood;4,5;2024-05-31 24:00:00\n"
    ((document),) = [text.document for text in read(write(tmp_path, {"a.csv": content}) / "a.csv")[0]]
    assert (document.text, document.rating, document.date) == ("Good", 4.5, "2024-06-01T00:00:00")


def test_columns_that_are_passed_over_are_said(tmp_path):
    content = "Name,Review,Date of review,Star rating given,Votes\nann,Good,2024-05-01,3,7\n"
    _, _, said = read(write(tmp_path, {"a.csv": content}) / "a.csv")
    assert "--date 'Date of review' would read that too; --rating 'Star rating given' would read that too" in said[0]
    assert "Votes" not in said[0]
