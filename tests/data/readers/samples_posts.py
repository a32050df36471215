"""Small files as programs export posts and mail; the texts are invented."""

import json

WORDS = (
    *("The harbour was quiet at dawn", "Bread & butter, again", "We missed the train", "Rain on the roof"),
    "Chess by the fire",
)


def assignment(name, values):
    """A file of an archive of X."""
    return f"window.YTD.{name}.part0 = {json.dumps(values, indent=2)}".encode()


def tweet(number, text, **fields):
    return {
        "tweet": {"id_str": str(number), "full_text": text, "created_at": "Sat Jun 01 10:00:00 +0200 2024", **fields}
    }


def activity(number, html, **fields):
    """A post of a Mastodon archive."""
    address = f"https://sea.example/users/ann/statuses/{number}"
    note = {"id": address, "type": "Note", "summary": None, "inReplyTo": None, "published": "2024-06-01T08:00:00Z"}
    note |= {"attributedTo": "https://sea.example/users/ann", "content": html, **fields}
    return {"id": f"{address}/activity", "type": "Create", "actor": "https://sea.example/users/ann", "object": note}


def collection(name, items):
    context = ["https://www.w3.org/ns/activitystreams", {"sensitive": "as:sensitive"}]
    found = {"@context": context, "id": name, "type": "OrderedCollection", "totalItems": len(items)}
    return json.dumps(found | {"orderedItems": items}).encode()


def item(number, text, kind="post", status="publish", creator="ann", more=""):
    """An item of a WordPress export."""
    return f"""<item><title><![CDATA[Post {number}]]></title><pubDate>Sat, 01 Jun 2024 08:00:00 +0000</pubDate>
<dc:creator><![CDATA[{creator}]]></dc:creator><content:encoded><![CDATA[{text}]]></content:encoded>
<wp:post_date><![CDATA[2024-06-01 10:00:00]]></wp:post_date>
<wp:post_date_gmt><![CDATA[2024-06-01 08:00:00]]></wp:post_date_gmt>
<wp:status><![CDATA[{status}]]></wp:status><wp:post_type><![CDATA[{kind}]]></wp:post_type>{more}</item>"""


def wordpress(*items):
    return f"""<?xml version="1.0" encoding="UTF-8" ?>
<!-- This is a WordPress eXtended RSS file -->
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Boats</title>
<wp:author><wp:author_id>1</wp:author_id><wp:author_login><![CDATA[ann]]></wp:author_login>
<wp:author_email><![CDATA[ann@sea.example]]></wp:author_email>
<wp:author_display_name><![CDATA[Ann Example]]></wp:author_display_name></wp:author>
{"".join(items)}</channel></rss>""".encode()


def mail(number, text, sender="Ann <ann@sea.example>", headers=""):
    return (
        f"Message-ID: <{number}@sea.example>\nDate: Sat, 1 Jun 2024 10:00:0{number} +0200\nFrom: {sender}\n"
        f"To: bob@sea.example\nSubject: Note {number}\n{headers}Content-Type: text/plain; charset=utf-8\n\n{text}\n"
    )


REDDIT = "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n" + "".join(
    f'c{n},/x,2024-06-01 08:00:00 UTC,,boats,0,https://www.reddit.com/r/boats/comments/p1/t/,c{n - 1},"{text}",\n'
    for n, text in enumerate(WORDS)
)
OUTLOOK = "Betreff,Text,Von: (Name),Von: (Adresse),Von: (Typ),An: (Name)\n" + "".join(
    f'AW: {n},"{text}",Ann,ann@sea.example,SMTP,Bob\n' for n, text in enumerate(WORDS)
)
ENRON = "file,message\n" + "".join(f'a/{n}.,"{mail(n, text)}"\n' for n, text in enumerate(WORDS))
RSS = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>Boats</title>'
    + "".join(
        f"<item><title>{n}</title><description>{t.replace('&', '&amp;')}</description></item>"
        for n, t in enumerate(WORDS * 2)
    )
    + "</channel></rss>"
)
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom"><title>Boats</title><author><name>Ann</name></author>'
    + "".join(
        f'<entry><title>{n}</title><content type="xhtml"><div><p>{w}</p></div></content></entry>'
        for n, w in enumerate(WORDS[2:] * 3)
    )
    + "</feed>"
)

GOODREADS = {"user_id": "u", "book_id": 1, "rating": 0, "date_added": "Sun Jul 30 07:44:10 -0700 2017"}

SAMPLES = {
    "tweets.js": assignment("tweets", [tweet(n, text) for n, text in enumerate(WORDS)]),
    "outbox.json": collection("outbox.json", [activity(n, f"<p>{text}</p>") for n, text in enumerate(WORDS)]),
    "comments.csv": REDDIT.encode(),
    "blog.xml": wordpress(*(item(n, f"<p>{text}</p>") for n, text in enumerate(WORDS * 2))),
    "rss.xml": RSS.encode(),
    "feed.atom": ATOM.encode(),
    "outlook.csv": OUTLOOK.encode(),
    "emails.csv": ENRON.encode(),
    "Sent": "".join(f"From - Sat Jun 01 10:00:00 2024\n{mail(n, text)}\n" for n, text in enumerate(WORDS)).encode(),
    "reviews.json": "".join(f"{json.dumps(GOODREADS | {'review_text': text})}\n" for text in WORDS).encode(),
}
