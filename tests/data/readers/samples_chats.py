"""A small file of each chat program, as it writes them."""

import json
import re

LRM = "\u200e"


def mojibake(text):
    """A text as Facebook writes it: its UTF-8 bytes as letters of Latin-1."""
    return text.encode().decode("latin-1")


def telegram_message(number, author, text, **fields):
    account = f"user{hash_of(author)}"
    return {
        "id": number,
        "type": "message",
        "date": f"2024-05-0{number}T12:00:00",
        "date_unixtime": str(1714564800 + 86400 * (number - 1)),
        "from": author,
        "from_id": account,
        "text": text,
        "text_entities": [{"type": "plain", "text": str(text)}],
        **fields,
    }


def hash_of(name):
    return sum(map(ord, name or "?"))


TELEGRAM = {
    "name": "Ben",
    "type": "personal_chat",
    "id": 275,
    "messages": [
        telegram_message(1, "Ann", ["Look at ", {"type": "link", "text": "https://x.org"}, " when you can"]),
        telegram_message(2, "Ben", "A service", type="service", action="phone_call"),
        telegram_message(3, "Ben", "I did, it is good", reply_to_message_id=1, edited="2024-05-03T13:00:00"),
        telegram_message(4, "Ann", "Not mine", forwarded_from=None),
        telegram_message(5, "Ann", "From a bot", via_bot="@gif"),
        telegram_message(6, "Ben", "", media_type="sticker", sticker_emoji="🚲"),
        telegram_message(7, None, "I have left this place", from_id="user99"),
    ],
}
WHATSAPP = (
    f"{LRM}[31.12.24, 10:00:00] Ann: {LRM}Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.\r\n"
    "[31.12.24, 10:00:01] Ann: Kommst du heute?\nWir essen um acht.\r\n"
    "[31.12.24, 10:05:00] ~\u202fBen 🚲: Gern, ich bringe Brot mit\r\n"
    f"{LRM}[01.01.25, 11:00:00] Ann: {LRM}Bild weggelassen\r\n"
    f"[01.01.25, 11:00:05] Ann: Gutes neues Jahr {LRM}<Diese Nachricht wurde bearbeitet.>\r\n"
)
SLACK = [
    {
        "type": "message",
        "user": "U1",
        "text": "Who has the <https://x.org|plan> &amp; the keys?",
        "ts": "1714564800.000100",
    },
    {"type": "message", "subtype": "channel_join", "user": "U2", "text": "<@U2> has joined", "ts": "1714564801.000100"},
    {"type": "message", "user": "U2", "text": "&gt; the plan\nI have it, <@U1>", "ts": "1714564802.000100"},
    {"type": "message", "bot_id": "B1", "text": "Build passed", "ts": "1714564803.000100"},
    {"type": "message", "user": "U2", "text": "in a thread", "ts": "1714564804.1", "thread_ts": "1714564800.000100"},
]


def discord_message(number, author, content, type="Default", **fields):
    return {
        "id": str(number),
        "type": type,
        "timestamp": f"2024-05-0{number}T12:00:00.123+02:00",
        "timestampEdited": None,
        "isPinned": False,
        "content": content,
        "author": {"id": f"1{hash_of(author)}", "name": author, "discriminator": "0000", "nickname": author.title()},
        "attachments": [],
        "mentions": [],
        **fields,
    }


BOT = {"id": "17", "name": "helper", "discriminator": "4711", "nickname": "Helper", "isBot": True}
DISCORD = {
    "guild": {"id": "0", "name": "Friends", "iconUrl": ""},
    "channel": {"id": "77", "type": "GuildTextChat", "name": "general", "topic": None},
    "dateRange": {"after": None, "before": None},
    "messages": [
        discord_message(1, "ann", "Is anyone on <a:wave:123>?"),
        discord_message(2, "ben", "Joined the server.", "GuildMemberJoin"),
        discord_message(3, "cem", "In an hour"),
        discord_message(
            4, "ben", "Me too, <@1312>", "Reply", reference={"messageId": "1"}, mentions=[{"id": "1312", "name": "ann"}]
        ),
        {**discord_message(5, "helper", "I am a robot"), "author": BOT},
    ],
    "messageCount": 5,
}
DISCORD_PACKAGE = [
    {"ID": 10, "Timestamp": "2024-05-01 10:00:00", "Contents": "All of these are mine", "Attachments": ""},
    {"ID": 11, "Timestamp": "2024-05-02 10:00:00", "Contents": "", "Attachments": "https://x.org/a.png"},
    {"ID": 12, "Timestamp": "2024-05-03 10:00:00", "Contents": "This one too :)", "Attachments": ""},
]
DISCORD_TABLE = (
    "ID,Timestamp,Contents,Attachments\r\n"
    '10,2021-05-01 10:00:00.123000+00:00,"All of these, too, are mine",\r\n'
    "11,2021-05-02 10:00:00.123000+00:00,,https://x.org/a.png\r\n"
    "12,2021-05-03 10:00:00.123000+00:00,This one too :),\r\n"
)


