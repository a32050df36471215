"""Exports of posts: what their author wrote, when, and what it answers; from files, folders and archives."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from samples_posts import SAMPLES, WORDS, activity, assignment, collection, item, tweet, wordpress

from penname.data.load_report import LoadReport
from penname.data.profiles import load_profile
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts
from penname.errors import DataError


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(path, **settings):
    report = LoadReport()
    said = []
    found = list(read_texts(path, ReadingSettings(say=said.append, **settings), report))
    assert report.rows == report.kept + sum(report.skipped.values())
    assert report.kept == len(found)
    return found, report, said


def everywhere(folder, files, main):
    """What is read of the folder, of an archive of it, and of the file alone."""
    write(folder / "export", files)
    shutil.make_archive(str(folder / "packed"), "zip", folder / "export")
    return [read(folder / "export"), read(folder / "packed.zip"), read(folder / "export" / main)]


ACCOUNT = {
    "account": {"username": "ann_sails", "accountId": "12", "accountDisplayName": "Ann", "email": "a@sea.example"}
}
LONG = "We sailed at dawn & came home at dusk, " * 12


def test_an_archive_of_x(tmp_path):
    links = {"urls": [{"url": "https://t.co/a", "expanded_url": "https://sea.example/tide"}]}
    posts = [
        tweet(
            1, "Tea &amp; bread https://t.co/a https://t.co/p", entities={**links, "media": [{"url": "https://t.co/p"}]}
        ),
        tweet(2, "RT @bob: his words"),
        tweet(3, "@bob @cy yes, we do", in_reply_to_status_id_str="1", display_text_range=["9", "19"]),
        tweet(4, "@bob in older archives too", in_reply_to_user_id_str="7"),
        tweet(5, LONG.replace("&", "&amp;")[:270] + "… https://t.co/z"),
        tweet(6, "https://t.co/p", entities={"media": [{"url": "https://t.co/p"}]}),
    ]
    note = {"noteTweet": {"createdAt": "2023-05-01T10:00:00.000Z", "core": {"text": LONG, "urls": []}}}
    files = {
        "data/account.js": assignment("account", [ACCOUNT]),
        "data/tweets.js": assignment("tweets", posts),
        "data/tweets-part1.js": assignment("tweets", [tweet(7, "In a second part")]).replace(b"part0", b"part1"),
        "data/note-tweet.js": assignment("note_tweet", [note]),
        "data/like.js": assignment("like", [{"like": {"fullText": "his"}}]),
        "data/README.txt": "what is in this archive",
        "data/manifest.js": "window.__THAR_CONFIG = {}",
    }
    of_folder, of_zip, of_file = everywhere(tmp_path, files, "data/tweets.js")
    assert of_folder[0] == of_zip[0]
    found, report, _ = of_folder
    assert {f.document.user_id for f in found} == {"ann_sails"}
    assert set(found[0].other_names) == {"@ann_sails", "12", "Ann", "a@sea.example"}
    assert [f.document.text for f in of_file[0]] == [
        "Tea & bread https://sea.example/tide", "yes, we do", "in older archives too",
    ]  # fmt: skip
    assert [f.document.text for f in found] == [
        LONG.strip(), "In a second part", *(f.document.text for f in of_file[0])
    ]  # fmt: skip
    assert of_file[0][0].document.date == "2024-06-01T08:00:00"
    assert (of_file[0][0].message_id, of_file[0][1].reply_to) == ("1", "1")
    assert report.skipped == {"repost": 1, "beginning of a long post": 1, "message without text": 1}


def test_an_author_of_wordpress_without_an_address_has_a_name(tmp_path):
    export = SAMPLES["blog.xml"].replace(b"<wp:author_email><![CDATA[ann@sea.example]]></wp:author_email>", b"")
    found, _, _ = read(write(tmp_path, {"blog.xml": export}) / "blog.xml")
    assert {(text.document.user_id, text.other_names) for text in found} == {("Ann Example", ("ann",))}


@pytest.mark.parametrize("key", ["tweet", "communityTweet"])
def test_posts_in_communities_of_x_are_read_and_messages_are_named(tmp_path, key):
    posts = [{key: tweet(n, text)["tweet"]} for n, text in enumerate(WORDS, 1)]
    messages = [{"dmConversation": {"conversationId": "1-2", "messages": [{"messageCreate": {"text": "Hi"}}]}}]
    files = {
        "data/community-tweet.js": assignment("community_tweet", posts),
        "data/direct-messages.js": assignment("direct_messages", messages),
        "data/account.js": assignment("account", [ACCOUNT]),
    }
    found, report, _ = read(write(tmp_path, files))
    assert [text.document.text for text in found] == list(WORDS)
    assert report.noted == {"files of another kind": 1}
    found, _, _ = read(tmp_path / "data" / "direct-messages.js")
    assert not found


def test_older_archives_of_twitter(tmp_path):
    """In `tweet.js` the posts stood in the list themselves; until 2018 each month had a file that named the author."""
    old = assignment("tweet", [tweet(1, "Rain on the roof")["tweet"]])
    (found,), _, _ = read(write(tmp_path / "old", {"tweet.js": old}) / "tweet.js")
    assert (found.document.user_id, found.document.text) == ("old", "Rain on the roof")
    (found,), _, _ = read(tmp_path / "old" / "tweet.js", author="ann")
    assert found.document.user_id == "ann"
    post = {
        "id_str": "2",
        "text": "Bread again",
        "created_at": "2013-01-31 10:00:00 +0000",
        "user": {"screen_name": "ann"},
    }
    month = (
        b"Grailbird.data.tweets_2013_01 = \n "
        + json.dumps([post, post | {"retweeted_status": {"id_str": "1"}}]).encode()
    )
    (found,), report, _ = read(write(tmp_path / "older", {"data/js/tweets/2013_01.js": month}))
    assert (found.document.user_id, found.document.date) == ("ann", "2013-01-31T10:00:00")
    assert report.skipped == {"repost": 1}


ACTOR = {"@context": ["https://www.w3.org/ns/activitystreams"], "id": "https://sea.example/users/ann", "type": "Person"}


def test_a_mastodon_archive(tmp_path):
    mention = '<span class="h-card"><a href="https://o.example/@bob" class="u-url mention">@<span>bob</span></a></span>'
    link = '<a href="https://sea.example/tide"><span class="invisible">https://</span><span>sea.example/tide</span></a>'
    posts = [
        activity(1, "<p>We sailed.</p><p>It&#39;s <a>#<span>sea</span></a><br />day</p>"),
        {"id": "2", "type": "Announce", "object": "https://o.example/1"},
        activity(3, f"<p>{mention} Yes, see {link}</p>", inReplyTo="https://sea.example/users/ann/statuses/1"),
        activity(4, "<p>Long.</p>", type="Article", name="On boats"),
        activity(5, "<p>Eel.</p>", summary="food"),
    ]
    files = {
        "outbox.json": collection("outbox.json", posts),
        "likes.json": collection("likes.json", ["https://o.example/2"]),
        "actor.json": json.dumps({**ACTOR, "preferredUsername": "ann", "name": "Ann Example"}),
        "avatar.png": b"\x89PNG",
    }
    (found, report, _), of_zip, of_file = everywhere(tmp_path, files, "outbox.json")
    assert found == of_zip[0] == of_file[0]
    assert [(f.document.title, f.document.text) for f in found] == [
        (None, "We sailed.\n\nIt's #sea\nday"), (None, "Yes, see https://sea.example/tide"),
        ("On boats", "Long."), ("food", "Eel."),
    ]  # fmt: skip
    assert found[1].reply_to == found[0].message_id
    assert (found[0].document.user_id, found[0].document.date) == ("ann", "2024-06-01T08:00:00")
    assert {"Ann Example", "@ann@sea.example"} <= set(found[0].other_names)
    assert report.skipped == {"boost, or no post": 1}
    (tmp_path / "export" / "actor.json").unlink()
    assert read(tmp_path / "export" / "outbox.json")[0][0].document.user_id == "ann"


def test_a_reddit_export(tmp_path):
    comments = (
        "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n"
        'c1,/x,2024-06-01 08:00:00 UTC,,boats,0,https://www.reddit.com/r/boats/comments/p1/t/,,"> his words\n\n'
        'Oak &amp; glue.",\n'
        "c2,/x,2024-06-02 08:00:00 UTC,,boats,0,https://www.reddit.com/r/boats/comments/p1/t/,c1,>!beech!< then,\n"
        "c3,/x,2024-06-02 08:00:00 UTC,,boats,0,,c1,[removed],\n"
    )
    header = "id,permalink,date,ip,subreddit,gildings,title,url,body\n"
    posts = f"{header}p1,/x,2024-06-01 07:00:00 UTC,,boats,0,Wood?,,It wobbles.\n"
    files = {
        "comments.csv": comments,
        "posts.csv": posts,
        "drafts.csv": "id,title,body\n",
        "statistics.csv": "statistic,value\naccount name,annie\n",
        **{
            f"{name}.csv": "id,permalink,direction\n1,/x,up\n"
            for name in ("post_votes", "comment_votes", "hidden_posts")
        },
    }
    (found, report, _), of_zip, of_file = everywhere(tmp_path, files, "comments.csv")
    assert found == of_zip[0]
    assert [f.document.text for f in found] == ["Oak & glue.", ">!beech!< then", "It wobbles."]
    assert {f.document.user_id for f in found} == {"annie"}
    assert [f.document.title for f in found] == [None, None, "Wood?"]
    assert [(f.message_id, f.reply_to) for f in found] == [("t1_c1", "t3_p1"), ("t1_c2", "t1_c1"), ("t3_p1", None)]
    assert found[0].document.date == "2024-06-01T08:00:00"
    assert report.skipped == {"deleted": 1}
    assert len(of_file[0]) == 2
    alone = write(tmp_path / "export_bo_20240601", {"comments.csv": comments, "posts.csv": header})
    assert {f.document.user_id for f in read(alone)[0]} == {"bo"}


def test_a_wordpress_export(tmp_path):
    blocks = (
        "<!-- wp:paragraph -->\n<p>We sailed\nat dawn.</p>\n<!-- /wp:paragraph -->\n<!-- wp:quote -->"
        "<blockquote><p>his</p></blockquote><!-- /wp:quote -->\n<!-- wp:list --><ul><li>ham</li>\n<li>eggs</li></ul>"
    )
    classic = (
        'First line\nsecond.\n\n[caption id="a" width="3"]<img src="a.png" /> A boat[/caption]\n<em>Third</em> one'
    )
    comment = "<wp:comment><wp:comment_author>Bob</wp:comment_author><wp:comment_content>his</wp:comment_content>"
    comment += "</wp:comment>"
    path = tmp_path / "blog.xml"
    path.write_bytes(
        wordpress(
            item(1, blocks, more=comment),
            item(2, classic, creator="cy"),
            item(3, "About me \x0b &nbsp;here", kind="page"),
            item(4, "not yet", status="draft"),
            item(5, "", kind="attachment", status="inherit"),
            item(6, "old", kind="revision"),
        )
    )
    found, report, said = read(path)
    assert [f.document.text for f in found] == [
        "We sailed at dawn.\n\n• ham\n• eggs", "First line\nsecond.\n\nA boat\nThird one", "About me here",
    ]  # fmt: skip
    assert [f.document.user_id for f in found] == ["Ann Example", "cy", "Ann Example"]
    assert found[0].other_names == ("ann", "ann@sea.example")
    assert (found[0].document.title, found[0].document.date) == ("Post 1", "2024-06-01T08:00:00")
    assert report.skipped == {"draft, or no post": 3}
    assert "a WordPress export" in said[0]


FEEDS = {
    "an address and a name": (
        '<rss version="2.0"><channel><title>Boats</title><item><title>One &amp;amp; two</title>'
        "<author>a@sea.example (Ann)</author>"
        "<description>&lt;p&gt;Hi&amp;nbsp;there&lt;/p&gt;&lt;p&gt;you&lt;/p&gt;</description>"
        "<pubDate>Sat, 01 Jun 2024 10:00:00 +0200</pubDate></item></channel></rss>"
    ),
    "the whole text beside its beginning": (
        '<?xml version="1.0" encoding="iso-8859-1"?><!DOCTYPE rss SYSTEM "http://x.example/rss.dtd">'
        '<rss version="0.91">'
        "<channel><managingEditor>Ann</managingEditor><item><title>One &amp; two</title><description>Hi</description>"
        "<content:encoded><![CDATA[<p>Hi there</p><p>you</p>]]></content:encoded><dc:date>2024-06-01T08:00:00Z"
        "</dc:date></item></channel></rss>"
    ),
    "plain text and undefined entities": (
        "<rss><channel><title>Ann</title><item><title>One &amp; two</title><pubDate>Sat, 01 Jun 2024 08:00:00 GMT"
        "</pubDate><description>Hi&nbsp;there\n\nyou</description></item></channel></rss>"
    ),
    "Atom": (
        '<feed xmlns="http://www.w3.org/2005/Atom"><title>Boats</title><author><name>Ann</name></author><entry>'
        "<title>One &amp; two</title><published>2024-06-01T10:00:00+02:00</published>"
        '<content type="xhtml"><div><p>Hi there</p><p>you</p></div></content>'
        "</entry></feed>"
    ),
    "Blogger": (
        "<?xml version='1.0' encoding='utf-8'?><feed xmlns='http://www.w3.org/2005/Atom'><entry><blogger:type>POST"
        "</blogger:type><blogger:status>LIVE</blogger:status><author><name>Ann</name></author>"
        "<title>One &amp; two</title><content type='html'>&lt;p&gt;Hi there&lt;/p&gt;you</content>"
        "<published>2024-06-01T08:00:00Z</published></entry>"
        "<entry><blogger:type>COMMENT</blogger:type><author><name>Bob</name></author><content>his</content></entry>"
        "<entry><blogger:type>POST</blogger:type><blogger:status>DRAFT</blogger:status><content>-</content></entry>"
        "<entry><category scheme='http://schemas.google.com/g/2005#kind' term='http://schemas.google.com/blogger/2008/"
        "kind#template'/><content type='html'>x</content></entry></feed>"
    ),
}


@pytest.mark.parametrize("name", FEEDS)
def test_feeds(tmp_path, name):
    path = write(tmp_path, {"feed.xml": FEEDS[name]}) / "feed.xml"
    (found,), report, _ = read(path)
    assert (found.document.user_id, found.document.title) == ("Ann", "One & two")
    assert found.document.text.replace("\xa0", " ").split() == ["Hi", "there", "you"]
    assert found.document.date == "2024-06-01T08:00:00"
    assert report.skipped == ({"draft, comment or setting": 3} if name == "Blogger" else {})


def entry(author, text):
    named = f"<dc:creator>{author}</dc:creator>" if author else ""
    return f"<item>{named}<description>{text}</description></item>"


@pytest.mark.parametrize(
    ("authors", "of_unnamed"),
    [(["ann", "ben", None], "Planet"), (["ben", None], "ben"), (["ann", None], "ann"), ([None], "ann")],
)
def test_an_entry_without_an_author_is_only_ones_own_where_nobody_else_is_named(tmp_path, authors, of_unnamed):
    entries = "".join(entry(author, f"text {number}") for number, author in enumerate(authors))
    feed = f"<rss><channel><title>Planet</title>{entries}</channel></rss>"
    found, _, _ = read(write(tmp_path, {"feed.xml": feed}) / "feed.xml", author="ann")
    assert [text.document.user_id for text in found] == [author or of_unnamed for author in authors]


def test_a_post_of_wordpress_without_an_author_is_nobodys_where_there_are_several(tmp_path):
    people = "".join(f"<wp:author><wp:author_login>{login}</wp:author_login></wp:author>" for login in ("ann", "ben"))
    posts = entry("ann", "").replace("</item>", "<content:encoded>Hers</content:encoded></item>")
    posts += "<item><content:encoded>Whose</content:encoded></item>"
    export = (
        f"<rss xmlns:wp='http://wordpress.org/export/1.2/'><channel><title>Blog</title>{people}{posts}</channel></rss>"
    )
    found, _, _ = read(write(tmp_path, {"blog.xml": export}) / "blog.xml", author="ann")
    assert [(text.document.user_id, text.document.text) for text in found] == [("ann", "Hers"), ("Blog", "Whose")]


def test_texts_without_front_matter_beside_others_that_have_it(tmp_path):
    posts = {
        "ben.md": "---\nauthor: Ben\n---\nHis words.\n",
        "own.md": "My own words.\n",
        "more.txt": "More of mine.\n",
    }
    found, _, _ = read(write(tmp_path, posts), author="Ann")
    assert {(text.document.user_id, text.document.text) for text in found} == {
        ("Ben", "His words."),
        ("Ann", "My own words."),
        ("Ann", "More of mine."),
    }


@pytest.mark.parametrize(
    "definition", ['<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">']
)
def test_entities_that_a_document_defines_are_refused(tmp_path, definition):
    feed = f"<!DOCTYPE rss [{definition}]><rss><channel><item><description>&b;</description></item></channel></rss>"
    found, report, _ = read(write(tmp_path, {"bad.xml": feed}))
    assert found == []
    assert report.skipped == {"broken XML": 1}


def test_posts_before_a_fault_in_xml_are_kept(tmp_path):
    whole = SAMPLES["blog.xml"]
    (tmp_path / "blog.xml").write_bytes(whole[: whole.rindex(b"<item>") + 40])
    found, report, _ = read(tmp_path / "blog.xml")
    assert len(found) == 2 * len(WORDS) - 1
    assert report.skipped == {"broken XML": 1}


def test_front_matter(tmp_path):
    posts = {
        "2024-05-31-boats.md": '---\nlayout: post\ntitle: "Boats: one"\nauthor: Ann Example\n---\n\nWe sailed.\n\n---\n'
        "\nHome.\n",
        "hugo.md": '+++\ntitle = "Boats"\ndate = 2024-06-01T10:00:00+02:00\nauthors = ["Bo"]\n+++\nBread.\n',
        "not yet.md": "---\ntitle: D\ndraft: true\n---\nnot yet\n",
        "cy/a.md": "---\ndate: 2024-01-31 10:00:00 +0100\nauthor: {name: Cy}\n---\nRain.\n",
        "cy/plain.txt": "Note: plain\n---\nmore",
        "cy/rule.md": "---\n\nA rule and a text.\n\n---\nmore",
        "cy/odd.md": '---\ntitle: "a\nbad: [x\n---\nStill text\n',
        "cy/when.md": "---\ntitle: 2024\ndate: one day\n---\nChess.\n",
    }
    found, report, _ = read(write(tmp_path, posts))
    texts = {f.document.id: (f.document.user_id, f.document.title, f.document.date, f.document.text) for f in found}
    assert texts == {
        "2024-05-31-boats.md": ("Ann Example", "Boats: one", "2024-05-31", "We sailed.\n\n---\n\nHome."),
        "hugo.md": ("Bo", "Boats", "2024-06-01T08:00:00", "Bread."),
        "a.md": ("Cy", None, "2024-01-31T09:00:00", "Rain."),
        "plain.txt": ("cy", None, None, "Note: plain\n---\nmore"),
        "rule.md": ("cy", None, None, "---\n\nA rule and a text.\n\n---\nmore"),
        "odd.md": ("cy", None, None, "Still text"),
        "when.md": ("cy", "2024", None, "Chess."),
    }
    assert report.skipped == {"draft": 1}
    assert report.noted == {"unreadable front matter": 1, "invalid date, ignored": 1}
    (document,) = load_profile(Path(tmp_path / "hugo.md"))
    assert (document.text, document.title, document.user_id) == ("Bread.", "Boats", "user")


def test_one_stray_export_among_texts_is_named(tmp_path):
    files = {f"ann/{n}.txt": text for n, text in enumerate(WORDS)}
    files |= {"blog.xml": SAMPLES["blog.xml"], "tweets.js": SAMPLES["tweets.js"], "a.pst": b"!BDN"}
    found, report, _ = read(write(tmp_path, files))
    assert [f.document.text for f in found] == list(WORDS)
    assert report.noted == {"files of another kind": 3}


def test_a_medium_export(tmp_path):
    def page(body, footer):
        return (
            "<!DOCTYPE html><html><head><title>On tea</title><style>p {}</style></head><body>\n"
            '<article class="h-entry">\n<header>\n<h1 class="p-name">On tea &amp; bread</h1>\n</header>\n'
            '<section data-field="subtitle" class="p-summary">tea</section>\n'
            f'<section data-field="body" class="e-content">\n<section name="1" class="section">{body}</section>\n'
            f"</section>\n<footer>{footer}</footer></article></body></html>"
        )

    body = '<h3 class="graf graf--title">On tea</h3><p>We had tea.</p><blockquote>his</blockquote><p>Bread.</p>'
    footer = '<p>By <a href="https://medium.com/@ann" class="p-author h-card">Ann Example</a> on <a href="https://m.x">'
    footer += '<time class="dt-published" datetime="2019-01-01T10:00:00.000Z">January 1, 2019</time></a>.</p>'
    files = {
        "posts/2019-01-01_On-tea-1.html": page(body, footer),
        "posts/draft_Not-yet-2.html": page(body, ""),
        "profile/profile.html": "<html><h1>Ann</h1></html>",
    }
    (found,), report, _ = read(write(tmp_path, files))
    assert (found.document.user_id, found.other_names) == ("Ann Example", ("@ann",))
    assert (found.document.title, found.document.text) == ("On tea & bread", "We had tea.\n\nBread.")
    assert found.document.date == "2019-01-01T10:00:00"
    assert report.skipped == {"draft": 1}


LARGE = {
    "blog.xml": wordpress(*(item(n, WORDS[n % 4]) for n in range(400)), item(400, WORDS[4])),
    "tweets.js": assignment("tweets", [tweet(n, WORDS[n % 4]) for n in range(900)] + [tweet(900, WORDS[4])]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_broken_archive_is_one_fault(tmp_path, name):
    """That bytes of a file in it were changed is known at its end only; what stands before is read."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, LARGE[name] + b" " * 2**18)
    path.write_bytes(path.read_bytes().replace(b"Chess", b"CHESS"))
    found, report, _ = read(path)
    assert len(found) >= 400
    assert report.faults == 1


def test_a_broken_table_in_an_archive_is_one_line(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("comments.csv", SAMPLES["comments.csv"] + b"c9,,,,,,,,More,\n" * 20_000)
    path.write_bytes(path.read_bytes().replace(b"Chess", b"CHESS"))
    with pytest.raises(DataError, match="found Bad CRC-32"):
        read(path)
