"""What the sender of an email wrote: its text without quoted and forwarded messages, and without signatures.

Mail programs put a line above what they quote (`On Monday Ann wrote:`) or a block of headers, in the language of their
user. The words below are those of widespread programs (Gmail, Outlook, Apple Mail, Thunderbird).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

_WROTE_WORDS = """
wrote|writes|schrieb|schreef|a écrit|écrit|escribió|escreveu|ha scritto|scrive|skrev|kirjoitti|napsal|napsal(a)|napísal
napisał|napisał(a)|pisze|írta|a scris|написал|написала|пишет|пише|написав|έγραψε|yazdı|şunları yazdı|đã viết|menulis
写道|寫道|のメール|は書きました|님이 작성|작성|كتب|כתב|כתבה|ने लिखा|เขียน
"""
_FROM_WORDS = """
From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|Feladó|De la|От|Від|Από|Kimden|Gönderen|Từ|Dari
发件人|寄件者|寄件人|差出人|送信者
보낸 사람|보낸사람|من|מאת|จาก
"""
_HEADER_WORDS = """
Sent|To|Cc|Date|Subject|Gesendet|An|Datum|Betreff|Envoyé|À|Objet|Enviado|Enviado el|Enviada em|Para|Fecha|Asunto|Data
Assunto|Inviato|A|Oggetto|Verzonden|Aan|Onderwerp|Skickat|Till|Ämne|Sendt|Til|Emne|Dato|Lähetetty|Vastaanottaja|Aihe
Odesláno|Komu|Předmět|Wysłano|Do|Temat|Elküldve|Címzett|Tárgy|Trimis|Către|Отправлено|Кому|Тема|Дата|Надіслано
Ημερομηνία|Προς|Θέμα|Gönderilme|Kime|Konu|Tarih|发送时间|发送日期|日期|收件人|主题|寄件日期|收件者|主旨|送信日時|日付|宛先
件名|보낸 날짜|보낸날짜|받는 사람|받는사람|날짜|제목|تاريخ|إلى|الموضوع|נשלח|אל|נושא
"""
_FORWARDED = (
    r"-{2,} ?(original message|forwarded (by|message)|original[- ]?nachricht|ursprüngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message transféré|message original|mensaje original"
    r"|mensaje reenviado|mensagem original|mensagem encaminhada|messaggio originale|messaggio inoltrato"
    r"|oorspronkelijk bericht|doorgestuurd bericht|ursprungligt meddelande|originalmeddelelse|wiadomość oryginalna"
    r"|původní zpráva|исходное сообщение|пересылаемое сообщение|原始邮件|原始郵件|转发邮件|元のメッセージ|원본 메시지)"
    r"|begin forwarded message|anfang der weitergeleiteten|début du message réexpédié|inicio del mensaje reenviado"
    r"|inizio messaggio inoltrato|начало переадресованного сообщения|_{20,}$|={20,}$|-- ?$"
)
_PHONE = (
    r"sent (from|via|with|using) (my|the|an?|outlook|yahoo|proton|samsung|windows|mail|gmail|aol|spark|e?m?ail)\b.*"
    r"|get outlook for\b.*|sent from [a-z0-9 ]{2,40}|(von|vom) (meinem|mein)\b.*gesendet.*|gesendet (von|mit|aus)\b.*"
    r"|diese nachricht wurde von mein.*gesendet.*|envoyé (de|depuis|à partir)\b.*|télécharger outlook pour.*"
    r"|enviado (desde|do|a partir|de)\b.*|obtener outlook para.*|obter o outlook para.*|inviato d(a|al|alla)\b.*"
    r"|scarica outlook per.*|ottieni outlook per.*|verzonden (vanaf|met|vanuit)\b.*|outlook voor.*downloaden"
    r"|skickat från\b.*|hämta outlook för.*|sendt fra\b.*|lähetetty\b.*(puhelimesta|iphonesta).*"
    r"|odesláno z\b.*|wysłan[eoy] z\b.*|отправлено (с|из)\b.*|надіслано (з|із)\b.*|iphone'umdan gönderildi"
    r"|发自我的.*|發自我的.*|从我的.*发送|(iphone|ipad|android)から送信|(나의|내) .*에서 보냄|أُرسلت من.*|נשלח מה.*"
)
_ADDRESS = r"[<(\[][^<>()\[\]\s]*(?:mailto:)?[^<>()\[\]\s]+@[^<>()\[\]\s]+"
_DATE = r"\b\d{4}\b|\b\d\d?[:.]\d\d\b|\d年|\b\d\d?/\d\d?/\d\d(?:\d\d)?\b"
_NUMBER = re.compile(r"\d+")
_COLONS = (":", "：")
ATTRIBUTION_CHARACTERS = 300
"""Length up to which a line, or two that were wrapped, may be the one above a quoted message."""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _words(table: str) -> list[str]:
    return re.split(r"[|\n]", table.strip())


_end_of_text = re.compile(_FORWARDED, re.IGNORECASE)
_spaced = rf"(?:^|[\s>,）)])(?:{_any_of(_words(_WROTE_WORDS))})\b"
_wrote = re.compile(rf"{_spaced}|(?:{_any_of(word for word in _words(_WROTE_WORDS) if not word.isascii())})")
_english_wrote = re.compile(r"on .{5,200} wrote:$", re.IGNORECASE)
_address, _date = re.compile(_ADDRESS), re.compile(_DATE)
_from_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(_FROM_WORDS))})[*_ ]*[:：][*_ ]*\S", re.IGNORECASE)
_other_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(_HEADER_WORDS))})[*_ ]*[:：]", re.IGNORECASE)
_phone = re.compile(rf"(?:{_PHONE})(?:<[^<>]*>)?\.?", re.IGNORECASE)


def sender_text(body: str) -> str:
    """What the sender wrote: the text before a quoted or forwarded message or the signature, without quoted lines.

    Text below quoted lines is the sender's too.

    body: the plain text of a message.
    """
    return divided_text(body)[0]


def divided_text(body: str) -> tuple[str, str]:
    """What the sender wrote, as `sender_text` says, and what the one wrote who is quoted first; empty where none is.

    body: the plain text of a message.
    """
    own: list[str] = []
    quoted: list[str] = []
    rest = deque(line.rstrip() for line in body.replace("\r\n", "\n").split("\n"))
    while rest:
        line = rest.popleft()
        plain = _plain(line)
        if _end_of_text.match(plain) or _begins_headers(plain, rest):
            quoted = quoted or _below_headers([line, *rest])
            break
        following = _plain(rest[0]) if rest else ""
        if following.endswith(_COLONS) and _is_wrapped_attribution(plain, following):
            plain = f"{plain} {following}"
            rest.popleft()
        if _is_attribution(plain):
            if not _following(rest).startswith(">"):
                quoted = quoted or list(rest)
                break
        elif plain.startswith(">"):
            quoted.append(plain[1:].removeprefix(" "))
        else:
            own.append(line)
    answered = divided_text("\n".join(quoted))[0] if quoted else ""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_without_phone(own))).strip(), answered


def _begins_headers(line: str, rest: Iterable[str]) -> bool:
    """Whether a line and the next one are headers of a message, the first one that of its sender."""
    has_colon = ":" in line or "：" in line
    return has_colon and bool(_from_header.match(line) and _other_header.match(_following(rest)))


def _below_headers(lines: list[str]) -> list[str]:
    """The lines below the block of headers with which these begin, behind a line of dashes; none without a block."""
    first = 0 if _from_header.match(_plain(lines[0])) else 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines) or not _from_header.match(_plain(lines[first])):
        return []
    while first < len(lines) and lines[first].strip():
        first += 1
    return lines[first:]


def _plain(line: str) -> str:
    """A line without outer white space, no-break spaces and other invisible characters."""
    return line.replace("\xa0", " ").replace("\u202f", " ").strip(" \t\u200b\u200e\u200f\ufeff")


def _following(lines: Iterable[str]) -> str:
    """The next line that is not empty."""
    return next((plain for line in lines if (plain := _plain(line))), "")


def _is_attribution(line: str) -> bool:
    """Whether a line stands above a quoted message: it names who wrote, and when."""
    if not line.endswith(_COLONS) or len(line) > ATTRIBUTION_CHARACTERS:
        return False
    address, wrote, dated = _address.search(line), _wrote.search(line), _is_dated(line)
    return bool(_english_wrote.match(line) or (wrote and (address or dated)) or (address and dated))


def _is_dated(line: str) -> bool:
    """Whether there is a date in a line that is more than a year."""
    return bool(_date.search(line)) and len(_NUMBER.findall(line)) > 1


def _is_wrapped_attribution(line: str, following: str) -> bool:
    """Whether a line and the next one are an attribution together."""
    begins = _is_dated(line) or line[:3].lower() == "on " or (_address.search(line) and not _is_attribution(following))
    return bool(begins) and not line.endswith((".", "!", "?", ":")) and _is_attribution(f"{line} {following}")


def _without_phone(lines: list[str]) -> list[str]:
    """The lines without what a telephone's mail program adds, as paragraphs of a line, below them."""
    kept = list(lines)
    while kept:
        alone = len(kept) == 1 or not kept[-2].strip()
        if kept[-1].strip() and not (alone and _phone.fullmatch(_plain(kept[-1]))):
            break
        kept.pop()
    return kept


def unwrapped(text: str, delete_space: bool) -> str:
    """The text of a `format=flowed` part (RFC 3676): lines that end in a space go on in the next one.

    delete_space: whether that space is not part of the text (`delsp=yes`).
    """
    paragraphs: list[str] = []
    flows = False
    for line in text.replace("\r\n", "\n").split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ") if depth or line.startswith(" ") else line
        if flows and not depth:
            paragraphs[-1] += content
        else:
            paragraphs.append(">" * depth + (" " if depth else "") + content)
        flows = content.endswith(" ") and content != "-- " and not depth
        if flows and delete_space:
            paragraphs[-1] = paragraphs[-1][:-1]
    return "\n".join(paragraphs)