def signal_line(number, sender, body, **fields):
    line = {"date": f"2024-05-0{number}T10:00:00", "sender": sender, "body": f"{body}  ", "quote": "", "sticker": ""}
    return {**line, "reactions": [], "attachments": [], "deleted": False, "call": False, "missed": False, **fields}


SIGNAL = [
    signal_line(1, "Ann", "Shall we walk?"),
    signal_line(2, "Me", "Yes, at six", quote="\n\n> Shall we walk?\n\n"),
    signal_line(3, "Ann", "Missed voice call", call=True),
    signal_line(4, "Me", "", attachments=[{"name": "a.jpg", "path": "media/a.jpg"}]),
]
SIGNAL_MARKDOWN = (
    "[2024-05-01 10:00:00] Ann: Shall we walk?  \n\n"
    "[2024-05-02 10:00:00] Me: \n\n> Shall we walk?\n\nYes, at six\nor later  \n(- Ann: 👍 -)\n\n"
    "[2024-05-03 10:00:00] Ann: Missed voice call  \n\n"
    "[2024-05-04 10:00:00] Me:   ![a.jpg](./media/a.jpg)  \n\n"
)
SIGTOP = [
    {
        "id": "a",
        "conversationId": "c",
        "type": "incoming",
        "source": "+441632960123",
        "body": "Shall we walk?",
        "sent_at": 1714564800000,
    },
    {
        "id": "b",
        "conversationId": "c",
        "type": "outgoing",
        "body": "Yes, at six",
        "sent_at": 1714564900000,
        "quote": {"id": 1714564800000},
    },
    {"id": "d", "conversationId": "c", "type": "keychange", "sent_at": 1714564950000},
]
SIGNAL_CLI = [
    {
        "envelope": {
            "source": "+441",
            "sourceNumber": "+441",
            "sourceName": "Ann",
            "timestamp": 1714564800000,
            "dataMessage": {"timestamp": 1714564800000, "message": "Shall we walk?"},
        }
    },
    {
        "envelope": {
            "source": "+441",
            "sourceName": "Ann",
            "timestamp": 1714564801000,
            "receiptMessage": {"when": 1714564801000},
        }
    },
    {
        "envelope": {
            "source": "+442",
            "sourceName": "Ben",
            "timestamp": 1714564802000,
            "syncMessage": {
                "sentMessage": {"destination": "+441", "timestamp": 1714564802000, "message": "Yes, at six"}
            },
        }
    },
]


def event(number, sender, body, type="m.room.message", **content):
    return {
        "type": type,
        "sender": f"@{sender}:x.org",
        "content": {"msgtype": "m.text", "body": body, **content},
        "origin_server_ts": 1714564800000 + number * 1000,
        "event_id": f"${number}",
        "room_id": "!r:x.org",
    }


MATRIX = {
    "room_name": "Garden",
    "messages": [
        {**event(0, "ann", None, "m.room.member", displayname="Ann", membership="join"), "state_key": "@ann:x.org"},
        event(1, "ann", "Who waters the beans?"),
        event(2, "cem", "No idea"),
        event(
            3,
            "ben",
            "> <@ann:x.org> Who waters the beans?\n\nI do",
            **{"m.relates_to": {"m.in_reply_to": {"event_id": "$1"}}},
        ),
        event(4, "ben", "* I do it", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$3"}}),
        event(5, "bot", "Rain tomorrow", msgtype="m.notice"),
    ],
}
FACEBOOK = {
    "participants": [{"name": mojibake("Zoë Ångström")}, {"name": "Ben"}],
    "messages": [
        {"sender_name": "Ben", "timestamp_ms": 1714564805000, "content": mojibake("Reacted ❤ to your message ")},
        {"sender_name": "Ben", "timestamp_ms": 1714564804000, "content": "Ben sent a photo.", "photos": []},
        {"sender_name": "Ben", "timestamp_ms": 1714564803000, "content": "I sent a letter, too"},
        {
            "sender_name": mojibake("Zoë Ångström"),
            "timestamp_ms": 1714564802000,
            "content": mojibake("Größe 39 — schön 🚲"),
        },
        {"sender_name": mojibake("Zoë Ångström"), "timestamp_ms": 1714564801000, "content": "The shoes are here"},
    ],
    "title": "Ben",
    "thread_path": "inbox/ben_1",
}
FACEBOOK_POSTS = [
    {
        "timestamp": 1714564800,
        "attachments": [],
        "data": [{"post": mojibake("Der Frühling ist da")}],
        "title": "Zoë updated",
    },
    {"timestamp": 1714564900, "attachments": [{"data": [{"external_context": {"url": "https://x.org"}}]}], "data": []},
    {"timestamp": 1714565000, "data": [{"update_timestamp": 1714565000}, {"post": "We have moved house"}]},
]
INSTAGRAM_POSTS = [
    {"media": [{"uri": "media/1.jpg", "creation_timestamp": 1714564800, "title": mojibake("Am Meer, später")}]},
    {
        "media": [{"uri": "media/2.jpg", "creation_timestamp": 1714564900, "title": ""}, {"uri": "media/3.jpg"}],
        "title": "Two pictures of one cat",
        "creation_timestamp": 1714564901,
    },
    {"media": [{"uri": "media/4.jpg", "creation_timestamp": 1714565000, "title": ""}]},
]
SHAREGPT = [
    {
        "id": "a",
        "conversations": [
            {"from": "system", "value": "You are kind."},
            {"from": "human", "value": "Write of bread"},
            {"from": "gpt", "value": "Bread is old."},
        ],
    },
    {"id": "b", "conversations": [{"from": "human", "value": "And of tea"}, {"from": "gpt", "value": "Tea is hot."}]},
]
OPENAI = [
    {
        "messages": [
            {"role": "system", "content": "You are kind."},
            {
                "role": "user",
                "name": "ann",
                "content": [{"type": "text", "text": "Write of"}, {"type": "text", "text": "bread"}],
            },
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "assistant", "content": "Bread is old."},
        ]
    },
    {"messages": [{"role": "user", "content": "And of tea"}, {"role": "assistant", "content": "Tea is hot."}]},
]


