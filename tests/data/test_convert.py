"""From piles of texts to examples: what is a target is in no profile, and no split sees another's users or future."""

import csv
import json
import math
import zipfile
from pathlib import Path

import pytest
from readers.test_mail import mbox

from penname.config import SourceConfig
from penname.data.convert import ConversionSettings, convert
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.data.sources import load_split
from penname.errors import DataError, UserError

SPLITS = ("train", "val", "test")


def rows(users=12, documents=5):
    return [
        {
            "author": f"user {u}",
            "body": f"User {u} tells of {topic} in text number {n}, at some length and {'very ' * n}well.",
            "headline": f"{topic} {n}",
            "date": f"20{10 + n}-01-0{1 + u % 9}",
        }
        for u in range(users)
        for n, topic in enumerate(("rain", "bread", "trains", "chess", "birds")[:documents])
    ]


def write(path, records):
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(records[0]))
            table.writeheader()
            table.writerows(records)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def documents_of(path, report=None):
    return [found.document for found in read_texts(path, ReadingSettings(), report or LoadReport())]


def converted(path, folder, report=None, **settings):
    counts = convert(path, folder, ConversionSettings(**settings), report or LoadReport())
    source = SourceConfig(format="jsonl", path=str(folder))
    splits = {split: list(load_split([source], split, None, 0)) for split in SPLITS}
    assert {split: len(examples) for split, examples in splits.items()} == counts
    return splits


@pytest.mark.parametrize("name", ["texts.csv", "texts.jsonl"])
def test_leave_one_out_gives_new_users_to_each_split(tmp_path, name):
    splits = converted(write(tmp_path / name, rows()), tmp_path / "out", task="posts")
    users = [example.user_id for examples in splits.values() for example in examples]
    assert len(users) == len(set(users)) == 12
    for example in splits["train"] + splits["test"]:
        assert len(example.profile) == 4
        assert example.output not in {d.text for d in example.profile}
        assert example.input.startswith('Write the text with the title "')
        assert example.task == "posts"


def test_by_time_nothing_of_the_future_is_in_a_profile(tmp_path):
    splits = converted(write(tmp_path / "a.csv", rows()), tmp_path / "out", split_by="time")
    assert [len(examples) for examples in splits.values()] == [12, 12, 12]
    dates = {split: {e.user_id: e.date for e in examples} for split, examples in splits.items()}
    for user, date in dates["test"].items():
        assert dates["train"][user] < dates["val"][user] < date
    for split, size in zip(SPLITS, (2, 3, 4), strict=True):
        for example in splits[split]:
            assert len(example.profile) == size
            assert all(d.date < example.date for d in example.profile)


def test_texts_without_a_title_are_to_be_gone_on_with(tmp_path):
    records = [{"user": r["author"], "text": r["body"]} for r in rows()]
    for example in converted(write(tmp_path / "a.csv", records), tmp_path / "out", per_user=2)["train"]:
        opening = example.input.removeprefix('Complete the text that begins: "').removesuffix('"')
        assert len(opening.split()) >= 4
        whole = f"{opening} {example.output}"
        assert whole in {r["body"] for r in rows()}
        assert whole not in {d.text for d in example.profile}


def test_short_and_repeated_texts_and_users_with_few_are_counted(tmp_path):
    extra = [{**rows()[0], "body": "Too short."}, {**rows()[0], "body": rows()[0]["body"].upper()}]
    lonely = [{**rows()[0], "author": "lonely"}]
    report = LoadReport()
    converted(write(tmp_path / "a.csv", rows() + extra + lonely), tmp_path / "out", report)
    assert dict(report.skipped) == {
        "shorter than 5 words": 1,
        "near-duplicate of another document of its user": 1,
        "of a user with fewer than 2 documents": 1,
    }
    assert (report.rows, report.kept) == (63, 60)


def test_hashed_users_are_nowhere_in_the_result(tmp_path):
    records = [{**r, "body": r["body"].replace("User", "Someone")} for r in rows()]
    converted(write(tmp_path / "a.csv", records), tmp_path / "out", hash_users=True)
    text = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "user 1" not in text
    assert '"user_id": "u' in text


