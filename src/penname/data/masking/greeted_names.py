"""Names that nobody has to know: those that follow a greeting or a title."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from penname.data.masking.contact_details import Span

_GREETINGS = (
    r"Hi|Hello|Hey|Dear|My dear|Good (?:morning|afternoon|evening|day)",
    r"Hallo|Liebe[rs]?|Sehr geehrte[rs]?|Geehrte[rs]?|Werte[rs]?|Guten (?:Tag|Morgen|Abend)|Moin|Servus|Grüß Gott",
    r"(?:Bien )?ch[eè]re?s?|Bonjour|Bonsoir|Salut|Coucou",
    r"Hola|(?:Muy )?querid[oa]s?|(?:Muy )?estimad[oa]s?|Apreciad[oa]|Buen(?:os|as) (?:días|tardes|noches)",
    r"Ciao|Car[oaie]|Carissim[oa]|Gentil(?:e|issim[oa])|Gent\.m[oa]|Egregi[oa]|Egr\.|Spett\.(?:le)?",
    r"Buon ?giorno|Buona ?sera",
    r"Olá|Oi|Prezad[oa]s?|Car[oa]s|Bom dia|Boa (?:tarde|noite)|Ex\.m[oa]",
    r"Beste|Geachte|Lieve|Hoi|Dag|Goede(?:morgen|middag|navond|ndag)",
    r"Hej|Hei|Hejsan|Kär[ae]|Bästa|Kjære|Kære|God (?:morgen|dag|kveld|aften|morgon)|Moi|Terve|Hyvä|Rakas",
    r"Cześć|Drog[ai]|Szanown[yae]|Witaj|Dzień dobry|Dobry wieczór",
    r"Ahoj|Vážen[ýáí]|Mil[ýá]|Drah[ýá]|Dobr[ýéí] (?:den|ráno|deň)",
    r"Dragi|Draga|Poštovan[aie]|Spoštovan[aie]|Zdravo|Kedves|Tisztelt|Szia|Drag[ăa]|Stimat[eă]|Bună(?: ziua)?",
    r"Merhaba|Selam|Sayın|Sevgili|Günaydın|İyi günler|Benvolgu(?:t|da)|Estimad?[at]|Halo|Yth\.?|Bapak|Ibu",
    r"Привет|Здравствуй(?:те)?|Уважаем(?:ый|ая|ые|и|а)|Дорог(?:ой|ая|ие|ий|а)",
    r"Добр(?:ый|ое|ого) (?:день|утро|вечер|дня)|Мил(?:ый|ая)|Привіт|(?:Вельми)?шановн(?:ий|а|і)|Любий|Люба",
    r"Добр(?:ий|ого) (?:день|ранок|вечір|дня)|Здравей(?:те)?|Скъпи|Скъпа",
)
_ABBREVIATED = (
    r"Mr|Mrs|Ms|Mx|Dr|Dra|Prof|Rev|Hon|Capt|Sr|Sra|Srta|Srª|Dª|Hr|Frl|Dipl|Ing|Lic|Arq|Abg|Sig|Sigg|Dott|Avv|Mme|Mmes|Mlle"
    r"|Mevr|Mw|Dhr|Mgr|RNDr|MUDr|JUDr|dr|inż|mgr|д-р|проф"
)
_ENDED = (
    r"Sig\.ra|Sig\.na|Sig\.a|Dott\.ssa|Dr\.ssa|Prof\.ssa|Dipl\.-Ing\.|Dr\.-Ing\."
    r"|Dr\. (?:med|phil|jur|rer)\.(?: nat\.)?|M\.|MM\."
)
"""Titles that have a full stop within, or are told by it alone."""

_WRITTEN_OUT = (
    r"[Mm]onsieur|[Mm]adame|[Mm]ademoiselle|[Mm]essieurs|[Mm]esdames|[Mm]aître|[Dd]octeur|[Dd]octoresse|[Pp]rofesseure?"
    r"|[Ss]eñor(?:a|ita)?|[Dd]oña|don|Doctor(?:a)?|[Pp]rofesor(?:a)?|[Ss]ignor(?:e|a|ina)?|[Dd]ottor(?:e|essa)?"
    r"|[Aa]vvocato|[Ii]ngegner(?:e)?|Professor|[Pp]rofessor(?:e|essa|a)|[Ss]enhor(?:a|ita)?|[Dd]outor(?:a)?|Dona"
    r"|[Mm]evrouw|[Mm]eneer|[Mm]ijnheer|[Hh]eer|[Hh]err[an]?|[Rr]ouva|[Ff]rau|[Ff]räulein|Fru|Frøken|Fröken|Doktor|Professorin"
    r"|Pan(?:a|ie|u|em)?|Pan[ií]|Pane|[Dd]omnul(?:e|ui)?|[Dd]oamn[aăe]i?|[Gg]ospodin[ea]?|[Gg]ospođ[aoeiu]|[Gg]ospod|[Gg]osp[ae]"
    r"|[Ss]enyor(?:a)?|Miss|Sir|Pak|Bapak|Ibu"
    r"|[Гг]-н[ау]?|[Гг]-ж[аеу]|[Гг]осподин[ауе]?|[Гг]оспож[аеуо]|[Пп]ан(?:е|а|ові)?|[Пп]ані"
)
_AFTER_GREETINGS = r"Don|Fr|doctora?|professor|prof|pan[eií]?|panie|fru|hr|fröken|frøken|Madam|madam"
_PARTICLES = (
    r"(?:von und zu|von der|von dem|von|van der|van den|van de|van|de la|de las|de los|della|del|dos|das|de|di|da|du"
    r"|ter|ten|af|av) "
)
_WORD = r"(?:[dl]['’])?\p{Lu}[\p{L}\p{M}'’-]+"
_NAME = rf"(?:{_PARTICLES})?(?:\p{{Lu}}\. ?){{0,2}}{_WORD}(?: (?:{_PARTICLES})?(?:\p{{Lu}}\. )?{_WORD}){{0,2}}"
_WITHOUT_STOP = r"Mr|Mrs|Ms|Mx|Dr|Dra|Prof|Sr|Sra|Mme|Mlle|Mevr|Mw|Dhr"
_TITLE = rf"(?:(?:{_ENDED}) ?|(?:{_ABBREVIATED})\. ?|(?:{_WITHOUT_STOP}) |(?:{_WRITTEN_OUT}) )"
_ANY_TITLE = rf"(?:{_TITLE}|(?:{_AFTER_GREETINGS})\.? )"
_PERSON = rf"(?:{_ANY_TITLE}){{0,4}}(?P<name>{_NAME})"
_AND = r"(?:,? ?(?:and|und|et|y|e|en|og|och|ja|i|a|und|și|ve|и|та|й|&|\+|/) ?)"
_GREETING = rf"(?i:{'|'.join(_GREETINGS)})[, ]+"
_GREETED = regex.compile(
    rf"(?m)(?:^|(?<=[.!?…] ))[ \t]*(?:{_GREETING}){{1,2}}"
    rf"(?:{_PERSON}(?:(?:, {_PERSON}){{0,4}}{_AND}{_PERSON}|(?:,? {_GREETING}{_PERSON}){{1,3}})?"
    r"[ \t]*(?:[,!:](?=\s|$)|\.(?=[ \t]*(?:\n|$)))"
    rf"|(?:{_ANY_TITLE}){{1,4}}(?P<name>{_NAME}))"
    rf"|(?<![\p{{L}}\p{{N}}.])(?<!\p{{Lu}}\. |\d |\p{{Lu}}\p{{Ll}}+ (?=Dr ))(?:{_TITLE}){{1,4}}(?P<name>{_NAME})"
    rf"|(?<![\p{{L}}\p{{N}}])(?P<name>{_WORD}(?: {_WORD})?) (?:Bey|Hanım|úr|asszony)(?!\p{{L}})"
)
_NO_NAME = regex.compile(
    r"(?i)(?:all|team|everyone|everybody|folks|guys|sirs?|madam|friends?|colleagues?|customers?|there|world|diary|santa"
    r"|vice|president|speaker|chairman|minister|secretary|mom|mum|dad|mama|papa|damen|herren|kollegen|kolleginnen"
    r"|freunde?|freundin|kunden?|kundin|leute|grüße|grüsse|wünsche|welt|tou[st]e?s?|todo[sa]s|tutti"
    r"|président|presidente|ministre|ministro|präsident(?:in)?|doktorze|profesorze|dyrektorze|doktore|profesore|kanzler(?:in)?|hälsningar|saluti|pozdrowienia|państwo"
    r"|amigos|amigas|collega|colleghi|heren|dames|allemaal|kaikki|alla|коллеги|друзья|друг|мир|господа|panie|panstwo)(?:\b.*)?"
    rf"|(?:(?:{_ENDED}|{_ABBREVIATED}|{_WRITTEN_OUT}|{_AFTER_GREETINGS})\.? ?)+"
)


def greeted_names(text: str) -> Iterator[Span]:
    """The names behind a greeting at the beginning of a sentence, or at a title such as `Mr.`, known or not."""
    for match in _GREETED.finditer(text):
        for start, end in match.spans("name"):
            if not _NO_NAME.fullmatch(text, start, end):
                yield Span(start, end, "name")
