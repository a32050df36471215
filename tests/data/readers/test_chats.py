"""Chats as programs export them: who wrote what, when, and what it answers."""

import json
import zipfile

import pytest
from samples_chats import (
    CHATGPT,
    FACEBOOK_POSTS,
    SIGNAL,
    SIGNAL_MARKDOWN,
    SLACK,
    TELEGRAM,
    discord_message,
    event,
    files,
    lines,
    mojibake,
    telegram_message,
)

from penname.data.convert import ConversionSettings, convert
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.data.readers.choice import read_texts

MAY = "2024-05-01T12:00:0"
READ = {
    "telegram.json": [
        ("Ann", f"{MAY}0", "Look at https://x.org when you can", None),
        ("Ben", "2024-05-03T12:00:00", "I did, it is good", "Look at https://x.org when you can"),
        ("user99", "2024-05-07T12:00:00", "I have left this place", "I did, it is good"),
    ],
    "whatsapp.txt": [
        ("Ann", "2024-12-31T10:00:01", "Kommst du heute?\nWir essen um acht.", None),
        ("Ben 🚲", "2024-12-31T10:05:00", "Gern, ich bringe Brot mit", "Kommst du heute?\nWir essen um acht."),
        ("Ann", "2025-01-01T11:00:05", "Gutes neues Jahr", "Gern, ich bringe Brot mit"),
    ],
    "slack.json": [
        ("U1", f"{MAY}0", "Who has the plan & the keys?", None),
        ("U2", f"{MAY}2", "I have it, @U1", "Who has the plan & the keys?"),
        ("U2", f"{MAY}4", "in a thread", None),
    ],
    "discord.json": [
        ("ann", "2024-05-01T10:00:00.123000", "Is anyone on :wave:?", None),
        ("cem", "2024-05-03T10:00:00.123000", "In an hour", "Is anyone on :wave:?"),
        ("ben", "2024-05-04T10:00:00.123000", "Me too, @ann", "Is anyone on :wave:?"),
    ],
    "discord_package.json": [
        ("me", "2024-05-01T10:00:00", "All of these are mine", None),
        ("me", "2024-05-03T10:00:00", "This one too :)", None),
    ],
    "discord_package.csv": [
        ("me", "2021-05-01T10:00:00.123000", "All of these, too, are mine", None),
        ("me", "2021-05-03T10:00:00.123000", "This one too :)", None),
    ],
    "signal.json": [
        ("Ann", "2024-05-01T10:00:00", "Shall we walk?", None),
        ("Me", "2024-05-02T10:00:00", "Yes, at six", "Shall we walk?"),
    ],
    "signal.md": [
        ("Ann", "2024-05-01T10:00:00", "Shall we walk?", None),
        ("Me", "2024-05-02T10:00:00", "Yes, at six\nor later", "Shall we walk?"),
    ],
    "Ann (+441632960123).json": [
        ("Ann", f"{MAY}0", "Shall we walk?", None),
        ("Me", "2024-05-01T12:01:40", "Yes, at six", "Shall we walk?"),
    ],
    "signal_cli.json": [
        ("Ann", f"{MAY}0", "Shall we walk?", None),
        ("Ben", f"{MAY}2", "Yes, at six", "Shall we walk?"),
    ],
    "matrix.json": [
        ("Ann", f"{MAY}1", "Who waters the beans?", None),
        ("@cem:x.org", f"{MAY}2", "No idea", "Who waters the beans?"),
        ("@ben:x.org", f"{MAY}3", "I do", "Who waters the beans?"),
    ],
    "facebook.json": [
        ("Zoë Ångström", f"{MAY}1", "The shoes are here", None),
        ("Zoë Ångström", f"{MAY}2", "Größe 39 — schön 🚲", None),
        ("Ben", f"{MAY}3", "I sent a letter, too", "The shoes are here\nGröße 39 — schön 🚲"),
    ],
    "facebook_posts.json": [
        ("me", f"{MAY}0", "Der Frühling ist da", None),
        ("me", "2024-05-01T12:03:20", "We have moved house", None),
    ],
    "instagram_posts.json": [
        ("me", f"{MAY}0", "Am Meer, später", None),
        ("me", "2024-05-01T12:01:41", "Two pictures of one cat", None),
    ],
    "sharegpt.json": [
        ("human", None, "Write of bread", None),
        ("gpt", None, "Bread is old.", "Write of bread"),
        ("human", None, "And of tea", None),
        ("gpt", None, "Tea is hot.", "And of tea"),
    ],
    "openai.jsonl": [
        ("ann", None, "Write of\nbread", None),
        ("assistant", None, "Bread is old.", "Write of\nbread"),
        ("user", None, "And of tea", None),
        ("assistant", None, "Tea is hot.", "And of tea"),
    ],
    "chatgpt.json": [
        ("user", f"{MAY}0", "Write of bread", None),
        ("assistant", f"{MAY}0", "Bread is old.", "Write of bread"),
        ("user", f"{MAY}0", "Shorter\nplease", "Bread is old."),
    ],
    "google_chat.json": [
        ("Ann", "2024-08-13T13:56:54", "Are you in?", None),
        ("Ben", "2024-08-13T13:57:54", "At ten", "Are you in?"),
    ],
}
SKIPPED = {
    "telegram.json": {"no message of a user": 1, "forwarded": 1, "sent by a bot": 1, "message without text": 1},
    "whatsapp.txt": {"no message of a user": 2},
    "slack.json": {"no message of a user": 1, "sent by a bot": 1},
    "discord.json": {"no message of a user": 1, "sent by a bot": 1},
    "discord_package.json": {"message without text": 1},
    "discord_package.csv": {"message without text": 1},
    "signal.json": {"no message of a user": 1, "message without text": 1},
    "signal.md": {"no message of a user": 1, "message without text": 1},
    "Ann (+441632960123).json": {"no message of a user": 1},
    "signal_cli.json": {"no message of a user": 1},
    "matrix.json": {"no message of a user": 1, "an edit of another message": 1, "sent by a bot": 1},
    "facebook.json": {"no message of a user": 2},
    "facebook_posts.json": {"message without text": 1},
    "instagram_posts.json": {"message without text": 1},
    "sharegpt.json": {"of the system or a tool": 1},
    "openai.jsonl": {"of the system or a tool": 1, "message without text": 1},
    "chatgpt.json": {"of the system or a tool": 2},
    "google_chat.json": {"sent by a bot": 1},
}


