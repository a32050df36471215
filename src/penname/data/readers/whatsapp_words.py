"""What WhatsApp writes into exported chats itself, in the languages that it speaks."""

from __future__ import annotations

import re

from penname.data.readers.whatsapp_lines import MARK
from penname.data.readers.whatsapp_phrases import CALLS, DELETED

_OMITTED = (
    r"(image|photo|video( note)?|audio|sticker|GIF|document|contact card|media|view once message) omitted",
    r"(Bild|Video(notiz)?|Audio|Sticker|GIF|Dokument|Medien) weggelassen|Kontaktkarte (ausgelassen|weggelassen)",
    r"(imagen|tarjeta de contacto) omitida|(v[ií]deo|audio|sticker|GIF|documento|multimedia) omitido",
    r"(imagem|figurinha|mídia|vídeo|áudio|documento|GIF|cartão d[eo] contato) (ocultad[oa]|ocult[oa]|omitid[oa])",
    r"(imagem|vídeo|ficheiro( de áudio)?|sticker|GIF|contacto|documento) não revelad[oa]|figurinha não incluída",
    r"(image|vidéo|document|fiche contact|média)s? (absent|manquant|omis)e?|(audio|sticker|GIF) (omis|retiré)",
    r"(immagine|scheda contatto) omessa|(video|audio|documento) omesso|sticker non incluso|GIF esclusa",
    r"(afbeelding|video|audio|sticker|GIF|document|visitekaartje) weggelaten",
    r"(изображение|видео|аудиофайл|GIF|документ|карточка контакта|медиа) отсутствует|стикер не добавлен",
    r"(इमेज|फ़ोटो|ऑडियो) हटाई ग[ई|यी]|(वीडियो|स्टिकर|GIF|कॉन्टैक्ट कार्ड|डॉक्यूमेंट|मीडिया) छोड़ा गया",
    r"لم يتم إدراج [^\n]{1,40}|تم حذف الملصقات|(تصویر|ویدیو|صدا|استیکر|GIF|سند|برگ مخاطب) حذف شد",
    r"(이미지|사진|비디오|동영상|오디오|스티커|GIF|문서|연락처 카드) ?(생략|제외)됨",
    r"(画像|写真|ビデオ|動画|音声|スタンプ|GIF ?|ドキュメント|連絡先カード)(は含まれていません|を?省略)",
    r"(图片|圖片|照片|图像|圖像|视频|視訊|影片|音频|音訊|贴图|貼圖|GIF ?(动态图|圖片)?|文档|文件|联系人卡片|聯絡人卡片)"
    r" ?(已被?)?(略去|忽略|省略)",
    r"(görüntü|video|ses|çıkartma|GIF|belge|kişi kartı) dahil edilmedi",
    r"(gambar|video|audio|stiker|GIF|dokumen|kartu kontak) tidak disertakan",
    r"(obraz|wideo|audio|plik GIF|dokument) pominięt[aey]?|pominięto naklejkę",
)
_NOTICES = (
    r"(messages and calls|messages to this (chat|group)|messages you send to this).{0,60}end-to-end.*",
    r"(deine )?nachrichten.{0,60}ende-zu-ende.*|los mensajes.{0,60}extremo a extremo.*",
    r"(as|suas) (mensagens|chamadas).{0,60}(ponta[ -]a[ -]ponta|ponto a ponto).*",
    r"les messages.{0,60}bout en bout.*|i (tuoi )?messaggi.{0,60}end-to-end.*|berichten.{0,60}end-to-end.*",
    r"(ваши )?сообщения и звонки.{0,40}шифрованием.*|मैसेज.{0,30}एन्क्रिप्टेड.*|الرسائل والمكالمات مشفرة.*",
    r"پیام.{0,40}رمزگذاری.*|메시지.{0,20}암호화.*|メッセージと通話.{0,20}暗号化.*|(您发送的)?(消息|信息|訊息).{0,12}加密.*",
    r"mesajlar ve aramalar uçtan uca.*|pesan dan panggilan.{0,40}end-to-end.*|wiadomości i połączenia.*zaszyfrowane.*",
    r"your security code with .{1,80} changed.*|deine sicherheitsnummer (für|mit) .{1,80} geändert.*",
    r"(cambió )?tu código de seguridad con .{1,80}|seu código de segurança com .{1,80} mudou.*",
    r"votre code de sécurité avec .{1,80} a changé.*|il tuo codice di sicurezza con .{1,80} è cambiato.*",
    r"\w+ ?: https?://(maps\.google\.[a-z.]+|foursquare\.com|www\.google\.[a-z.]+/maps|maps\.apple\.com)/?\S*",
    r"live location shared|live-?standort wird geteilt|ubicación en tiempo real compartida",
    r"localização (em tempo real|atual) compartilhada|localisation en direct partagée|posizione attuale condivisa",
    r"(poll|umfrage|encuesta|enquete|sondagem|sondage|sondaggio|peiling|опрос|анкета|투표|アンケート|投票) ?[:：]\n.*",
)

_SAID = re.compile(rf"(?:{'|'.join((*_OMITTED, *DELETED, *CALLS, *_NOTICES))})[.。।۔!]?", re.IGNORECASE | re.DOTALL)
"""A whole message that the program wrote, as where a picture or a deleted message was."""

