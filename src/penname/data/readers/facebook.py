"""Reads chats in the JSON that Facebook's Messenger and Instagram export (`message_1.json`)."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.facebook_words import is_said, is_said_of_user
from penname.data.readers.json_items import json_items, json_paths, text_in
from penname.data.records import Location

_NOBODY = re.compile(
    r"(facebook|instagram)[ -]?(user|nutzer(in)?|bruge?r|bruker|användare|gebruiker|käyttäjä|felhasználó|notandi)"
    r"|(utilisateur|utilisatrice) (de )?(facebook|instagram)|(usuario|usuária?o?|utilizador|utente|utilizator) "
    r"(de |do |di )?(facebook|instagram)|użytkownik (facebooka|instagrama)|uživatel (facebooku|instagramu)"
    r"|používateľ (facebooku|instagramu)|пользователь facebook|користувач facebook|потребител на facebook"
    r"|(facebook|instagram) kullanıcısı|χρήστης facebook|người dùng facebook|pengguna facebook"
    r"|facebook\s?(用户|用戶|使用者)"
    r"|facebookユーザー|facebook ?사용자|ผู้ใช้ facebook|مستخدم فيسبوك|משתמש(ת)? פייסבוק",
    re.IGNORECASE,
)
"""Whom the program names for those whose accounts are deleted: these may be several."""

_THING = r"[\w ]{0,20}(attachment|photo|video|link|post|story|reel|location|GIF|sticker|note)s?"
_DOES = re.compile(
    rf"(also )?(sent|shared) (an?|\d+) {_THING}|sent (a message|a voice message|.{{1,80}} location)|unsent a message"
    r"|reacted .{1,20} to (your|a|their|.{1,40}) message|liked a message|named the group.*|pinned a message"
    r"|(changed|set|cleared) .{1,60}(theme|photo|nickname|quick reaction|emoji|word effect)s?\b.*"
    r"|(added|removed) .{1,80} (to|from) the group|(left|joined|created) the (group|call|video chat|chat)"
    r"|(started|joined|missed) (an?|the|your) [\w ]{0,20}(call|chat)|(can|are) now .{0,30}(connected|call|message).*"
    r"|(created a poll|voted for|turned (on|off) disappearing).*"
    r"|hat (mit .{1,20} )?auf .{1,30} reagiert|hast? (eine?n?|\d+) \w+ (gesendet|geteilt)"
    r"|reaccionó .{1,30} mensaje|envi(ó|aste) (una?|\d+) .{1,20}"
    r"|(a|avez) (réagi .{1,30} message|envoyé (une?|\d+) .{1,20})"
    r"|reagiu .{1,30} mensagem|(enviou|enviaste) (uma?|\d+) .{1,20}"
    r"|hai? (reagito .{1,30} messaggio|inviato (una?|\d+) .{1,20})",
    re.IGNORECASE,
)
"""What the program says that a user did, behind the user's name."""

_SAID = re.compile(
    r"(the|an?) (video |audio )?(chat|call) (started|ended)|reacted .{1,20} to your message|liked a message"
    r"|hat mit .{1,20} auf deine Nachricht reagiert|hat deine Nachricht mit „?Gefällt mir“? markiert"
    r"|reaccionó con .{1,20} a tu mensaje|indicó que le gusta un mensaje|a réagi .{1,20} à votre message"
    r"|a aimé un message|reagiu com .{1,20} à sua mensagem|curtiu uma mensagem|ha reagito .{1,20} al tuo messaggio"
    r"|ha messo .mi piace. a un messaggio",
    re.IGNORECASE,
)
"""What the program says without a name."""


_YOU = ("You", "Du", "Vous", "Você", "Tú", "Je", "Ty", "Вы", "Ви", "Sen", "Bạn", "Anda", "Εσείς")
_A_USER = re.compile(r"(?:Użytkownik|Uživatel|Používateľ|Пользователь|Користувач|Потребителят|Ο χρήστης) ")
_PARTICLE = re.compile("さん|님|[已对對傳传发發送分]")
_MEDIA = ("photos", "videos", "share", "sticker", "gifs", "audio_files", "files")
_LONGEST_ABOUT_MEDIA = 80
"""Characters of what the program says, behind its sender's name, about what a message has beside text."""


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with messages that name their sender as Facebook does."""
    paths = json_paths(file)
    return "messages.item.sender_name" in paths or {"messages.item.senderName", "participants"} <= paths


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages, the oldest first."""
    chat = Chat()
    for location, record in _oldest_first(file, report):
        sender = repaired(text_in(record, "sender_name") or text_in(record, "senderName") or "")
        text = repaired(text_in(record, "content") or text_in(record, "text") or "").strip()
        if _is_by_program(record, sender, text):
            report.skip(location.error(None, "a line of the program", "a message", "no message of a user"))
            continue
        if record.get("is_unsent") or record.get("isUnsent"):
            report.skip(location.error(None, "a message that was taken back", "a message", "deleted"))
            continue
        if _NOBODY.fullmatch(sender):
            report.skip(location.error(None, repr(sender), "a user", "by a deleted account"))
            continue
        date = if_valid("date", optional_date, record, _time_field(record), location, report)
        document = message(location, report, sender, text, date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text))


def repaired(text: str) -> str:
    """A text whose UTF-8 bytes were exported as letters of Latin-1, as it was written; any other as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _is_by_program(record: dict[str, Any], sender: str, text: str) -> bool:
    """Whether the program wrote a message in a user's name, as in `Ann sent a photo.`"""
    if text_in(record, "type") in ("Call", "Subscribe", "Unsubscribe", "Payment", "call") or "call_duration" in record:
        return True
    text = text.rstrip(". 。")
    rest = next((rest for name in _names(sender) if (rest := _behind(name, text))), None)
    if rest is None:
        return _SAID.fullmatch(text) is not None or is_said(text)
    has_media = len(rest) <= _LONGEST_ABOUT_MEDIA and any(record.get(field) for field in _MEDIA)
    return has_media or _DOES.fullmatch(rest) is not None or is_said_of_user(rest)


def _names(sender: str) -> tuple[str, ...]:
    """What the program calls a sender; the reader of the chat is `You`."""
    return (*filter(None, (sender, sender.partition(" ")[0])), *_YOU)


def _behind(name: str, text: str) -> str | None:
    """What stands behind a user's name at the beginning of a text; None where it begins otherwise."""
    text = _A_USER.sub("", text)
    behind = text.removeprefix(name)
    is_named = behind != text and (behind[:1] == " " or _PARTICLE.match(behind) is not None)
    return behind.strip() or None if is_named else None


def _time_field(record: dict[str, Any]) -> str:
    return "timestamp_ms" if "timestamp_ms" in record else "timestamp"


def _oldest_first(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, dict[str, Any]]]:
    """The messages of a file in the order of their time; they are sorted on the disk, as there may be many."""
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE messages (time TEXT, number INTEGER, record TEXT)")
        for location, record, _ in json_items(file, ("messages.item",), report):
            if not isinstance(record, dict):
                report.reject(location.error(None, type(record).__name__, "a message", "no message"))
                continue
            time = if_valid("date", optional_date, record, _time_field(record), location, LoadReport())
            row = (time or "", location.line, json.dumps(record))
            database.execute("INSERT INTO messages VALUES (?, ?, ?)", row)
        for number, record in database.execute("SELECT number, record FROM messages ORDER BY time, number DESC"):
            yield Location(file.path, number), json.loads(record)


READER = Reader("a chat of Messenger or Instagram", "JSON with messages that have sender_name", recognizes, read)