def node(name, parent, role, *parts, **fields):
    content = {"content_type": "text", "parts": list(parts)}
    said = {"id": name, "author": {"role": role}, "create_time": 1714564800.5, "content": content, "recipient": "all"}
    return {name: {"id": name, "message": {**said, **fields}, "parent": parent, "children": []}}


CHATGPT = [
    {
        "title": "Bread",
        "create_time": 1714564800.5,
        "mapping": {
            "root": {"id": "root", "message": None, "parent": None, "children": ["s"]},
            **node("s", "root", "system", ""),
            **node("u", "s", "user", "Write of bread"),
            **node("t", "u", "assistant", "search('bread')", recipient="browser"),
            **node("a", "t", "assistant", "Bread is old."),
            **node("v", "a", "user", "Shorter", {"content_type": "image_asset_pointer"}, "please"),
        },
        "current_node": "v",
    }
]
GOOGLE_CHAT = {
    "messages": [
        {
            "creator": {"name": "Ann", "email": "ann@x.org", "user_type": "Human"},
            "created_date": "Tuesday, August 13, 2024 at 1:56:54\u202fPM UTC",
            "text": "Are you in?",
            "message_id": "r/1",
        },
        {
            "creator": {"name": "Ben", "email": "ben@x.org", "user_type": "Human"},
            "created_date": "Dienstag, 13. August 2024 um 13:57:54 UTC",
            "text": "At ten",
            "message_id": "r/2",
        },
        {"creator": {"name": "Bot", "user_type": "Bot"}, "created_date": "", "text": "Meeting soon"},
    ]
}


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


WRITTEN = ("text", "content", "Contents", "body", "value", "parts", "post", "title", "msg", "message")
"""Fields of what users wrote."""


def varied(found, number, key=None):
    """The same with other words at the end of what users wrote, as often as the number says."""
    if isinstance(found, dict):
        return {name: varied(value, number, name) for name, value in found.items()}
    if isinstance(found, list):
        return [varied(value, number, key) for value in found]
    return f"{found} {f'more{number} ' * 3}".rstrip() if key in WRITTEN and " " in str(found) and number else found


def files(times):
    """Each format's file by its name, with its messages several times, each time with other words at their ends."""

    def several(found):
        return [varied(value, number) for number in range(times) for value in found]

    def document(found):
        return json.dumps(
            several(found) if isinstance(found, list) else {**found, "messages": several(found["messages"])}, indent=1
        )

    def text(found):
        end = r"(?<=[\w:][\w)])(?=\"?,?\r?\n)"
        return "".join(re.sub(end, f" more{n}" * 3 * bool(n), found) for n in range(times))

    texts = {
        "telegram.json": document(TELEGRAM),
        "whatsapp.txt": text(WHATSAPP),
        "slack.json": document(SLACK),
        "discord.json": document(DISCORD),
        "discord_package.json": document(DISCORD_PACKAGE),
        "discord_package.csv": text(DISCORD_TABLE),
        "signal.json": lines(several(SIGNAL)),
        "signal.md": text(SIGNAL_MARKDOWN),
        "Ann (+441632960123).json": document(SIGTOP),
        "signal_cli.json": lines(several(SIGNAL_CLI)),
        "matrix.json": document(MATRIX),
        "facebook.json": document(FACEBOOK),
        "facebook_posts.json": document(FACEBOOK_POSTS),
        "instagram_posts.json": document(INSTAGRAM_POSTS),
        "sharegpt.json": document(SHAREGPT),
        "openai.jsonl": lines(several(OPENAI)),
        "chatgpt.json": document(CHATGPT),
        "google_chat.json": document(GOOGLE_CHAT),
    }
    return {name: text.encode() for name, text in texts.items()}


SAMPLES = files(times=3)