def test_bad_rows_are_named_and_the_rest_converted(tmp_path):
    lines = []
    report = LoadReport(on_problem=lines.append)
    records = [
        *rows(),
        {**rows()[0], "body": ""},
        {**rows()[0], "author": None},
        {**rows()[0], "body": "A text of its own, dated oddly.", "date": "3rd of May"},
    ]
    converted(write(tmp_path / "a.jsonl", records), tmp_path / "out", report)
    assert len(lines) == 3
    assert "a.jsonl:61: field 'body': found empty text" in lines[0]
    assert "a.jsonl:62: field 'author': found nothing" in lines[1]
    assert "a.jsonl:63: field 'date': found '3rd of May'" in lines[2]
    assert dict(report.noted) == {"invalid date, ignored": 1}
    assert "dated oddly" in (tmp_path / "out" / "documents.jsonl").read_text()


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("a.csv", "who,what\na,b\n", {}, "a.csv:1: found the columns who, what, expected one for the user: --user"),
        ("a.csv", "user,what\na,b\n", {}, "expected one for the text: --text NAME, or a column named text"),
        ("a.csv", "user,text\na,b\n", {"reading": ReadingSettings((("title", "name"),))}, "expected a column 'name'"),
        ("a.csv", "user,text\na,one two three four five\n", {}, "no user with enough documents, expected 2 texts"),
        ("a.csv", "", {}, "found no row"),
        ("a.png", "x", {}, "found a file named a.png of no known format, expected a Telegram export (JSON with"),
        ("b/a.png", "x", {}, "found 1 files of no known format, expected a Telegram export"),
    ],
)
def test_what_cannot_be_converted_is_one_line(tmp_path, name, content, settings, message):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(DataError) as error:
        convert(path.parent if "/" in name else path, tmp_path / "out", ConversionSettings(**settings), LoadReport())
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_too_few_users_and_a_full_folder(tmp_path):
    with pytest.raises(DataError, match="found 2 users, too few for an example in train"):
        convert(write(tmp_path / "a.csv", rows(2)), tmp_path / "out", ConversionSettings("leave-one-out"), LoadReport())
    with pytest.raises(UserError, match="found files, expected a new or empty folder"):
        convert(tmp_path / "a.csv", tmp_path, ConversionSettings(), LoadReport())
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_fields_that_only_some_rows_have(tmp_path):
    first = {"author": "user 0", "body": "A text that has neither title nor date."}
    splits = converted(
        write(tmp_path / "a.jsonl", [{"zzz": 1}, first, *rows()]), tmp_path / "out", report := LoadReport()
    )
    assert dict(report.skipped) == {"missing column": 1}
    assert sum("with the title" in e.input for examples in splits.values() for e in examples) >= 11


def test_a_folder_that_cannot_be_made_is_an_error_of_its_own(tmp_path):
    write(tmp_path / "a.csv", rows())
    (tmp_path / "a file").write_text("")
    with pytest.raises(OSError, match="File exists"):  # the command line makes one line of it
        convert(tmp_path / "a.csv", tmp_path / "a file" / "out", ConversionSettings(), LoadReport())


def test_a_folder_a_user(tmp_path):
    for record in rows():
        folder = tmp_path / "texts" / record["author"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record['headline']}.txt").write_text(record["body"])
    splits = converted(tmp_path / "texts", tmp_path / "out")
    assert sum(len(examples) for examples in splits.values()) == 12
    assert splits["train"][0].profile[0].title is None  # a file's name is a title only where that is asked for
    splits = converted(tmp_path / "texts", tmp_path / "titled", reading=ReadingSettings(titles_from_names=True))
    assert splits["train"][0].profile[0].title in {r["headline"] for r in rows()}


