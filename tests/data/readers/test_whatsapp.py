"""WhatsApp's chats as telephones in many languages export them."""

import re

import pytest
from test_chats import found_in, written

LRM, RLM = "\u200e", "\u200f"
NARROW, NBSP = "\u202f", "\u00a0"

FIRST_LINES = {
    "1/3/24, 9:41{0}PM - ": ("2024-01-03T21:41:00", "1/14/24, 12:05{0}AM - ", "2024-01-14T00:05:00"),  # US, Android
    "[1/3/24, 9:41:07{0}PM] ": (
        "2024-01-03T21:41:07",
        "[1/14/24, 12:05:00{0}AM] ",
        "2024-01-14T00:05:00",
    ),  # US, iPhone
    "03/01/2024, 21:41 - ": ("2024-01-03T21:41:00", "14/01/2024, 00:05 - ", "2024-01-14T00:05:00"),  # UK
    "03.01.24, 21:41 - ": ("2024-01-03T21:41:00", "04.01.24, 00:05 - ", "2024-01-04T00:05:00"),  # German
    "[03.01.24, 21:41:07] ": ("2024-01-03T21:41:07", "[04.01.24, 00:05:00] ", "2024-01-04T00:05:00"),
    "03.01.14 21:41:07: ": ("2014-01-03T21:41:07", "04.01.14 00:05:00: ", "2014-01-04T00:05:00"),  # an old iPhone
    "3/1/24, 9:41 p.{1}m. - ": ("2024-01-03T21:41:00", "14/1/24, 12:05 a.{1}m. - ", "2024-01-14T00:05:00"),  # Spanish
    "03/01/2024 21:41 - ": ("2024-01-03T21:41:00", "14/01/2024 00:05 - ", "2024-01-14T00:05:00"),  # Brazilian
    "03/01/2024 à 21:41 - ": ("2024-01-03T21:41:00", "14/01/2024 à 00:05 - ", "2024-01-14T00:05:00"),  # French
    "03/01/24, 21:41 - ": ("2024-01-03T21:41:00", "14/01/24, 00:05 - ", "2024-01-14T00:05:00"),  # Italian
    "03/01/24, 9:41 pm - ": ("2024-01-03T21:41:00", "14/01/24, 12:05 am - ", "2024-01-14T00:05:00"),  # Indian
    "03/01/24, 9:41 अपराह्न - ": ("2024-01-03T21:41:00", "14/01/24, 9:05 pm - ", "2024-01-14T21:05:00"),
    "٣{3}/١{3}/٢٠٢٤، ٩:٤١ م - ": (
        "2024-01-03T21:41:00",
        "١٤{3}/١{3}/٢٠٢٤، ١٢:٠٥ ص - ",
        "2024-01-14T00:05:00",
    ),  # Arabic
    "۱۴۰۲/۱۰/۱۳،{3} ۲۱:۴۱ - ": ("2024-01-03T21:41:00", "۱۴۰۲/۱۰/۲۴،{3} ۰:۰۵ - ", "2024-01-14T00:05:00"),  # Persian
    "[۲۰۲۴/۱/۳, ۹:۴۱:۰۷ ب.ظ.] ": ("2024-01-03T21:41:07", "[۲۰۲۴/۱/۱۴, ۱۲:۰۵:۰۰ ق.ظ.] ", "2024-01-14T00:05:00"),
    "[2024. 1. 3. 오후 9:41:07] ": (
        "2024-01-03T21:41:07",
        "[2024. 1. 14. 오전 12:05:00] ",
        "2024-01-14T00:05:00",
    ),  # Korean
    "2024/01/03 21:41 - ": ("2024-01-03T21:41:00", "2024/01/14 0:05 - ", "2024-01-14T00:05:00"),  # Japanese
    "[2024/1/3 下午9:41:07] ": ("2024-01-03T21:41:07", "[2024/1/14 凌晨2:05:00] ", "2024-01-14T02:05:00"),  # Chinese
    "2024年1月3日 晚上9:41 - ": ("2024-01-03T21:41:00", "2024年1月14日 早上8:05 - ", "2024-01-14T08:05:00"),
    "03-01-2024 21:41 - ": ("2024-01-03T21:41:00", "14-01-2024 00:05 - ", "2024-01-14T00:05:00"),  # Dutch
    "[3.1.2024 klo 21.41.07] ": ("2024-01-03T21:41:07", "[14.1.2024 klo 0.05.00] ", "2024-01-14T00:05:00"),  # Finnish
    "2024. 01. 03. 21:41 - ": ("2024-01-03T21:41:00", "2024. 01. 14. 0:05 - ", "2024-01-14T00:05:00"),  # Hungarian
    "03.01.2024 г., 21:41 - ": ("2024-01-03T21:41:00", "14.01.2024 г., 0:05 - ", "2024-01-14T00:05:00"),  # Bulgarian
    "3.01.24 г., 21:41 ч. - ": ("2024-01-03T21:41:00", "14.01.24 г., 0:05 ч. - ", "2024-01-14T00:05:00"),
    "21:41, 03/01/2024 - ": ("2024-01-03T21:41:00", "00:05, 14/01/2024 - ", "2024-01-14T00:05:00"),  # Vietnamese
    "3/1/2567 21:41 - ": ("2024-01-03T21:41:00", "14/1/2567 0:05 - ", "2024-01-14T00:05:00"),  # Thai
    "[9:41 PM, 1/3/2024] ": (
        "2024-01-03T21:41:00",
        "[12:05 AM, 1/14/2024] ",
        "2024-01-14T00:05:00",
    ),  # copied from the web
}


