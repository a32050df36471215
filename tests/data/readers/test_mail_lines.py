"""What mail programs put above quotes, and sign, as each of them writes it; and own sentences like these."""

import pytest

from penname.data.readers.mail_text import divided_text

ABOVE = (
    "* Ben Other <ben@x.org> [2024-06-03 10:00]:",
    "* Ben [240603 10:00]:",
    "3 Jun 2024, 10:00 by ben@example.org:",
    "Jun 3, 2024, 10:00 by ben@example.org:",
    "3. Juni 2024, 10:00 von ben@example.org:",
    "3 juin 2024, 10:00 de ben@example.org :",
    "---- On Mon, 03 Jun 2024 10:00:00 +0200 ben@x.org wrote ----",
    "---- El lun., 03 jun. 2024 10:00:00 +0200, Ben <ben@x.org> escribió ----",
    "---- Le lun., 03 juin 2024 10:00:00 +0200 Ben <b@x.org> a écrit ----",
    '---- On Mon, 03 Jun 2024 10:00:00 +0200 "Ben" <b@x.org> wrote ---',
    "On Mon, Jun 3, 2024 at 10:00 AM Ben Other\n<ben@x.org>\nwrote:",
    "On Mon, Jun 3, 2024 at 10:00\nAM Ben Other\n<ben@x.org> wrote:",
    "Am Mo., 3. Juni 2024 um 10:00 Uhr\nschrieb Ben Other\n<ben@x.org>:",
    "Le lun. 3 juin 2024 à 10:00,\nBen Other <ben@x.org> a\nécrit :",
    "El lun, 3 jun 2024 a las 10:00, Ben Other (<\nben@x.org>) escribió:",
    "Ben Other <ben@x.org> writes:",
    "Ben O. Other <ben@x.org> wrote:",
    '"Ben Other" <ben@x.org> wrote in message news:abc@x.org...',
    "On 2024-06-03, Ben Other <ben@x.org> wrote:",
    "On Monday, June 03, 2024 10:00:00 AM Ben Other wrote:",
    "Quoting Ben Other <ben@x.org>:",
    "Zitat von Ben Other <ben@x.org>:",
    "Quoting Ben Other (2024-06-03 10:00:00)",
    "Citando Ben Other <ben@x.org>:",
    "Le lundi 3 juin 2024 à 10:00 +0200, Ben Other a écrit :",
    "Am Montag, dem 03.06.2024 um 10:00 +0200 schrieb Ben:",
    "El lun, 03-06-2024 a las 10:00 +0200, Ben escribió:",
    "Ben Other <ben@x.org> schrieb am Mo., 3. Juni 2024, 10:00:",
    "Ben Other <ben@x.org> ezt írta (időpont: 2024. jún. 3., H 10:00):",
    "Le 3 juin 2024 10:00:00 GMT+02:00, Ben <ben@x.org> a écrit :",
    "Am 3. Juni 2024 10:00:00 MESZ schrieb Ben <ben@x.org>:",
    "Понедельник, 3 июня 2024, 10:00 +03:00 от Бен Другой <ben@x.org>:",
    '03.06.2024, 10:00, "Бен" <ben@x.org>:',
    "Бен Другой <ben@x.org> писал(а) 3 июня 2024 г., в 10:00:",
    "пн, 3 июн. 2024 г., 10:00 Бен Другой <ben@x.org>:",
    "3 июня 2024 г. 10:00:00 GMT+03:00, Ben <ben@x.org> пишет:",
    "\u202bבתאריך יום ב׳, 3 ביוני 2024 ב-10:00 מאת \u202aBen\u202c\u200f <\u202aben@x.org\u202c\u200f>:\u202c",
    (
        "\u202bفي الاثنين، 3 يونيو 2024 في 10:00 ص تمت كتابة ما يلي بواسطة \u202aBen\u202c\u200f "
        "<\u202aben@x.org\u202c\u200f>:\u202c"
    ),
    "بتاريخ الاثنين، 3 يونيو 2024 10:00 كتب Ben <ben@x.org>:",
    "2024年6月3日(月) 10:00 Ben Other <ben@x.org>:",
    "2024年6月3日 10:00、Ben <ben@x.org>のメール：",
    "2024/06/03 10:00、Benのメール:",
    "Ben <ben@x.org> 于2024年6月3日周一 10:00写道：",
    "在 2024年6月3日，10:00，Ben <ben@x.org> 写道：",
    '2024-06-03 10:00:00，"Ben" <ben@x.org> 写道：',
    "在2024年06月03日 10:00，Ben<ben@x.org> 写道：",
    "2024. 6. 3. 오전 10:00, Ben <ben@x.org> 작성:",
    "Ben 님이 2024-06-03 10:00에 작성:",
    "Vào 10:00, Th 2, 3 thg 6, 2024 Ben <ben@x.org> đã viết:",
    "ในวันที่ จ. 3 มิ.ย. 2024 10:00 Ben <ben@x.org> เขียนว่า:",
    "Pada Sen, 3 Jun 2024 10.00, Ben <ben@x.org> menulis:",
    "W dniu poniedziałek, 3 czerwca 2024 Ben <ben@x.org> napisał(a):",
    "Dne 03.06.2024 v 10:00 Ben napsal(a):",
    "Op 03-06-2024 om 10:00 schreef Ben:",
    "Den 2024-06-03 kl. 10:00, skrev Ben:",
    "Den 03.06.2024 10.00, skrev Ben:",
    "Ben kirjoitti 3.6.2024 klo 10.00:",
    "La 03.06.2024 10:00, Ben a scris:",
    "Στις 3/6/2024 10:00 π.μ., ο/η Ben έγραψε:",
    "03.06.2024 10:00 tarihinde Ben yazdı:",
    "W dniu 2024-06-03 10:00, Ben pisze:",
    "Il 03/06/2024 10:00, Ben ha scritto:",
    "Em 03/06/2024 10:00, Ben escreveu:",
    "On 03.06.24 10:00, Ben wrote:",
    "-------- Original Message --------\nOn 6/3/24 10:00, Ben <ben@x.org> wrote:",
    "------- Original Message -------\nOn Monday, June 3rd, 2024 at 10:00, Ben <ben@x.org> wrote:\n",
    (
        "\u2010\u2010\u2010\u2010\u2010\u2010\u2010 Original Message "
        "\u2010\u2010\u2010\u2010\u2010\u2010\u2010\nOn Monday, June 3rd, 2024 at 10:00, Ben <ben@x.org> wrote:\n"
    ),
    "Ben Other wrote on 6/3/2024 10:00 AM:",
    "Ben Other <ben@x.org> wrote the following on 6/3/2024 10:00 AM:",
    "Ben Other\n06/03/2024 10:00 AM\n\nTo: Ann\ncc:\nSubject: Re: x\n",
    "Ben Other@ECT\n12/12/2000 10:00 AM\nTo: Ann/HOU/ECT@ECT\ncc:  \nSubject: Re: x\n",
    (
        "---------------------- Forwarded by Ben Other/HOU/ECT on 12/12/2000 10:00 AM "
        "---------------------------\n\nFrom: Ben\n"
    ),
    "From:\tBen Other/HOU\nTo:\tAnn\nDate:\t06/03/2024 10:00 AM\nSubject:\tx\n",
    "Gesendet: Montag, 03. Juni 2024 um 10:00 Uhr\nVon: Ben <b@x.org>\n",
    'Envoyé: lundi 3 juin 2024 à 10:00\nDe: "Ben" <b@x.org>\nÀ: ann@x\nObjet: x\n',
    'Sent: Monday, June 3, 2024 at 10:00 AM\nFrom: "Ben" <b@x.org>\nTo: ann\nSubject: x\n',
    "Date: Mon, 3 Jun 2013 10:00:00 +0200\nFrom: ben@x.org\nTo: ann@x.org\nSubject: x\n",
    'Enviado: lunes, 3 de junio de 2024 a las 10:00\nDe: "Ben" <b@x.org>\nPara: x\nAsunto: x\n',
    "To: ann@x.org\nFrom: ben@x.org\nDate: Mon, 3 Jun 2013 10:00:00 +0200\nSubject: x\n",
)
OWN = (
    "please send the box by 10:30 to Ben <ben@example.org>:",
    "reach me on 3/6/2024 here (ann@example.org):",
    "Bitte schick es bis 3.6.2024, 10:00 an Ben <ben@x.org>:",
    "Meld dich am 3. Juni 2024 um 10:00 bei Ben Other <ben@x.org>:",
    "Écris avant le 3 juin 2024 à 10:00 à Ben <ben@x.org> :",
    "Escríbeme antes del 3/6/2024 a las 10:00 a Ben (ben@x.org):",
    "Пишите до 3 июня 2024 г. 10:00 на адрес Бен <ben@x.org>:",
    "3 июня 2024 в 10:00 напишите Бену <ben@x.org>:",
    "The meeting on Mon, 3 Jun 2024, 10:00 is led by Ben <ben@x.org>:",
    "On 3 June 2024 at 10:00 please call Ben Other <ben@x.org>:",
    "Contact for 2024-06-03 10:00 (ben@x.org):",
    "Yesterday I wrote to Ben <ben@x.org>:",
    "Gestern um 10:00 schrieb ich an Ben <ben@x.org>:",
    "Hier à 10:00 j'ai écrit à Ben <ben@x.org> :",
    "On Monday at 10:00 I wrote:",
    "As my grandmother wrote on 3 May 1974 at 10:00:",
    "Here is the plan for 3.6.2024, 10:00:",
    "Dates: 3/6/2024 10:00, 4/6/2024 11:00:",
    "2024-06-03 10:00 - 12:00 Room 5 (host: ben@x.org):",
    "Send it to ben@x.org by 10:30:",
    "Tickets for 3 Jun 2024, 10:00 from tickets@x.org:",
    "In 2024 she wrote:",
    "Then they wrote:",
    "Our address from 1/6/2024 (valid till 10:00) is <new@x.org>:",
    "To whom it may concern, 3 June 2024:",
    "Note to Ben (ben@x.org), 10:00:",
    "Cc me at ann@x.org from 3/6/2024 on:",
)
SIGNED = (
    "Gesendet von meinem Fairphone",
    "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
    "Sent from my Android device with K-9 Mail. Please excuse my brevity.",
    "Envoyé de mon appareil Android avec Courriel K-9 Mail. Veuillez excuser ma brièveté.",
    "Enviado desde mi dispositivo Android con K-9 Mail. Por favor, disculpa mi brevedad.",
    "Inviato dal mio dispositivo Android con K-9 Mail. Perdonate la brevità.",
    "Enviado de meu dispositivo Android com K-9 Mail. Desculpe-me pela brevidade.",
    "Verstuurd vanaf mijn Android apparaat met K-9 Mail. Excuseer mijn beknoptheid.",
    "Wysłane za pomocą aplikacji K-9 Mail. Przepraszam za zwięzłość.",
    "Отправлено с моего устройства Android с помощью K-9 Mail. Простите за краткость.",
    "Простите за краткость, создано в K-9 Mail.",
    "Odesláno mobilním telefonem pomocí K-9 Mail. Omluvte prosím moji stručnost.",
    "Отправлено из мобильной Почты Mail.ru",
    "Отправлено из Почты Mail.ru",
    "Отправлено из мобильного приложения Яндекс Почты",
    "Отправлено из Яндекс.Почты для мобильных",
    "Отправлено с мобильного устройства",
    "Отправлено с моего Samsung",
    "Отправлено из myMail для iOS",
    "Sent from myMail for Android",
    "Sent from Mail for Windows",
    "Gesendet von Mail für Windows",
    "Von meinem Samsung Galaxy Smartphone gesendet.",
    "Von meinem Huawei-Mobiltelefon gesendet",
    "Gesendet mit der mobilen Mail App",
    "Envoyé depuis l'application Mail Orange",
    "Envoyé depuis mon téléphone Orange",
    "Envoyé de mon Galaxy",
    "Obtenir Outlook pour iOS",
    "Téléchargez Outlook pour Android<https://aka.ms/x>",
    "Obtener Outlook para iOS",
    "Obter o Outlook para Android",
    "Ottieni Outlook per iOS",
    "Download Outlook voor iOS",
    "Pobierz program Outlook dla systemu iOS",
    "Скачать Outlook для iOS",
    "Получить Outlook для iOS",
    "Hämta Outlook för iOS",
    "Hent Outlook til iOS",
    "Last ned Outlook for iOS",
    "Hanki Outlook for iOS",
    "Získat Outlook pro iOS",
    "Holen Sie sich Outlook für iOS",
    "Outlook für iOS beziehen",
    "iOS için Outlook'u edinin",
    "Outlook for iOSを入手",
    "iOS 版 Outlook を入手",
    "获取 Outlook for iOS",
    "取得 iOS 版 Outlook",
    "Outlook for iOS 다운로드",
    "iOS용 Outlook 다운로드하기",
    "مرسل من الـ iPhone",
    "أُرسلت من الـ iPhone",
    "تم الإرسال من هاتف iPhone الخاص بي",
    "נשלח מה-iPhone שלי",
    "נשלח מ-Outlook עבור iOS",
    "发自我的手机",
    "来自我的华为手机",
    "发送自我的 iPhone",
    "从 Windows 版邮件发送",
    "發自我的 iPhone",
    "Windows 版のメールから送信",
    "Xperiaから送信",
    "Galaxyから送信",
    "갤럭시에서 보냄",
    "내 iPhone에서 보냄",
    "Sent from my T-Mobile 5G Device",
    "Sent via the Samsung Galaxy S24, an AT&T 5G smartphone",
    "Sent from Proton Mail Android",
    "Sent from Proton Mail for iOS",
    "Gesendet mit Proton Mail",
    "Envoyé avec Proton Mail",
    "Enviado con Proton Mail",
    "Sent with Tuta; enjoy secure & ad-free emails:",
    "Sent from Spark",
    "Sent with Spark",
    "Sent from Yahoo Mail for iPhone",
    "Gesendet von Yahoo Mail auf Android",
    "Envoyé depuis Yahoo Mail pour Android",
    "Yahoo Mail : recherchez, organisez, maîtrisez",
    "Virus-free. www.avast.com",
    "Virenfrei.www.avast.com",
    "Get BlueMail for Android",
    "Sent from BlueMail",
    "Sent from Nine",
    "Sent from Aqua Mail for Android",
    "Sent from my BlackBerry 10 smartphone on the Verizon network.",
    "Sent from Gmail Mobile",
    "Sent from Zoho Mail",
    "Sent using Zoho Mail",
    "Sent from Fastmail",
    "Wysłane z mojego telefonu Samsung",
    "Enviado desde mi teléfono",
    "Enviado do Yahoo Mail para iPhone",
    "Küldve az iPhone-ról",
    "Trimis din Outlook pentru iOS",
    "Sendt fra Outlook til Android",
    "Skickat från Outlook för iOS",
    "Lähetetty Outlookista iOS:lle",
    "Отправлено из Outlook для iOS",
    "Надіслано з мобільного телефону",
    "Samsung cep telefonumdan gönderildi",
    "Gesendet aus der Telekom Mail App",
    "Sent from my Pixel 8",
    "Sent from my mobile device",
    "Sent from a mobile device",
    "Sent from my phone",
    "Sent from my phone, please excuse typos.",
    "Von unterwegs gesendet",
    "Gesendet vom Handy",
    "Sent on the go",
    "Poslano iz Outlook za iOS",
)
OWN_ENDS = (
    "Sent from my heart",
    "I will write from my phone",
    "Get Outlook on the phone, it is better.",
    "Das Paket wurde gestern von meinem Bruder gesendet",
    "Ich habe es von meinem Handy aus gemacht und dann verschickt.",
    "Sent via the courier it should be there on Monday.",
    "Отправлено из Москвы вчера, ждите.",
    "从上海来的手机坏了，我要换一部新的手机给妈妈。",
    "Enviado de nuevo el paquete",
    "Trimis din suflet",
    "Ich schreibe vom Handy, verzeih die Fehler.",
    "Sorry for the late answer.",
    "Please excuse my late answer.",
    "Mein Handy ist kaputt.",
    "Download Outlook and try again, please.",
    "Sent with love from all of us at the lake",
    "Gesendet mit viel Liebe",
    "از مادرم بپرس",
)