def test_files_of_another_kind_are_named(tmp_path):
    for record in rows():
        folder = tmp_path / "texts" / record["author"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record['headline']}.txt").write_text(record["body"])
    (tmp_path / "texts" / "read me.png").write_text("PNG")
    lines = []
    converted(tmp_path / "texts", tmp_path / "out", LoadReport(on_problem=lines.append))
    assert len(lines) == 1
    assert "read me.png: found a file that is not read, expected USER/NAME.txt" in lines[0]
    write(tmp_path / "texts" / "all.csv", rows())
    (tmp_path / "texts" / "user 0" / "a letter.eml").write_bytes(b"From: a@x.org\n\nHello.\n")
    with zipfile.ZipFile(tmp_path / "texts" / "backup.zip", "w") as archive:
        archive.writestr("posts.csv", "text")
    report = LoadReport()
    converted(tmp_path / "texts", tmp_path / "of texts", report)
    assert (report.kept, report.noted) == (60, {"files of another kind": 4})


@pytest.mark.parametrize("of_table", [True, False])
def test_no_value_is_no_text_and_whole_numbers_are_whole(tmp_path, of_table):
    """As pandas and others write a column of numbers that has gaps."""
    texts = [
        f"Text number {n} about {subject} in many words." for n, subject in enumerate(["rain", "bread", "chess"] * 4)
    ]
    users = [17, 17.0, "17", "17.0"] + ["René", "Rene\u0301"] * 4
    if of_table:
        lines = [f"{user},{text},NaN" for user, text in zip(users, texts, strict=True)]
        path = tmp_path / "texts.csv"
        path.write_text("user,text,rating\r\n" + "\r\n".join(lines))
    else:
        path = tmp_path / "texts.jsonl"
        records = [{"user": user, "text": text, "title": math.nan} for user, text in zip(users, texts, strict=True)]
        path.write_text("\n".join(json.dumps(r) for r in [*records, {"user": 17, "text": math.nan}]))
    report = LoadReport()
    documents = documents_of(path, report)
    assert {d.user_id for d in documents} == {"17", "René"}
    assert len(documents) == 12
    assert not any("nan" in f"{d.title} {d.text} {d.rating}".lower() for d in documents)
    assert sum(report.skipped.values()) == (0 if of_table else 1)


def test_deleted_texts_and_robots_have_no_author(tmp_path):
    users = ["Ann", "[deleted]", "AutoModerator", "RemindMeBot", "news_bot", "Talbot", "Bo", "Ann"]
    texts = [f"text {n} of some words" for n in range(7)] + ["[removed]"]
    records = [{"author": user, "body": text, "score": 4312} for user, text in zip(users, texts, strict=True)]
    report = LoadReport()
    documents = documents_of(write(tmp_path / "a.jsonl", records), report)
    assert [d.user_id for d in documents] == ["Ann", "Talbot", "Bo"]
    assert {d.rating for d in documents} == {None}  # upvotes rate the text, not what it is about
    assert report.skipped == {"deleted, or of a robot": 5}


def test_layouts_of_public_corpora(tmp_path):
    blogs = tmp_path / "blogtext.csv"
    blogs.write_text(
        'id,gender,age,topic,sign,date,text\n20590,male,15,Student,Leo,"14,May,2004","  I saw our choir. "\n'
    )
    (blog,) = documents_of(blogs)
    assert (blog.user_id, blog.date, blog.text) == ("20590", "2004-05-14", "I saw our choir.")
    review = {"reviewerID": "A1", "asin": "B0", "reviewText": "Good.", "overall": 5.0, "reviewTime": "04 20, 2013"}
    (amazon,) = documents_of(write(tmp_path / "a.jsonl", [review]))
    assert (amazon.user_id, amazon.item_id, amazon.rating, amazon.date) == ("A1", "B0", 5.0, "2013-04-20")
    comment = {"author": "Ann", "body": "Good.", "created_utc": 1714564800, "score": 3}
    (reddit,) = documents_of(write(tmp_path / "b.jsonl", [comment]))
    assert reddit.date == "2024-05-01T12:00:00"