@pytest.mark.parametrize("first", FIRST_LINES)
def test_dates_in_the_languages_of_telephones(tmp_path, first):
    date, second, later = FIRST_LINES[first]
    first, second = (line.format(NARROW, NBSP, LRM, RLM) for line in (first, second))
    text = f"{first}Ann: Is it\non two lines?\n\n - yes\n{second}Ben 🚲: 10:30 is fine: see you\n"
    found, report, _ = found_in(written(tmp_path / "chat.txt", text))
    assert [(text.document.user_id, text.document.date, text.document.text, text.answers) for text in found] == [
        ("Ann", date, "Is it\non two lines?\n\n - yes", None),
        ("Ben 🚲", later, "10:30 is fine: see you", "Is it\non two lines?\n\n - yes"),
    ]
    assert not report.noted


ANDROID = (
    "<Media omitted>|<Medien ausgeschlossen>|<Multimedia omitido>|<Mídia oculta>|<Médias omis>|<Media omessi>"
    "|<मीडिया के बिना>|<تم استبعاد الوسائط>|<미디어 파일을 생략한 대화내용>|<メディアは含まれていません>"
    "|<省略多媒体文件>|<View once voice message omitted>|IMG-20240101-WA0001.jpg (file attached)|null"
    "|PTT-1.opus (Datei angehängt)"
    "|VID-1.mp4 (arquivo anexado)|This message was deleted|You deleted this message|Diese Nachricht wurde gelöscht"
    "|Se eliminó este mensaje.|Mensagem apagada|Você apagou esta mensagem|Ce message a été supprimé"
    "|Questo messaggio è stato eliminato|यह मैसेज डिलीट कर दिया गया है|تم حذف هذه الرسالة|این پیام حذف شد"
    "|이 메시지는 삭제되었습니다|このメッセージは削除されました|此消息已被删除|location: https://maps.google.com/?q=1.5,-2.5"
    "|Missed voice call|Waiting for this message. This may take a while."
)
IPHONE = (
    "image omitted|video omitted|audio omitted|sticker omitted|GIF omitted|document omitted|Contact card omitted"
    "|Bild weggelassen|Kontaktkarte ausgelassen|imagen omitida|audio omitido|imagem ocultada|figurinha omitida"
    "|image absente|document manquant|immagine omessa|sticker non incluso|फ़ोटो हटाई गई|لم يتم إدراج الصورة|تصویر حذف شد"
    "|이미지 생략됨|画像は含まれていません|图片已忽略|圖像已省略|<attached: 00000012-PHOTO-2024-05-01.jpg>"
    "|Verpasster Sprachanruf|Video call, 3 min|POLL:\nWhen?\nOPTION: now (2 votes)\n|Ann created this group|Ann left"
    "|Ann added Ben|Messages and calls are end-to-end encrypted. No one outside of this chat can read them."
    "|Your security code with Ben changed."
)


@pytest.mark.parametrize("text", (ANDROID + "|" + IPHONE).split("|"))
@pytest.mark.parametrize("mark", ["", LRM])
def test_what_the_program_says_is_no_message(tmp_path, text, mark):
    """With the mark that newer programs put before it, and without."""
    between = f"{mark}[31/12/24, 10:00:01] Ann: {mark}{text}"
    chat = f"[31/12/24, 10:00:00] Ann: my own words\n{between}\n[31/12/24, 10:00:02] Ben: b"
    found, report, _ = found_in(written(tmp_path / "_chat.txt", chat))
    assert [text.document.text for text in found] == ["my own words", "b"]
    assert report.rows == 3


