"""Whose texts are one's own: a name that several accounts have is refused, as it may be several people's."""

import json
import subprocess
import sys

import pytest
from readers.samples_chats import discord_message, event, telegram_message
from readers.test_mail import mbox

from penname.data.convert import ConversionSettings, convert
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings
from penname.errors import ArgumentError


def converted(path, *me):
    said = []
    folder = path.parent / "out"
    convert(path, folder, ConversionSettings(me=me, reading=ReadingSettings(say=said.append)), LoadReport())
    return [json.loads(line)["text"] for line in (folder / "documents.jsonl").open()], said


def telegram(number, whose):
    return telegram_message(
        1 + number // 2, "Alex", f"{whose} tells a story about {number} boats", from_id=f"user{whose}"
    )


def discord(number, whose):
    message = discord_message(1 + number // 2, "alex", f"{whose} tells a story about {number} boats")
    return {**message, "author": {**message["author"], "id": whose, "name": f"a{whose}", "nickname": "Alex"}}


def google(number, whose):
    creator = {"name": "Alex", "email": f"{whose}@x.org", "user_type": "Human"}
    date = f"Wednesday, May {1 + number // 2}, 2024 at 10:00:00 AM UTC"
    return {"creator": creator, "created_date": date, "text": f"{whose} tells a story about {number} boats"}


def signal_cli(number, whose):
    data = {"timestamp": 1714564800000 + number, "message": f"{whose} tells a story about {number} boats"}
    return {
        "envelope": {"source": whose, "sourceUuid": whose, "sourceName": "Alex", "timestamp": 1, "dataMessage": data}
    }


CHANNEL = {"guild": {"id": "0", "name": "F"}, "channel": {"id": "7", "type": "GuildTextChat", "name": "g"}}
CHATS = {
    "telegram": (telegram, {"name": "G", "type": "private_group", "id": 1}, "user2"),
    "discord": (discord, CHANNEL, "2"),
    "google": (google, {}, "2@x.org"),
    "signal-cli": (signal_cli, None, "2"),
}


def chat(folder, kind):
    make, around, account = CHATS[kind]
    messages = [make(number, "12"[number % 2]) for number in range(14)]
    path = folder / "chat.json"
    if around is None:
        path.write_text("".join(json.dumps(message) + "\n" for message in messages))
    else:
        path.write_text(json.dumps({**around, "messages": messages}))
    return path, account


@pytest.mark.parametrize("kind", CHATS)
def test_a_name_of_two_accounts_is_refused_and_an_account_is_not(tmp_path, kind):
    path, account = chat(tmp_path, kind)
    with pytest.raises(ArgumentError, match=rf"me: 'Alex' is 2 accounts: \w+1?\S*, {account}; expected"):
        converted(path, "Alex")
    assert not (tmp_path / "out").exists()
    texts, _ = converted(path, account)
    assert texts
    assert all(text.startswith("2 tells") for text in texts)


def test_all_accounts_of_a_name_may_be_named(tmp_path):
    path, _ = chat(tmp_path, "telegram")
    texts, _ = converted(path, "Alex", "user1", "user2")
    assert {text[0] for text in texts} == {"1", "2"}


def test_a_room_and_another_with_a_member_of_the_same_name(tmp_path):
    for name in ("alex", "axel"):
        member = {**event(0, name, None, "m.room.member", displayname="Alex"), "state_key": f"@{name}:x.org"}
        texts = [event(n, name, f"{name} tells a story about {n} boats") for n in range(1, 8)]
        (tmp_path / "rooms").mkdir(exist_ok=True)
        (tmp_path / "rooms" / f"{name}.json").write_text(json.dumps({"room_name": name, "messages": [member, *texts]}))
    with pytest.raises(ArgumentError, match=r"2 accounts: @alex:x.org, @axel:x.org"):
        converted(tmp_path / "rooms", "Alex")


def mails(folder):
    people = ("ann@x.org", "other@y.org")
    heads = (f"From: Ann Example <{people[n % 2]}>\nDate: Wed, {n + 1:02} May 2024 10:00:00 +0000" for n in range(14))
    return mbox(folder, [f"{head}\n\n{n % 2} sends {n} boats to us\n".encode() for n, head in enumerate(heads)])


def test_a_name_of_two_addresses(tmp_path):
    path = mails(tmp_path)
    with pytest.raises(ArgumentError, match=r"'Ann Example' is 2 accounts: ann@x.org, other@y.org"):
        converted(path, "Ann Example")
    texts, said = converted(path, "Ann Example <ann@x.org>")
    assert texts
    assert all(text.startswith("0 sends") for text in texts)
    assert any("other@y.org" in line and "left out" in line for line in said)


def test_the_command_line_runs_as_a_module():
    done = [
        subprocess.run([sys.executable, "-m", name, "--help"], capture_output=True)
        for name in ("penname", "penname.cli.app")
    ]
    assert all(run.returncode == 0 and b"convert" not in run.stderr and b"Usage" in run.stdout for run in done)