@pytest.mark.parametrize(("first", "separator"), [("", ";"), ("sep=;\n", ";"), ("", "\t"), ("", "|"), ("", ",")])
def test_delimiters_of_tables(tmp_path, first, separator):
    lines = [["user", "text", "date"], ["a", '"one, two; three"', "01.05.2024"], ["b", "four", "2.5.2024"]]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + first + "".join(separator.join(line) + "\n" for line in lines))
    report = LoadReport()
    documents = documents_of(path, report)
    assert [(d.user_id, d.text, d.date) for d in documents] == [
        ("a", "one, two; three", "2024-05-01"), ("b", "four", "2024-05-02"),
    ]  # fmt: skip
    assert report.noted == ({} if separator == "," else {"delimiter": 1})


def test_line_ends_are_of_one_kind(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"user": "a", "text": "one\r\ntwo\rthree\n\r\nfour"}))
    (document,) = documents_of(path)
    assert document.text == "one\ntwo\nthree\n\nfour"


def test_what_a_killed_conversion_left_is_made_anew(tmp_path):
    (tmp_path / ".out.penname-unfinished").mkdir()
    (tmp_path / ".out.penname-unfinished" / "odd.jsonl").write_text("{")
    converted(write(tmp_path / "a.csv", rows()), tmp_path / "out")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.csv", "out"]
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_folders_and_files_that_nothing_can_be_made_of(tmp_path):
    """A name that is no text is replaced, a text over the limit is a bad row, numbers that are none are bad rows."""
    for record in rows():
        folder = tmp_path / "texts" / (b"\xff".decode(errors="surrogateescape") + record["author"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{record['headline']}.txt").write_text(record["body"])
    (tmp_path / "texts" / "big").mkdir()
    (tmp_path / "texts" / "big" / "a.txt").write_text("word " * 300_000)
    report = LoadReport()
    splits = converted(tmp_path / "texts", tmp_path / "out", report)
    assert report.skipped == {"text too long": 1}
    assert all(e.user_id.startswith("\ufffduser") for e in splits["train"])
    rated = [r | {"rating": "inf" if i == 3 else "1_0" if i == 4 else "4"} for i, r in enumerate(rows())]
    report = LoadReport()
    converted(write(tmp_path / "a.csv", rated), tmp_path / "rated", report)
    assert report.noted == {"invalid rating, ignored": 2}


def test_the_folder_one_stands_in(tmp_path, monkeypatch):
    path = write(tmp_path / "a.csv", rows())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    convert(path, Path("."), ConversionSettings(), LoadReport())
    assert (tmp_path / "here" / "documents.jsonl").is_file()


@pytest.mark.parametrize(("name", "content"), [("a.txt", "Rain."), ("a.csv", "My Review,Book Id,My Rating\nRain.,1,2")])
@pytest.mark.parametrize("archive", ["notes.zip", "Notes.ZIP"])
def test_an_archive_of_one_author_is_named_for_them(tmp_path, archive, name, content):
    with zipfile.ZipFile(tmp_path / archive, "w") as opened:
        opened.writestr(name, content)
    assert [(d.user_id, d.text) for d in documents_of(tmp_path / archive)] == [(Path(archive).stem, "Rain.")]


def test_a_mailbox_becomes_email_completion(tmp_path):
    mails = [
        f"From: {r['author'].replace(' ', '')}@x.org\nSubject: {r['headline']}\n\n{r['body']}\n".encode()
        for r in rows()
    ]
    splits = converted(mbox(tmp_path, mails), tmp_path / "out", task="email")
    example = splits["train"][0]
    assert example.user_id.endswith("@x.org")
    assert example.input.startswith("Complete the text of the following email. title: ")
    assert ". text: User " in example.input


def test_the_same_input_gives_the_same_files(tmp_path):
    path = write(tmp_path / "a.csv", rows())
    for name in ("one", "two"):
        converted(path, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("nothing", ["nan", "NaN", "None", "<NA>", "NULL", "null", "N/A", "NaT", " nan "])
def test_cells_that_stand_for_no_value_are_none(tmp_path, suffix, nothing):
    """As pandas, databases and spreadsheets write them; a name or a text that only contains one is a value."""
    names = ("user", "text", "title", "date", "item", "rating")
    table = [
        ("ann", "A text.", nothing, nothing, nothing, nothing),
        ("ann", nothing, "A title", "2024-05-01", "B1", "4"),
        (nothing, "A text.", "A title", "2024-05-01", "B1", "4"),
        ("Nan", f"I said {nothing}!", "None of it", "2024-05-01", "B1", "4"),
    ]
    path = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in table))
    else:
        path.write_text("".join(("," if suffix == "csv" else "\t").join(row) + "\n" for row in (names, *table)))
    report = LoadReport()
    first, last = documents_of(path, report)
    assert (first.user_id, first.text) == ("ann", "A text.")
    assert {first.title, first.date, first.item_id, first.rating} == {None}
    assert (last.user_id, last.text, last.title, last.rating) == ("Nan", f"I said {nothing}!", "None of it", 4.0)
    assert (report.rows, report.kept, report.skipped.total(), report.noted) == (4, 2, 2, {})


def test_dates_behind_many_cells_without_a_value_show_their_order(tmp_path):
    cells = ["nan"] * 100 + ["01/02/2024", "01/31/2024"]
    (tmp_path / "a.csv").write_text("user,text,date\n" + "".join(f"ann,A text.,{cell}\n" for cell in cells))
    assert [d.date for d in documents_of(tmp_path / "a.csv")][-2:] == ["2024-01-02", "2024-01-31"]


def mail(n, sender, text, answers=None, date=None):
    reply = "" if answers is None else f"In-Reply-To: <{answers}@x>\n"
    return (
        f"From: {sender}\nMessage-ID: <{n}@x>\n{reply}Subject: Re: note {n}\n"
        f"Date: {date or f'{1 + n % 28} Jun {2002 + n // 28} 10:00:00 +0200'}\n\n{text}\n"
    ).encode()


def test_one_authors_mail_from_several_addresses(tmp_path):
    """Others' mail is not converted, but what the author's mail answers is its input."""
    mails = []
    for n in range(0, 40, 2):
        mails.append(mail(n, "Bob <bob@x.org>", f"Bob asks about the {n}th thing that he can think of."))
        mine = ("Ann Example <ann@x.org>", "ANN@work.example")[n // 2 % 2]
        mails.append(mail(n + 1, mine, f"My own answer to question number {n} of {n + 7} is a long one.", answers=n))
    quoted = "On Mon, 3 Jun 2002 Bob <bob@x.org> wrote:\n> Where is it?\n> > Here."
    mails.append(mail(60, "ann@x.org", f"This answers one that was deleted.\n\n{quoted}"))
    report = LoadReport()
    splits = converted(mbox(tmp_path, mails), tmp_path / "out", report, me=("ann@x.org", "ann@work.example"))
    assert report.skipped == {"by others": 20}
    assert [len(examples) for examples in splits.values()] == [16, 2, 2]  # the first one has nothing earlier
    everything = [example for examples in splits.values() for example in examples]
    assert {example.user_id for example in everything} == {"ann@x.org"}
    assert [example.date for example in everything] == sorted(example.date for example in everything)
    for example in everything[:-1]:
        n = int(example.output.split("number ")[1].split()[0])
        asked = f"Bob asks about the {n}th thing that he can think of."
        assert example.input == f"Write the answer to the following email. title: note {n + 1}. text: {asked}"
        assert all(document.date < example.date for document in example.profile)
    assert everything[-1].output == "This answers one that was deleted."
    assert everything[-1].input.endswith("title: note 60. text: Where is it?")


def test_a_name_that_nobody_has_is_one_line(tmp_path):
    mails = [mail(n, "ann@x.org", f"One of the mails of Ann is number {n}.") for n in range(5)]
    settings = ConversionSettings(me=("anna@x.org",))
    message = r"found no text of 5 words by 'anna@x.org', expected an author: ann@x.org \(5\)"
    with pytest.raises(UserError, match=message):
        convert(mbox(tmp_path, mails), tmp_path / "out", settings, LoadReport())
    assert not (tmp_path / "out").exists()


def test_texts_of_one_author_without_dates_are_hidden_where_they_are_held_out(tmp_path):
    (tmp_path / "notes").mkdir()
    topics = ("rain", "bread", "trains", "chess", "birds", "rivers", "maps", "clocks", "ferries", "gardens")
    for n, topic in enumerate(topics * 2):
        (tmp_path / "notes" / f"{n}.txt").write_text(f"Note {n} says {'much ' * n}about {topic}, of which I know {n}.")
    splits = converted(tmp_path / "notes", tmp_path / "out", me=("Ann",))
    assert [len(examples) for examples in splits.values()] == [16, 2, 2]
    held_out = {example.output for split in ("val", "test") for example in splits[split]}
    for examples in splits.values():
        for example in examples:
            assert example.user_id == "Ann"
            assert len(example.profile) == (15 if examples is splits["train"] else 16)
            assert not any(output in document.text for output in held_out for document in example.profile)
    per_split = converted(tmp_path / "notes", tmp_path / "few", me=("Ann",), per_user=1)
    assert [len(examples) for examples in per_split.values()] == [1, 1, 1]


def test_two_users_have_their_texts_divided_and_are_told_so(tmp_path):
    said = []
    path = write(tmp_path / "a.csv", rows(2))
    splits = converted(path, tmp_path / "out", reading=ReadingSettings(say=said.append))
    assert [len(examples) for examples in splits.values()] == [4, 2, 2]
    assert said[0] == f"{path}: user from 'author', text from 'body', title from 'headline', date from 'date'"
    assert said[1].startswith("  user 0, date 2010-01-01, title rain 0: 'User 0 tells of rain in text number 0, at")
    assert said[4:] == ["2 users: the texts of each are divided into train, val and test"]


def test_personal_details_of_others_are_masked(tmp_path):
    said = []
    mails = []
    for n in range(12):
        text = (
            f"Dear Bob,\n\nplease call me on +49 171 123456{n % 10} about {n} of the boats, or ask Eva.\n\nAnn Example"
        )
        recipients = b"To: Bob Hill <bob@x.org>, Eva <e@x.org>\nSubject"
        mails.append(mail(n, "Ann Example <ann@x.org>", text).replace(b"Subject", recipients))
    settings = {"mask": True, "reading": ReadingSettings(say=said.append)}
    splits = converted(mbox(tmp_path, mails), tmp_path / "out", **settings)
    everything = (tmp_path / "out" / "documents.jsonl").read_text() + json.dumps([e.output for e in splits["train"]])
    assert not any(name in everything for name in ("Bob", "Eva", "171"))
    assert splits["train"][0].profile[0].text == (
        "Dear [NAME],\n\nplease call me on [PHONE] about 0 of the boats, or ask [NAME].\n\nAnn Example"
    )
    masked = [json.loads(line) for line in (tmp_path / "out" / "masked.jsonl").read_text().splitlines()]
    assert masked[0] == {"id": "d000001", "masked": {"name": 2, "phone": 1}}
    assert any(line.startswith("masked in 12 of 12 texts: 24 name, 12 phone (phone numbers of ") for line in said)


def test_an_opening_ends_with_the_marks_behind_its_last_word(tmp_path):
    topics = ("苹果", "火车", "下雨", "象棋", "小鸟", "石头")
    records = [
        {"user": user, "text": f"[NAME]。我和朋友今天在北京的大学里谈了{topic}的事情，我们都很高兴{user}。"}
        for user in "甲乙丙丁"
        for topic in topics
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    for example in converted(path, tmp_path / "out", per_user=3)["train"]:
        assert example.input.startswith('Complete the text that begins: "[NAME]。')
        assert not example.output.startswith(("]", "。", "，"))
