"""Names that nobody has to know: those that follow a greeting or a title."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from penname.data.masking.contact_details import Span

_CAPITALIZED = r"\p{Lu}[\p{L}\p{M}'’-]+"
_GREETED = regex.compile(
    r"(?m)(?:^|(?<=[.!?…] ))[ \t]*"
    r"(?i:Hi|Hello|Hey|Dear|Hallo|Liebe[rs]?|Sehr geehrte[rs]?|Ch[eè]re?|Bonjour|Salut|Hola|Querid[oa]"
    r"|Estimad[oa]|Ciao|Car[oa]|Gentile|Olá|Prezad[oa]|Beste|Hej|Hei|Kära|Kjære|Kære|Cześć|Drog[ai]|Ahoj|Привет"
    r"|Здравствуйте|Уважаем(?:ый|ая)|Дорог(?:ой|ая)|Merhaba|Sayın)[, ]+"
    rf"(?P<name>{_CAPITALIZED}(?: {_CAPITALIZED}){{0,2}})[ \t]*(?:[,!:](?=\s|$)|\.(?=[ \t]*(?:\n|$)))"
    r"|(?<!\p{L})(?:(?:Mr|Mrs|Ms|Mx|Dr|Sr|Sra|Srta|Hr|Sig|Dott)\.|(?:Mr|Mrs|Ms|Miss|Herrn?|Frau|Mme|Mlle|Monsieur|Madame"
    r"|Señora?|Signora?|Mevr|Mevrouw|Meneer|г-н[ау]?|г-ж[аеу]|господин[ау]?|госпож[аеу])) "
    rf"(?P<titled>{_CAPITALIZED}(?: {_CAPITALIZED}){{0,2}})"
)
_NO_NAME = regex.compile(
    r"(?i)(?:all|team|everyone|everybody|folks|guys|sirs?|madam|friends?|colleagues?|customers?|there|world|diary|santa"
    r"|vice|president|speaker|chairman|minister|secretary|mom|mum|dad|mama|papa|damen|herren|frau|herr|kollegen|kolleginnen"
    r"|freunde|kunden?|kundin|leute|grüße|welt|professor|doktor|tou[st]e?s?|todo[sa]s|tutti|monsieur|madame|mesdames"
    r"|amigos|amigas|señor(?:a|es)?|signor[ae]?|коллеги|друзья|мир|господа|mr|mrs|ms|dr)(?:\b.*)?"
)


def greeted_names(text: str) -> Iterator[Span]:
    """The names that follow a greeting at the beginning of a sentence, or a title such as `Mr.`, known or not."""
    for match in _GREETED.finditer(text):
        group = "name" if match["name"] else "titled"
        start, end = match.span(group)
        if not _NO_NAME.fullmatch(text, start, end):
            yield Span(start, end, "name")