def found_in(path):
    said = []
    report = LoadReport(on_problem=said.append)
    found = list(read_texts(path, ReadingSettings(say=said.append), report))
    assert report.rows == report.kept + sum(report.skipped.values())
    assert report.kept == len(found)
    return found, report, said


def read(path):
    return [(text.document.user_id, text.document.date, text.document.text, text.answers) for text in found_in(path)[0]]


def zipped(folder):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", READ)
def test_a_chat_is_told_by_its_content(tmp_path, name):
    """As a file, with what is skipped; in a folder; and in an archive, under another name."""
    (tmp_path / "one").mkdir()
    path = tmp_path / "one" / name
    path.write_bytes(files(times=1)[name])
    assert read(path) == READ[name]
    assert dict(found_in(path)[1].skipped) == SKIPPED[name]
    assert read(tmp_path / "one") == READ[name]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(
            path, name if "+" in name else f"export/x{path.suffix}"
        )  # sigtop names the other side in the name
    assert read(tmp_path / "all.zip") == READ[name]


def test_an_own_archive_becomes_answers(tmp_path):
    chat = [
        telegram_message(
            n % 9 + 1, "Ann" if n % 2 else "Ben", f"{'An answer' if n % 2 else 'A question'} of words no {n}", id=n
        )
        for n in range(24)
    ]
    path = written(tmp_path / "result.json", {**TELEGRAM, "messages": chat})
    convert(path, tmp_path / "out", ConversionSettings(me=("user285",)), LoadReport())
    (example, *_) = map(json.loads, (tmp_path / "out" / "train.jsonl").read_text().splitlines())
    assert example["input"].startswith('Write the answer to the message: "A question of words')
    assert example["output"].startswith("An answer of words")