_EVENT = re.compile(
    r"created (this )?group|this group|the group|group (name|description|settings)|the subject|invite link"
    r"|disappearing messages|to a new number|an admin|pinned a message|blocked this contact"
    r"|(die|diese|der|dieser|zur) Gruppe|den (Betreff|Gruppennamen)|Einladungslink|Gruppenbeschreibung|Gruppenbild"
    r"|(el|al|del|este) grupo|el asunto|enlace de invitación|(o|ao|do|no|este|deste) grupo|o assunto|link de convite"
    r"|(le|au|du|ce) groupe|le sujet|lien d.invitation|(il|al|del|questo|nel) gruppo|l.oggetto|link di invito"
)
"""Words of what the program says of a group."""

_ACTION = re.compile(
    r"\b(added|removed|left|joined|created|changed|now an admin|hinzugefügt|entfernt|verlassen|erstellt|geändert"
    r"|beigetreten|añadió|agregó|eliminó|salió|creó|cambió|se unió|adicionou|removeu|saiu|criou|mudou|alterou|entrou"
    r"|ajouté|retiré|quitté|créé|modifié|changé|rejoint|parti|aggiunto|rimosso|abbandonato|lasciato|uscito|creato"
    r"|cambiato|toegevoegd|verwijderd|aangemaakt|gewijzigd|добавил|удалил|создал|изменил|вышел|покинул)"
)
"""What the program says that a member of a group did, behind the member's name."""

_EDITED = re.compile(
    r"\u200e?<[^<>\d/@=\n]*(?:edit|bearbeitet|modifi|bewerkt|измен|отредактир|تعديل|ویرایش|एडिट|संपादित|수정|편집"
    r"|編集|编辑|編輯|düzenlendi|disunting|edytowan|נערכה|redigera|muokat|uprav|szerkeszt|επεξεργ|chỉnh sửa|แก้ไข)"
    r"[^<>\d/@=\n]*>\s*$",
    re.IGNORECASE,
)
"""The mark behind a message that was edited."""

_ATTACHED = re.compile(
    r"\u200e?<[^<>:：\n]{2,40}[:：] ?(?!//)[^<>\n]+\.\w{2,5}>|\u200e<[^<>\n]*>"  # an iPhone's
    r"|^\u200e?[^\n]{1,200}\.\w{2,5} \((?:[^()\n]*(?:file|fichier|datei|archivo|arquivo|ficheiro|bestand|plik|файл"
    r"|dosya|फ़ाइल|फाइल|الملف|پیوست|파일|ファイル|附件|קובץ|fil|tệp|fájl|ไฟล์)[^()\n]*)\)"  # Android's
    r"|^\u200e?<(?:[^<>\d/@=\n]+ [^<>\d/@=\n]+|[^\W\d][^\x00-\x7f][^<>\d/@=\n]+|Multimedia)>",
    re.IGNORECASE,
)
"""What stands for a file, before its caption or behind it."""

_NAME_OF_FILE = re.compile(r"[^\n]{1,200}\.\w{2,5}( \u2022 [^\n]*)?")
"""What is left beside a document that has no caption."""

_YOU = re.compile(r"(You|Du hast|Añadiste|Eliminaste|Você|Vous avez|Tu as|Hai|Je hebt|Вы) ")
_PHONE = re.compile(r"\+\d[\d\s()‑-]{6,}\W*$")
_MARKS = re.compile(MARK)
_EDGE = re.compile(r"\b")


def is_notice(author: str, text: str) -> bool:
    """Whether a whole message is the program's, and has a colon by chance.

    author: what is before the first colon.
    text: all of it.
    """
    if _ACTION.search(author) and _EVENT.search(author):
        return True
    return len(author) > 25 and _SAID.fullmatch(_MARKS.sub("", text).strip()) is not None  # names are shorter


def is_event(author: str, content: str, senders: frozenset[str]) -> bool:
    """Whether a message tells what a member of a group did, as in `Ann: Ann left`.

    senders: names of members.
    """
    plain = _MARKS.sub("", content).strip()
    if len(plain) > 200 or "\n" in plain or not _ACTION.search(plain):
        return False
    if plain.startswith(f"{author} "):
        return True
    by_member = _YOU.match(plain) or any(plain.startswith(f"{name} ") for name in senders)
    of_member = _PHONE.search(plain) or any(_ends_in(plain, name) for name in senders)
    return bool(by_member and (of_member or _EVENT.search(plain)))


def _ends_in(text: str, name: str) -> bool:
    """Whether a text ends in a name, with one character behind it at most."""
    # No pattern of the name: Python would keep it.
    return any(
        text.endswith(name, 0, end) and _EDGE.match(text, end - len(name)) and _EDGE.match(text, end)
        for end in (len(text), len(text) - 1)
    )


def written(content: str, is_marked: bool) -> str | None:
    """What the sender wrote, without marks of the program; None for a message that the program wrote.

    is_marked: whether a mark at the beginning of the line shows that the program wrote something of it.
    """
    content = content.replace("\r", "")
    without = _ATTACHED.sub("", _EDITED.sub("", content)).strip(" \n")
    is_changed = without != content.strip(" \n")
    plain = _MARKS.sub("", without).strip()
    if is_changed and _NAME_OF_FILE.fullmatch(plain):
        return ""
    by_program = not is_changed and (is_marked or without.startswith("\u200e"))
    return None if by_program or _SAID.fullmatch(plain) else plain
