"""Tells messages that Messenger and Instagram write in a user's name, and their names for deleted accounts."""

from __future__ import annotations

import re
from typing import Any

from penname.data.readers.facebook_words import is_said, is_said_of_user
from penname.data.readers.json_items import text_in

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
    r"|say hi to your new .{1,80}|you('re| are) now (connected|friends).{0,80}|you can now (message|call|chat).{1,80}"
    r"|you (waved|said hi) (at|to) .{1,80}|.{1,60} waved (at|to) you|.{1,60} (is|joined) (now )?on messenger.{0,60}"
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


def is_deleted_account(sender: str) -> bool:
    """Whether a name is the program's for users whose accounts are deleted."""
    return _NOBODY.fullmatch(sender) is not None


def is_by_program(record: dict[str, Any], sender: str, text: str) -> bool:
    """Whether the program wrote a message in a user's name, as in `Ann sent a photo.`

    record: the message.
    sender: in whose name it is.
    text: its text.
    """
    if text_in(record, "type") in ("Call", "Subscribe", "Unsubscribe", "Payment", "call") or "call_duration" in record:
        return True
    text = text.rstrip(". 。")
    rest = next((rest for name in _names(sender) if (rest := _behind(name, text))), None)
    if rest is None:
        return _SAID.fullmatch(text.rstrip("!")) is not None or is_said(text)
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