@pytest.mark.parametrize(
    ("said", "own"),
    [
        (f"look at this {LRM}<attached: 00000012-PHOTO.jpg>", "look at this"),
        ("IMG-20240101-WA0001.jpg (file attached)\nlook at this", "look at this"),
        ("<Media omitted>\nlook at this", "look at this"),
        ("look at this <This message was edited>", "look at this"),
        (f"look at this {LRM}<Diese Nachricht wurde bearbeitet.>", "look at this"),
        ("look at this <Mensagem editada>", "look at this"),
        ("look at @\u2068Ben\u2069 here", "look at @Ben here"),
        ("i <3 <b>this</b>", "i <3 <b>this</b>"),
        ("see <https://x.org>", "see <https://x.org>"),
        ("You left your keys here", "You left your keys here"),
        ("The image omitted a lot", "The image omitted a lot"),
        ("he added sugar", "he added sugar"),
        ("Ann here, who is it?", "Ann here, who is it?"),
    ],
)
def test_what_is_the_senders_of_a_message(tmp_path, said, own):
    chat = f"31/12/24, 10:00 - Ann: {said}\n31/12/24, 10:01 - Ben: b\n"
    assert [text.document.text for text in found_in(written(tmp_path / "chat.txt", chat))[0]] == [own, "b"]


def test_a_document_without_a_caption_has_no_text(tmp_path):
    chat = (
        f"{LRM}[31/12/24, 10:00:00] Ann: Bill.pdf \u2022 {LRM}3 pages {LRM}document omitted\n"
        f"{LRM}[31/12/24, 10:00:00] Ann: Bill.pdf \u2022 {LRM}3 pages {LRM}<attached: 0001-Bill.pdf>\n"
        "[31/12/24, 10:00:00] Ben: b\n[31/12/24, 10:00:00] Ann: a\n"
    )
    assert [text.document.text for text in found_in(written(tmp_path / "chat.txt", chat))[0]] == ["b", "a"]


def test_events_of_a_group_on_android(tmp_path):
    """They name no sender, also where a colon is in the group's name."""
    events = [
        "Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp: tap to learn.",
        'Ann created group "Trip: 2024"',
        'Ann changed the subject from "Trip: 2024" to "Trip: 2025"',
        "You changed the group description to: all",
        "+49 170 1234567 joined using this group's invite link",
        "Ann added Ben",
    ]
    chat = "".join(f"1/14/24, 9:41 PM - {line}\n" for line in events)
    chat += (
        "1/14/24, 9:41 PM - +49 170 1234567: Hello\n1/14/24, 9:41 PM - \u202a+1 (555) 123\u20114567\u202c: And you\n"
    )
    chat += f"1/14/24, 9:41 PM - ~{NARROW}Cem: And me\n"
    found, report, _ = found_in(written(tmp_path / "chat.txt", chat))
    names = ["+49 170 1234567", "+1 (555) 123\u20114567", "Cem"]
    assert [text.document.user_id for text in found] == names
    assert report.skipped == {"no message of a user": len(events)}


def test_a_name_may_have_a_colon(tmp_path):
    chat = "".join(
        f"[31.12.24, 10:00:0{n}] {line}\n"
        for n, line in enumerate(["Ann: Work: one", "Ben: note: two", "Ann: Work: note: three", "Ben: four"])
    )
    found, _, _ = found_in(written(tmp_path / "chat.txt", chat))
    assert [(text.document.user_id, text.document.text) for text in found] == [
        ("Ann: Work", "one"),
        ("Ben", "note: two"),
        ("Ann: Work", "note: three"),
        ("Ben", "four"),
    ]


@pytest.mark.parametrize(
    ("lines", "dates", "is_noted"),
    [
        (
            ["1/3/24, 9:41 PM", "2/1/24, 9:41 PM"],
            ["2024-01-03", "2024-02-01"],
            False,
        ),  # the other order goes back in time
        (["03/01/24, 21:41", "01/02/24, 21:41"], ["2024-01-03", "2024-02-01"], False),
        (["03/01/24, 21:41", "05/02/24, 21:41"], ["2024-01-03", "2024-02-05"], True),
        (["3/1/24, 9:41 PM", "5/2/24, 9:41 PM"], ["2024-03-01", "2024-05-02"], True),
        (["5/5/24, 21:41", "5/5/24, 21:41"], ["2024-05-05", "2024-05-05"], False),
        (
            ["03.01.24, 21:41", "04.02.24, 21:41"],
            ["2024-01-03", "2024-02-04"],
            False,
        ),  # no language has the month first
        (["31/02/24, 21:41", "20/01/24, 21:41"], [None, "2024-01-20"], True),
    ],
)
def test_the_order_of_day_and_month_is_told_by_all_dates(tmp_path, lines, dates, is_noted):
    chat = "".join(f"{line} - {name}: words\n" for line, name in zip(lines, ("Ann", "Ben"), strict=True))
    found, report, _ = found_in(written(tmp_path / "chat.txt", chat))
    assert [text.document.date and text.document.date[:10] for text in found] == dates
    assert bool(report.noted) == is_noted