# Telegram


def test_an_account_of_telegram_has_many_chats(tmp_path):
    """Also after more contacts than are looked at, and chats that were left; answers stay within their chat."""
    contacts = [{"user_id": n, "first_name": "Someone", "phone_number": f"00{n}"} for n in range(2000)]
    bot = {"name": "Bot", "type": "bot_chat", "id": 5}
    first = telegram_message(1, "Ann", "First in one chat")
    account = {
        "about": "Here is the data you requested.",
        "personal_information": {"user_id": 285, "first_name": "Ann", "phone_number": "+49 1"},
        "contacts": {"about": "", "list": contacts},
        "chats": {
            "about": "",
            "list": [
                {"name": "Ben", "type": "personal_chat", "id": 1, "messages": [first]},
                {
                    "name": None,
                    "type": "personal_chat",
                    "id": 2,
                    "messages": [telegram_message(1, "Cem", "First in another")],
                },
                {**bot, "messages": [telegram_message(2, "Bot", "I am a robot", from_id="user5")]},
            ],
        },
        "left_chats": {
            "list": [
                {
                    "name": "News",
                    "type": "public_channel",
                    "id": 3,
                    "messages": [{**telegram_message(3, "News", "Signed"), "author": "Dora"}],
                }
            ]
        },
    }
    path = written(tmp_path / "result.json", account)
    assert path.read_text().index('"messages"') > 2**16
    assert [(author, text, answers) for author, _, text, answers in read(path)] == [
        ("Ann", "First in one chat", None),
        ("Cem", "First in another", None),
        ("Dora", "Signed", None),
    ]


def test_old_exports_of_telegram_have_numbers_of_accounts(tmp_path):
    old = {
        "id": 1,
        "type": "message",
        "date": "2019-05-01T12:00:00",
        "edited": "1970-01-01T01:00:00",
        "from": "Ann",
        "from_id": 4312,
    }
    path = written(
        tmp_path / "result.json",
        {"messages": [{**old, "text": "Long ago"}], "name": "A", "type": "private_group", "id": 1},
    )
    ((found,), _, _) = found_in(path)
    assert (found.document.user_id, found.document.date, found.other_names) == ("Ann", "2019-05-01T12:00:00", ("4312",))


def test_accounts_of_one_name_are_told_apart(tmp_path):
    """In all files of a folder, with the name that they show and the account's id as further names."""
    for folder, account in (("a", "user1"), ("b", "user77")):
        chat = [telegram_message(1, "Ann", f"From {folder}", from_id=account), telegram_message(2, "Ben", "Yes")]
        written(tmp_path / folder / "result.json", {**TELEGRAM, "messages": chat})
    found, _, _ = found_in(tmp_path)
    assert [(text.document.user_id, text.other_names) for text in found if text.document.text != "Yes"] == [
        ("Ann", ("user1",)),
        ("Ann (user77)", ("user77", "Ann")),
    ]
    assert {text.document.user_id for text in found_in(tmp_path)[0]} == {"Ann", "Ann (user77)", "Ben"}


def test_a_message_answers_only_what_it_names(tmp_path):
    """Of others, where that is known: not their last text, where it is a picture, far back, or in another chat."""
    chat = [
        telegram_message(1, "Ben", "A question"),
        telegram_message(2, "Ben", "", photo="x.jpg"),
        telegram_message(3, "Ann", "Of the picture", reply_to_message_id=2),
        telegram_message(4, "Ann", "More of it", reply_to_message_id=3),
        telegram_message(5, "Ben", "Another question"),
        telegram_message(6, "Ann", "To myself", reply_to_message_id=4),
        telegram_message(7, "Ann", "To the first", reply_to_message_id=1),
        telegram_message(8, "Ann", "Elsewhere", reply_to_message_id=1, reply_to_peer_id="channel5"),
    ]
    found = read(written(tmp_path / "result.json", {**TELEGRAM, "messages": chat}))
    assert {text: answers for author, _, text, answers in found if author == "Ann"} == {
        "Of the picture": None,
        "More of it": None,
        "To myself": "Another question",
        "To the first": "A question",
        "Elsewhere": None,
    }


