"""What Messenger and Instagram say themselves in other languages than English, in the name of a user or without one."""

from __future__ import annotations

import re

_SENT_OR_CALLED = re.compile(
    r"gesendet|geteilt|geschickt|gestartet|beendet|verpasst|enviad|envió|envi(?:ou|aste)|compart|envoy|partag|manqué"
    r"|perdi(?:ó|da|ste|deu)|inici|termin|invi(?:ato|ata|ò)"
    r"|condivi|pers[oa]\b|verzonden|gestuurd|gedeeld|gemist|stuurde"
    r"|skickade|delade|missade|sendte|delte|har sendt|har delt"
    r"|sendt|gikk glipp|lähetti|jakoi|posla[lť]|odesla|sdíle|zdieľa"
    r"|zmešk|küldött|megosztott|nem fogadt|trimis|distribuit|ratat|gönder|paylaş|cevapsız|wysła|udostępni|nieodebran"
    r"|rozpocz|zakończ|отправ|поделил|пропущ|пропусти|надісла"
    r"|надсил|поділи|изпрати|сподели|έστειλε|κοινοποίησε|αναπάντητη"
    r"|mengirim|membagikan|đã gửi|đã chia sẻ|nhỡ|送信|送り|シェア|보냈|공유|发送|發送|傳送|传送|分享|أرسل|שלח",
    re.IGNORECASE,
)
_THING = re.compile(
    r"fotk?[oóuaę]?s?\b|fotoğraf|foto(?:grafi|graphie|gra)|bilde?\b"
    r"|bilder|imag[ei]|zdję|kép|kuva|valoku|фото|снимк|φωτογραφ"
    r"|ảnh|写真|画像|사진|照片|相片|圖片|图片|صورة|תמונה|video|vidéo"
    r"|vídeo|wideo|film\b|видео|відео|βίντεο|動画|동영상|视频|影片"
    r"|anhang|anhänge|pièce|adjunto|anexo|allegat|bijlage|bilag|bilaga|vedlegg|liit|přílo|príloh|mellékl|fișier|atașa"
    r"|załącznik|вложени|вкладен|прикачен|συνημμέν|lampiran"
    r"|đính kèm|添付|첨부|附件|sticker|autocollant|pegatina|figurinha"
    r"|adesiv|nálep|matric|naklejk|klistre|stikl|наклейк|стикер"
    r"|стікер|αυτοκόλλητ|çıkartma|nhãn dán|スタンプ|스티커|贴图|貼圖|\bgif"
    r"|sprach|voix|vocal|voz\b|voce|spraak|röst|tale|ääni|hlas"
    r"|hang|głosow|голос|глас|φωνητ|sesli|suara|thoại|音声|音聲|음성|语音"
    r"|語音|\blink|lien|enlace|liga|länk|lenke|linkki|odkaz|hivatkoz"
    r"|ссылк|посилан|връзк|σύνδεσμ|bağlant|tautan|liên kết|リンク"
    r"|링크|链接|連結|standort|position|ubicaci|localiza|posizion|locatie"
    r"|plats|sijainti|poloh|lokaliz|hely|locați|konum|местопол"
    r"|геолок|τοποθεσ|lokasi|vị trí|位置|위치|beitrag|publica|post\b"
    r"|inlägg|innlegg|opslag|příspěv|príspev|bejegyz|postare"
    r"|gönderi\b|публикац|запис|δημοσ|bài viết|投稿|게시물|帖子|貼文"
    r"|story|stories|storie|historia|relacj|příběh|reel|rolk"
    r"|anruf|appel|llamada|chamada|chiamata|oproep|gesprek|samtal|opkald|anrop|puhelu|hovor|hívás|apel|arama|połączeni"
    r"|звон|дзвін|обажд|κλήση|panggil|cuộc gọi|通話|전화|通话",
    re.IGNORECASE,
)
_LONGEST = 60
"""Characters of what the program says that a user did."""

_MESSAGE = (
    r"(?:nachricht|mensaje|message|mensage[mn]|messaggio|bericht"
    r"|meddelande|besked(?:en)?|melding(?:en)?|viesti\w*|zprávu"
    r"|správu|üzenet\w*|mesaj\w*|wiadomość|сообщени[еюя]|повідомлення|съобщени\w*|μήνυμα|μήνυμά|pesan|tin nhắn)"
)
_REACTED = re.compile(
    rf"(?:(?:(?:hat|heeft|har|ha|a|đã) )?(?:zareagowa|reag|reacc|reacț"
    rf"|réagi|zareag|отреаг|відреаг|реагир|αντέδρ|menanggapi|bày tỏ)"
    rf"[\w()/-]* .{{0,30}}{_MESSAGE}.{{0,15}}|.{{1,20}} reagált .{{0,10}}{_MESSAGE}"
    rf"|(?:hat|heeft|har) .{{1,25}}{_MESSAGE} .{{0,12}}rea\w+"
    rf"|.{{0,10}}{_MESSAGE}\w* .{{1,20}} ifade\w* bırak\w+"
    rf"|.*メッセージに.{{0,15}}リアクションしました|.*메시지에 .{{0,15}}공감\w*"
    r"|.{0,8}(?:回应|回應|表达了|傳達了).{0,10}(?:消息|訊息))",
    re.IGNORECASE,
)
_LIKED = re.compile(
    rf"(?:gefällt eine|le gust(?:ó|a) un|me gusta un|a aimé (?:un|votre)|gostou de uma|curtiu (?:uma|a sua)"
    rf"|ha messo .?mi piace.? a un|gillade ett|synes godt om en"
    rf"|kunne lide en|likte en|tykkäsi|polubi(?:ono|ła|ł|ł\(a\))"
    rf"|označil(?:a|\(a\))?|kedvelt egy|a apreciat un|bir|нравится"
    rf"|понравилось|вподоба\S*|хареса|(?:του|της|μου) αρέσει ένα"
    rf"|menyukai(?: sebuah)?|đã thích một) {_MESSAGE}(?: beğendi| jako .?to se mi líbí.?)?|vindt een bericht leuk"
    r"|メッセージに.{0,3}いいね.{0,4}しました|메시지를 좋아합니다|(?:对"
    r"|對)?.{0,3}(?:消息|訊息|讯息).{0,4}(?:点赞|點讚|按讚|讚)",
    re.IGNORECASE,
)


def is_said_of_user(text: str) -> bool:
    """Whether it is what the program says, behind a user's name, that this user did."""
    sent = len(text) <= _LONGEST and _SENT_OR_CALLED.search(text) and _THING.search(text)
    return bool(sent) or is_said(text)


def is_said(text: str) -> bool:
    """Whether it is what the program says without a name: that someone likes a message, or reacted to one."""
    return _REACTED.fullmatch(text) is not None or _LIKED.fullmatch(text) is not None