def test_a_pasted_line_of_another_telephone_stays_in_its_message(tmp_path):
    chat = "[31.12.24, 10:00:00] Ann: he wrote\n31.12.24, 09:00 - Cem: no\n[31.12.24, 10:00:05] Ben: I see\n"
    found, _, _ = found_in(written(tmp_path / "chat.txt", chat))
    assert [text.document.text for text in found] == ["he wrote\n31.12.24, 09:00 - Cem: no", "I see"]


def test_text_before_the_first_message_is_reported(tmp_path):
    chat = "An exported chat\n\n31.12.24, 10:00 - Ann: one\n31.12.24, 10:00 - Ben: two\n"
    assert found_in(written(tmp_path / "chat.txt", chat))[1].skipped == {"text before the first message": 1}


def test_a_message_of_white_space_is_read_at_once(tmp_path):
    chat = f"31.12.24, 10:00 - Ann: a{chr(10) * 60_000}b\n31.12.24, 10:00 - Ben: {' ' * 60_000}two\n"
    assert len(found_in(written(tmp_path / "chat.txt", chat))[0]) == 2


IN_OTHER_LANGUAGES = (
    "Det här meddelandet togs bort|Det här meddelandet raderades|Du raderade detta meddelande|Tämä viesti poistettiin"
    "|Poistit tämän viestin.|Tato zpráva byla odstraněna|Tuto zprávu jste smazal/a|Táto správa bola odstránená"
    "|Denne besked er blevet slettet|Denne meldingen ble slettet|Αυτό το μήνυμα διαγράφηκε|Διαγράψατε αυτό το μήνυμα"
    "|הודעה זו נמחקה|מחקת הודעה זו|Tin nhắn này đã bị xóa|Tin nhắn này đã bị xoá|Bạn đã xóa tin nhắn này"
    "|ข้อความนี้ถูกลบแล้ว|Ez az üzenet törlésre került|Acest mesaj a fost șters|Aquest missatge s'ha suprimit"
    "|Ova je poruka izbrisana|Ова порука је обрисана|To sporočilo je bilo izbrisano|Съобщението беше изтрито"
    "|Ši žinutė buvo ištrinta|Šī ziņa tika izdzēsta|See sõnum on kustutatud|এই মেসেজটি বাদ দেওয়া হয়েছে।"
    "|یہ میسج حذف کر دیا گیا ہے۔|આ મેસેજ ડિલીટ કરાયો|हा मेसेज हटवण्यात आला|Mesej ini telah dipadam|Bu mesaj silindi"
    "|Ujumbe huu ulifutwa|Це повідомлення було видалено|Вы удалили данное сообщение|Ta wiadomość została usunięta"
    "|Missat röstsamtal|Vastaamaton videopuhelu|Αναπάντητη κλήση|שיחת וידאו שלא נענתה"
    "|Cuộc gọi nhỡ|Nem fogadott hanghívás"
    "|Voice call, 12 sec|Voice call. No answer|Missed voice call at 10:15 PM|Videoanruf, 1 Std., 3 Min."
)


@pytest.mark.parametrize("text", IN_OTHER_LANGUAGES.split("|"))
def test_deleted_messages_and_calls_in_many_languages(tmp_path, text):
    chat = f"31/12/24, 10:00 - Ann: my own words\n31/12/24, 10:01 - Ann: {text}\n31/12/24, 10:02 - Ben: b\n"
    assert [text.document.text for text in found_in(written(tmp_path / "chat.txt", chat))[0]] == ["my own words", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "Video call, tomorrow?",
        "voice call at 8 tonight, ok?",
        "Voice call. I will ring you at ten",
        "Videoanruf um acht, passt das?",
        "Sprachanruf, 8 Uhr",
        "Llamada, luego hablamos todos",
        "appel vocal, 20 h",
        "Missed call, sorry, I was asleep",
        "Chiamata vocale, domani alle 10?",
        "Waiting for this message all day long",
        "Diese Nachricht wurde von mir versehentlich gelöscht",
        "This message was deleted by mistake, sorry",
    ],
)
def test_who_writes_of_calls_and_deleted_messages_is_no_program(tmp_path, text):
    chat = f"31/12/24, 10:00 - Ann: {text}\n31/12/24, 10:02 - Ben: b\n"
    assert [text.document.text for text in found_in(written(tmp_path / "chat.txt", chat))[0]] == [text, "b"]


def test_no_name_is_left_in_a_pattern(tmp_path):
    """Python keeps patterns, and a server is to keep nothing of a chat."""
    lines = [*["Ann: one", "Quincetrellis: two"] * 3, "Our trip: Ann added Quincetrellis", "Ann: three"]
    chat = "".join(f"[31/12/24, 10:00:0{n}] {line}\n" for n, line in enumerate(lines))
    assert len(found_in(written(tmp_path / "chat.txt", chat))[0]) == 7
    assert not [key for key in re._cache if "Quince" in str(key)]