# Slack


def test_a_workspace_of_slack(tmp_path):
    """Names and channels are looked up, threads go on over days, and nothing of the export is reported as not read."""
    users = [
        {"id": "U1", "name": "ann.x", "profile": {"real_name": "Ann Example", "email": "ann@x.org"}},
        {"id": "U2", "name": "ben", "profile": {"display_name": "Benny", "real_name": "Ben"}},
        {"id": "U3", "name": "ben2", "profile": {"display_name": "Benny", "real_name": "Ben"}},
        {"id": "U4", "name": "deploy", "is_bot": True, "profile": {"real_name": "Deploy"}},
    ]  # fmt: skip
    written(tmp_path / "users.json", users)
    written(tmp_path / "channels.json", [{"id": "C1", "name": "general"}])
    thread = {"type": "message", "thread_ts": "1714564800.000100"}
    written(
        tmp_path / "general" / "2024-05-01.json",
        [
            {
                **SLACK[0],
                "thread_ts": "1714564800.000100",
                "text": "Ask <@U2> in <#C1> &lt;now&gt; <!here> <mailto:a@x.org|a@x.org>",
            }
        ],
    )
    written(
        tmp_path / "general" / "2024-05-02.json",
        [
            {**thread, "user": "U2", "text": "I am here", "ts": "1714651200.1"},
            {**thread, "user": "U3", "text": "So am I, <@U1|ann>", "ts": "1714651300.1"},
            {**thread, "user": "U4", "text": "Deployed", "ts": "1714651400.1"},
        ],
    )
    found, report, _ = found_in(tmp_path)
    assert [(text.document.user_id, text.document.text, text.answers) for text in found] == [
        ("Ann Example", "Ask @Benny (ben) in #general <now> @here a@x.org", None),
        ("Benny (ben)", "I am here", None),
        ("Benny (ben2)", "So am I, @Ann Example", "I am here"),
    ]
    assert found[0].other_names == ("U1", "ann.x", "ann@x.org")
    assert found[1].reply_to == found[0].message_id == "general/1714564800.000100"
    assert not report.noted
    assert report.skipped == {"sent by a bot": 1}
    assert found_in(zipped(tmp_path))[0] == found


# Discord


def test_a_data_package_of_discord_names_its_user(tmp_path):
    written(
        tmp_path / "account" / "user.json", {"id": "1", "username": "ann", "global_name": "Ann", "email": "ann@x.org"}
    )
    written(tmp_path / "messages" / "index.json", {"10": "general"})
    written(tmp_path / "messages" / "c10" / "channel.json", {"id": "10", "type": 0, "name": "general"})
    written(
        tmp_path / "messages" / "c10" / "messages.json",
        [{"ID": 1, "Timestamp": "2024-05-01 10:00:00", "Contents": "Mine", "Attachments": ""}],
    )
    written(tmp_path / "messages" / "c11" / "messages.csv", "ID,Timestamp,Contents,Attachments\n")
    for path in (tmp_path, zipped(tmp_path)):
        ((found,), report, _) = found_in(path)
        assert (found.document.user_id, found.other_names) == ("ann", ("Ann", "1"))
        assert not report.noted


def test_quotes_on_discord_are_others_words(tmp_path):
    chat = [
        discord_message(1, "ann", "> what he said\nI do not think so"),
        {**discord_message(2, "ben", "Sent on"), "forwardedMessage": {"content": "x"}},
        {
            **discord_message(3, "cem", "hi"),
            "author": {"id": "7", "name": "cem", "discriminator": "1234", "isBot": False},
        },
    ]
    path = written(tmp_path / "x.json", {"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": chat})
    found, report, _ = found_in(path)
    assert [(text.document.user_id, text.document.text) for text in found] == [
        ("ann", "I do not think so"),
        ("cem#1234", "hi"),
    ]
    assert report.skipped == {"forwarded": 1}


