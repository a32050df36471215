"""The names of the months in many languages, and their beginnings as abbreviations."""

from __future__ import annotations

import unicodedata
from functools import cache

_NAMES = """
january february march april may june july august september october november december janvier février mars avril mai
juin juillet août septembre octobre novembre décembre januar/jänner februar/feber märz/mrz april mai juni juli august
september oktober november dezember enero febrero marzo abril mayo junio julio agosto septiembre/setiembre octubre
noviembre diciembre janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro gennaio
febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre gener febrer març abril maig juny
juliol agost setembre octubre novembre desembre januari februari maart/mrt april mei juni juli augustus september
oktober november december januari februari mars april maj juni juli augusti september oktober november december januar
februar marts/mars april maj/mai juni juli august september oktober november december/desember janúar febrúar mars apríl
maí júní júlí ágúst september október nóvember desember tammikuu/tammikuuta helmikuu/helmikuuta maaliskuu/maaliskuuta
huhtikuu/huhtikuuta toukokuu/toukokuuta kesäkuu/kesäkuuta heinäkuu/heinäkuuta elokuu/elokuuta syyskuu/syyskuuta
lokakuu/lokakuuta marraskuu/marraskuuta joulukuu/joulukuuta jaanuar veebruar märts aprill mai juuni juuli august
september oktoober november detsember janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris
novembris decembris sausio/sausis vasario/vasaris kovo/kovas balandžio gegužės birželio liepos/liepa rugpjūčio rugsėjo
spalio lapkričio gruodžio styczeń/stycznia luty/lutego marzec/marca kwiecień/kwietnia maj/maja czerwiec/czerwca
lipiec/lipca sierpień/sierpnia wrzesień/września październik/października listopad/listopada grudzień/grudnia
leden/ledna únor/února březen/března duben/dubna květen/května červen/června červenec/července srpen/srpna září
říjen/října listopad/listopadu prosinec/prosince január/januára február/februára marec/marca apríl/apríla máj/mája
jún/júna júl/júla august/augusta september/septembra október/októbra november/novembra december/decembra január február
március április május június július augusztus szeptember október november december ianuarie februarie martie aprilie mai
iunie iulie august septembrie octombrie noiembrie decembrie januar/januara februar/februara mart/marta april/aprila
maj/maja jun/juna jul/jula avgust/avgusta septembar/septembra oktobar/oktobra novembar/novembra decembar/decembra ocak
şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık januari februari maret april mei juni juli agustus
september oktober november desember январь/января февраль/февраля март/марта апрель/апреля май/мая июнь/июня июль/июля
август/августа сентябрь/сентября октябрь/октября ноябрь/ноября декабрь/декабря січень/січня лютий/лютого
березень/березня квітень/квітня травень/травня червень/червня липень/липня серпень/серпня вересень/вересня
жовтень/жовтня листопад/листопада грудень/грудня януари февруари март април май юни юли август септември октомври
ноември декември ιανουάριος/ιανουαρίου φεβρουάριος/φεβρουαρίου μάρτιος/μαρτίου απρίλιος/απριλίου μάιος/μαΐου
ιούνιος/ιουνίου ιούλιος/ιουλίου αύγουστος/αυγούστου σεπτέμβριος/σεπτεμβρίου οκτώβριος/οκτωβρίου νοέμβριος/νοεμβρίου
δεκέμβριος/δεκεμβρίου ינואר/בינואר פברואר/בפברואר מרץ/במרץ אפריל/באפריל מאי/במאי יוני/ביוני יולי/ביולי אוגוסט/באוגוסט
ספטמבר/בספטמבר אוקטובר/באוקטובר נובמבר/בנובמבר דצמבר/בדצמבר يناير فبراير مارس أبريل/ابريل مايو يونيو يوليو أغسطس/اغسطس
سبتمبر أكتوبر/اكتوبر نوفمبر ديسمبر ژانویه فوریه مارس آوریل مه ژوئن ژوئیه اوت سپتامبر اکتبر نوامبر دسامبر जनवरी
फ़रवरी/फरवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर/सितम्बर अक्टूबर/अक्तूबर नवंबर/नवम्बर दिसंबर/दिसम्बर มกราคม
กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม
"""
"""From January to December, language by language; other forms of a name behind a slash."""

ENGLISH = "jan feb mar apr may jun jul aug sep oct nov dec".split()

_LEAST = 3
"""Letters that an abbreviation has at least."""


def month_named(word: str) -> int | None:
    """The month from 1 to 12 that a word names in any language, or in one alone if it is an abbreviation."""
    return _months().get(plain(word))


def plain(word: str) -> str:
    """A word in lower case without accents, which programs leave out at times."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")


@cache
def _months() -> dict[str, int]:
    """The month of each name, and of each beginning of names that are all of one month."""
    whole: dict[str, int] = {}
    beginnings: dict[str, set[int]] = {}
    for at, names in enumerate(_NAMES.split()):
        number = at % 12 + 1
        for name in map(plain, names.split("/")):
            whole.setdefault(name, number)
            for length in range(_LEAST, len(name)):
                beginnings.setdefault(name[:length], set()).add(number)
    unique = {beginning: min(numbers) for beginning, numbers in beginnings.items() if len(numbers) == 1}
    return {**unique, **whole, **{name: number for number, name in enumerate(ENGLISH, 1)}}
