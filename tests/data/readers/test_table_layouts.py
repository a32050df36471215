"""Tables of well-known corpora: which column is what, and when each text was written."""

import csv
import json

import pytest
from test_posts import read, write

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