def test_deleted_users_of_discord_are_nobody(tmp_path):
    chat = [
        discord_message(1, "Deleted User", "I was here"),
        discord_message(2, "deleted_user_4f2a", "So was I"),
        discord_message(3, "ann", "I am"),
        {**discord_message(4, "ann", "I am another"), "author": {"id": "9", "name": "ann", "isBot": False}},
    ]
    path = written(tmp_path / "x.json", {"guild": {"id": "1"}, "channel": {"id": "2"}, "messages": chat})
    found, report, _ = found_in(path)
    assert [text.document.user_id for text in found] == ["ann", "ann (9)"]
    assert report.skipped == {"by a deleted account": 2}


# Others


@pytest.mark.parametrize(
    "name", ["Facebook user", "Facebook-Nutzer", "Utilisateur de Facebook", "Usuario de Facebook", "Instagram User"]
)
def test_deleted_users_of_facebook_are_nobody(tmp_path, name):
    record = {"sender_name": mojibake(name), "timestamp_ms": 1714564800000, "content": "I was here"}
    found, report, _ = found_in(written(tmp_path / "message_1.json", {"messages": [record]}))
    assert not found
    assert report.skipped == {"by a deleted account": 1}


def test_chats_of_signal_export_are_read_once(tmp_path):
    """As JSON, where the same chat is there as Markdown too."""
    for name in ("Ann", "Ben"):
        written(tmp_path / name / "chat.md", SIGNAL_MARKDOWN)
        written(tmp_path / name / "data.json", lines(SIGNAL))
        written(tmp_path / name / "index.html", "<html></html>")
    found, report, _ = found_in(tmp_path)
    assert len(found) == 4
    assert not report.noted
    for name in ("Ann", "Ben"):
        (tmp_path / name / "data.json").unlink()
    assert len(found_in(tmp_path)[0]) == 4


def test_a_chat_of_messenger_with_encryption_is_no_mojibake(tmp_path):
    chat = [
        {
            "isUnsent": False,
            "media": [],
            "senderName": "Ben",
            "text": "Ça va, Zoë?",
            "timestamp": 1714564802000,
            "type": "text",
        },
        {
            "isUnsent": True,
            "media": [],
            "senderName": "Ben",
            "text": "oops",
            "timestamp": 1714564801000,
            "type": "text",
        },
        {
            "isUnsent": False,
            "media": [],
            "senderName": "Zoë",
            "text": "Salut à toi",
            "timestamp": 1714564800000,
            "type": "text",
        },
    ]
    path = written(tmp_path / "Ben_1.json", {"messages": chat, "participants": ["Ben", "Zoë"], "threadName": "Ben_1"})
    assert read(path) == [("Zoë", f"{MAY}0", "Salut à toi", None), ("Ben", f"{MAY}2", "Ça va, Zoë?", "Salut à toi")]


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("Ann sent an attachment.", False),
        ("You sent a photo.", False),
        ("Ann changed the theme to Love.", False),
        ("Liked a message", False),
        ("Say hi to your new connection, Ben!", False),
        ("You are now connected on Messenger", False),
        ("Say hi to your mother", True),
        (mojibake("Ann hat mit ❤ auf deine Nachricht reagiert"), False),
        *(
            (mojibake(text), False)
            for text in (
                *(
                    "Ann wysłał(a) zdjęcie.",
                    "Ann wysłała załącznik.",
                    "Polubiono wiadomość",
                    "Użytkownik Ann wysłał film.",
                ),
                *(
                    "Ann hat ein Foto gesendet.",
                    "Ann a envoyé une photo.",
                    "Ann envió una foto.",
                    "Ann enviou um vídeo.",
                ),
                *(
                    "Ann ha inviato un allegato.",
                    "Ann heeft een foto gestuurd.",
                    "Ann skickade ett foto.",
                    "Ann sendte en video.",
                ),
                *(
                    "Ann lähetti kuvan valokuvista.",
                    "Ann poslala fotku.",
                    "Ann küldött egy képet.",
                    "Ann a trimis o fotografie.",
                ),
                *("Ann bir fotoğraf gönderdi.", "Ann отправила фото.", "Ann надіслала фото.", "Ann изпрати снимка."),
                *(
                    "Η Ann έστειλε μια φωτογραφία."[2:],
                    "Ann mengirim foto.",
                    "Ann đã gửi một ảnh.",
                    "Annさんが写真を送信しました。",
                ),
                *("Ann님이 사진을 보냈습니다.", "Ann傳送了 1 張相片。", "Ann zareagowała ❤ na Twoją wiadomość"),
                *(
                    "Reagerade med ❤ på ditt meddelande",
                    "Gillade ett meddelande",
                    "Bir mesajı beğendi",
                    "Нравится сообщение",
                ),
                *("Отреагировала ❤ на ваше сообщение", "Ann nieodebrane połączenie", "Vindt een bericht leuk"),
            )
        ),
        (mojibake("Wysłałem ci zdjęcie wczoraj"), True),
        ("Ich habe dir ein Foto gesendet", True),
        ("Gillade du mitt meddelande?", True),
        ("I changed the locks", True),
        ("Ann sent me a photo of it yesterday, look", True),
    ],
)
def test_what_messenger_says_in_a_users_name(tmp_path, text, is_kept):
    record = {"sender_name": "Ann Example", "timestamp_ms": 1714564800000, "content": text}
    assert len(read(written(tmp_path / "message_1.json", {"messages": [record]}))) == is_kept


