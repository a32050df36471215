"""What programs put around others' words and below a text is told from sentences of the sender that look like it."""

import pytest

from penname.data.readers.mail_html import own_text_of_mail
from penname.data.readers.mail_message import without_reply_marks
from penname.data.readers.mail_text import divided_text, sender_text

BLOCKS = {
    "el": "Από: Νίκος\nΣτάλθηκε: Δευτέρα\nΠρος: εμένα",
    "vi": "Từ: Nam\nĐã gửi: Thứ Hai\nĐến: tôi",
    "th": "จาก: สมชาย\nส่ง: วันจันทร์\nถึง: ฉัน",
    "ar": "من: علي\nتم الإرسال: الاثنين\nإلى: أنا",
    "id": "Dari: Budi\nDikirim: Senin\nKepada: saya",
    "hr": "Od: Ivan\nPoslano: ponedjeljak\nZa: mene",
    "sl": "Od: Janez\nPoslano: ponedeljek\nZa: mene",
    "sk": "Od: Ján\nOdoslané: pondelok\nKomu: mne",
    "bg": "От: Иван\nИзпратено: понеделник\nДо: мен",
    "ca": "De: Jordi\nEnviat: dilluns\nPer a: mi",
    "lt": "Nuo: Jonas\nIšsiųsta: pirmadienis\nKam: man",
    "fa": "از: علی\nارسال شده: دوشنبه\nبه: من",
    "hi": "प्रेषक: राम\nभेजा गया: सोमवार\nप्रति: मैं",
    "reply-to": "From: Bob <bob@x.org>\nReply-To: list@x.org\nTo: me",
}
FORWARDED = (
    "-------- Wiadomość przekazana --------\nTemat: Łodzie\nData: 3 czerwca\nNadawca: Jan",
    "-------- Перенаправленное сообщение --------\nТема: Лодки\nДата: 3 июня",
    "-------- 转发的消息 --------\n主题: 船\n日期: 2024年6月3日",
    "-------- Přeposlaná zpráva --------\nPředmět: Lodě\nDatum: 3. 6.",
    "-------- Vidarebefordrat meddelande --------\nÄmne: Båtar\nDatum: 3 juni",
    "-------- Továbbított üzenet --------\nTárgy: Hajók\nDátum: június",
    "-------- 転送メッセージ --------\n件名: 船\n日付: 6月3日",
    "Begin doorgestuurd bericht:\n\nVan: Piet",
    "転送されたメッセージ：\n\n差出人: 山田",
    "________________________________\nFrom: Bob\nSent: Monday",
    "_______________________________________________\nBoats mailing list\nBoats@x.org",
)
ATTRIBUTIONS = (
    "На 3.06.2024 г. в 10:00 Иван написа:",
    "Dana 3. 6. 2024. u 10:00, Ivan je napisao:",
    "Dne 3. 6. 2024 ob 10:00 je Janez napisal:",
    "Дана 3.6.2024. у 10:00, Петар је написао:",
    "El 3/6/2024 a les 10:00, Jordi ha escrit:",
    "O 3/6/2024 ás 10:00, Uxía escribiu:",
    "2024-06-03 10:00, Jonas rašė:",
    "03.06.2024 10:00, Jānis rakstīja:",
    "03.06.2024 10:00 Mart kirjutas:",
    "در 2024/6/3 10:00، علی نوشت:",
    "Þann 3.6.2024 kl. 10:00, skrifaði Jón:",
    "2024-06-03 10:00(e)an, Ane igorleak idatzi zuen:",
    "2024-06-03 오전 10:00에 김철수 이(가) 쓴 글:",
)


@pytest.mark.parametrize("above", [*BLOCKS.values(), *FORWARDED, *ATTRIBUTIONS])
def test_what_is_below_is_anothers(above):
    assert sender_text(f"Mine.\n\n{above}\n\nNot mine.\n") == "Mine."


@pytest.mark.parametrize(
    "signed",
    [
        *(
            "Verstuurd vanaf mijn iPhone",
            "從我的 iPhone 傳送",
            "Στάλθηκε από το iPhone μου",
            "Trimis de pe iPhone-ul meu",
        ),
        *("iPhone-omról küldve", "Được gửi từ iPhone của tôi", "Dikirim dari iPhone saya", "ส่งจาก iPhone ของฉัน"),
        *("मेरे iPhone से भेजा गया", "Odoslané z iPhonu", "Изпратено от моя iPhone", "ارسال شده از iPhone من"),
        *("Outlook für Android herunterladen", "Sent from my Galaxy S21", "Gesendet mit der GMX Mail App"),
        *("Envoyé à partir de Outlook pour Android", "Sent from Samsung Mobile", "Sent with Proton Mail secure email."),
    ],
)
def test_what_telephones_sign(signed):
    assert sender_text(f"Mine.\n\n{signed}\n") == "Mine."


@pytest.mark.parametrize(
    "own",
    [
        "Two lists.\n\n====================\nThe first of them.\n\n____________________\n\nThe second.",
        "--------- Things to buy ---------\nBread and milk.",
        "On the back of the card somebody wrote:\n\nCome back soon.",
        "Am 3. Mai 2024 schrieb er mir den folgenden Satz:\n\nKomm bald.",
        "Die Fahrt:\n\nVon: Berlin 10:00\nAn: Hamburg 12:30\n\nBis dann!",
        "Good news.\n\nSent via the courier it should be there on Monday.",
        "Good news.\n\nSent via mail on Monday, it will be there soon.",
        "Liebe Oma,\n\nGesendet aus Berlin kommen dir diese Blumen.",
        "Hola.\n\nEnviado de nuevo el paquete, llegará el lunes.",
        "Bye.\n\nSent from my heart",
    ],
)
def test_what_only_looks_like_it_is_the_senders(own):
    assert sender_text(own) == own


def test_what_somebody_wrote_above_quoted_lines():
    text = "Mine.\n\nAm 3. Mai 2024 schrieb Hans:\n> his\n\nMore."
    assert divided_text(text) == ("Mine.\n\nMore.", "his")


def test_pgp():
    signed = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nMine.\n\n- - a list\n"
        "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAd\n=abcd\n-----END PGP SIGNATURE-----\n"
    )
    assert sender_text(signed) == "Mine.\n\n- a list"
    assert sender_text("-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n") == ""


def test_outlook_on_the_web():
    html = (
        '<div>Mine.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Bob<br>'
        "<b>Sent:</b> Monday<br></div><div><br>His.</div>"
    )
    assert divided_text(own_text_of_mail(html)) == ("Mine.", "His.")
    assert sender_text(own_text_of_mail(html.replace("From", "Xx").replace("Sent", "Yy"))) == "Mine."


@pytest.mark.parametrize(
    "mark",
    ["WG", "SV", "Odp", "回复", "答复", "R", "Ynt", "VS", "ENC",
     "TR", "RV", "Re[2]", "Antw", "İlt", "Fwd", "転送", "RE: AW"],
)  # fmt: skip
def test_marks_of_replies(mark):
    assert without_reply_marks(f"{mark}: Boats: two") == "Boats: two"
    assert without_reply_marks(f"{mark}：Boats") == "Boats"
    assert without_reply_marks("Reise: Boats") == "Reise: Boats"