@pytest.mark.parametrize("above", ABOVE)
def test_what_is_above_a_quote_with_marks_or_without(above):
    for below in ("> Theirs.", "\nTheirs."):
        assert divided_text(f"Mine.\n\nMine too.\n\n{above}\n{below}") == ("Mine.\n\nMine too.", "Theirs.")


@pytest.mark.parametrize("sentence", OWN)
def test_own_sentences_that_look_like_it_end_no_text(sentence):
    text = f"Mine.\n\n{sentence}\n\nMine too."
    assert divided_text(text) == (text, "")


@pytest.mark.parametrize("signed", SIGNED)
def test_what_programs_sign(signed):
    assert divided_text(f"Mine.\n\n{signed}")[0] == "Mine."


@pytest.mark.parametrize("end", OWN_ENDS)
def test_own_ends_that_look_like_it(end):
    assert divided_text(f"Mine.\n\n{end}")[0] == f"Mine.\n\n{end}"


@pytest.mark.parametrize(
    "footer",
    [
        (
            "_______________________________________________\nX mailing list -- x@x.org\nTo unsubscribe "
            "send an email to y@x.org"
        ),
        "--~--~---------~--~----~------------~-------~--~----~\nYou received this message because you "
        "are subscribed to the "
        'Google Groups "x" group.',
        "------------------------------------\nYahoo! Groups Links\n\n<*> To visit your group",
        "-------------- next part --------------\nAn HTML attachment was scrubbed...\nURL: <https://x.org>",
        (
            "---------------------------------------------------------------------\nTo unsubscribe, e-mail:"
            " x-unsubscribe@x.org"
        ),
        "-=-=-=-=-=-=-=-=-=-=-=-\nGroups.io Links: You receive all messages sent to this group.",
        "-- \nSie erhalten diese Nachricht, weil Sie in Google Groups E-Mails von der Gruppe abonniert haben.",
    ],
)
def test_footers_of_lists(footer):
    assert divided_text(f"Mine.\n{footer}\n")[0] == "Mine."


def test_a_signature_above_a_quote_ends_at_it():
    text = "Mine.\n-- \nAnn\nExample Ltd\n\nOn 3 Jun 2024, at 10:00, Ben <b@x.org> wrote:\n> Theirs.\n\nMine too."
    assert divided_text(text) == ("Mine.\n\nMine too.", "Theirs.")


def test_quotes_of_quotes_in_thousands():
    assert divided_text("Mine.\n" + "> " * 5000 + "Theirs.") == ("Mine.", "")