@pytest.mark.parametrize(("text", "is_kept"), [("Ann xyz abc.", False), ("Look at this, Ann", True)])
def test_a_line_in_a_users_name_beside_a_picture_is_the_programs(tmp_path, text, is_kept):
    record = {
        "sender_name": "Ann Example",
        "timestamp_ms": 1714564800000,
        "content": text,
        "photos": [{"uri": "x.jpg"}],
    }
    assert len(read(written(tmp_path / "message_1.json", {"messages": [record]}))) == is_kept


OF_FACEBOOK = {"profile_v2": {"name": {"full_name": mojibake("Zoë")}}}
OF_INSTAGRAM = {"profile_user": [{"string_map_data": {"Username": {"value": mojibake("Zoë")}}}]}


@pytest.mark.parametrize(
    ("place", "profile"),
    [
        ("personal_information/profile_information/profile_information.json", OF_FACEBOOK),
        ("personal_information/personal_information/personal_information.json", OF_INSTAGRAM),
    ],
)
def test_posts_are_by_the_user_whom_the_export_names(tmp_path, place, profile):
    """Among the many other files of JSON that are in an export."""
    written(tmp_path / place, profile)
    for number in range(3):
        written(tmp_path / "ads_information" / f"{number}.json", [{"name": "x", "text": "y"}])
    written(tmp_path / "your_facebook_activity" / "posts" / "your_posts_1.json", FACEBOOK_POSTS)
    found, report, _ = found_in(tmp_path)
    assert {text.document.user_id for text in found} == {"Zoë"}
    assert report.noted == {"files of another kind": 3}
    assert found_in(zipped(tmp_path))[0] == found


def test_rooms_of_matrix_without_fallback_and_with_captions(tmp_path):
    room = [
        event(1, "ann", "The bridge", msgtype="m.image", filename="a.jpg"),
        event(2, "ann", "a.jpg", msgtype="m.image", filename="a.jpg"),
        event(3, "ben", "waves", msgtype="m.emote"),
    ]
    assert [text for _, _, text, _ in read(written(tmp_path / "x.json", {"messages": room}))] == ["The bridge", "waves"]


HELLO = [{"role": "user", "content": "Hello you"}, {"role": "assistant", "content": "Hello too"}]
OF_CLAUDE = [{"sender": turn["role"], "text": turn["content"]} for turn in HELLO]
OF_SHAREGPT = [{"from": turn["role"], "value": turn["content"]} for turn in HELLO]


@pytest.mark.parametrize(
    "content",
    [
        HELLO,
        {"messages": HELLO},
        json.dumps({"conversations": OF_SHAREGPT}, indent=2),
        [{"uuid": "1", "chat_messages": OF_CLAUDE}],
        [{"conversation": HELLO}],
    ],
)
def test_shapes_of_chats_with_a_model(tmp_path, content):
    path = written(tmp_path / "chat.json", content)
    assert read(path) == [("user", None, "Hello you", None), ("assistant", None, "Hello too", "Hello you")]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>hm</think>hello", "hello"),
        ("<think>\nhm\n</think>\n\n<think>so</think> hello", "hello"),
        ("<thinking>hm</thinking>\nhello", "hello"),
        ("[THINK]hm[/THINK]hello", "hello"),
        ("hm, so\n</think>\nhello", "hello"),
        ("<think>hm, and no end", None),
        ("hello, I <think> so", "hello, I <think> so"),
    ],
)
def test_thoughts_of_a_model_are_no_text(tmp_path, said, text):
    turns = [{"from": "human", "value": "<think>mine</think>"}, {"from": "gpt", "value": said}]
    found = [text for _, _, text, _ in read(written(tmp_path / "x.json", [{"conversations": turns}]))]
    assert found == ["<think>mine</think>", *([text] if text else [])]


def test_branches_of_chatgpt_answer_what_is_before_them(tmp_path):
    mapping = CHATGPT[0]["mapping"]
    other = {**mapping["a"], "id": "b", "message": {**mapping["a"]["message"], "content": {"parts": ["Bread is new."]}}}
    hidden = {**mapping["u"]["message"], "metadata": {"is_visually_hidden_from_conversation": True}}
    looped = {"x": {"id": "x", "message": hidden, "parent": "y"}, "y": {"id": "y", "message": hidden, "parent": "x"}}
    path = written(
        tmp_path / "conversations.json",
        [{**CHATGPT[0], "mapping": {**mapping, "b": other, **looped}}, {"title": "", "mapping": {}}],
    )
    found, report, _ = found_in(path)
    assert [(text.document.text, text.answers) for text in found][-1] == ("Bread is new.", "Write of bread")
    assert report.skipped == {"of the system or a tool": 4, "conversation without messages": 1}


def test_tables_in_json_stay_tables(tmp_path):
    rows = [
        {"user": "a", "text": "A text of one", "messages": 3, "content": "x"},
        {"user": "b", "text": "Another text"},
    ]
    assert [author for author, *_ in read(written(tmp_path / "rows.json", rows))] == ["a", "b"]
    (tmp_path / "rows.json").unlink()
    assert [author for author, *_ in read(written(tmp_path / "rows.jsonl", lines(rows)))] == ["a", "b"]


def test_quotes_and_robots_in_telegram(tmp_path):
    messages = [
        telegram_message(1, "Ann", [{"type": "blockquote", "text": "his words"}, "my answer"]),
        telegram_message(2, "GroupHelpBot", "Welcome to the group"),
        telegram_message(3, "Talbot", "I am none"),
    ]
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"name": "G", "type": "private_group", "id": 1, "messages": messages}))
    found, report, _ = found_in(path)
    assert [text.document.text for text in found] == ["my answer", "I am none"]
    assert report.skipped == {"sent by a bot": 1}


def test_a_stray_nul_ends_no_export(tmp_path):
    content = json.dumps(TELEGRAM).replace("I did", "I\0 did").replace("you can", "you\0can")
    found, report, _ = found_in(written(tmp_path / "telegram.json", content))
    assert [text.document.text for text in found][1] == "I did, it is good"
    assert len(found) == len(READ["telegram.json"])
    assert report.noted == {"NUL characters, left out": 1}
