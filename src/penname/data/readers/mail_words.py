"""The words by which mail programs mark what they quote, pass on or sign, in the languages of their users."""

WROTE_WORDS = """
wrote|writes|schrieb|schreef|a écrit|écrit|escribió|escreveu|ha scritto|scrive|skrev|kirjoitti|napsal|napsal(a)
napísal|napísala|napisał|napisał(a)|pisze|írta|a scris|написал|написала|пишет|пише|написав|έγραψε|yazdı|şunları yazdı
đã viết|menulis|написа|написао|napisao|napisala|piše|napisal|va escriure|ha escrit|escribiu|rašė|parašė|rakstīja
kirjutas|نوشت|skrifaði|skrifar|idatzi du|idatzi zuen|쓴 글|写道|寫道|のメール|は書きました|님이 작성|작성|كتب|כתב|כתבה
ने लिखा|เขียน
"""
FROM_WORDS = """
From|Von|De|Da|Van|Från|Fra|Lähettäjä|Od|Feladó|De la|От|Від|Από|Kimden|Gönderen|Từ|Người gửi|Dari|Pengirim|Šalje|Nuo
No|Saatja|Frá|Nork|Од|Шаље|Absender|Expéditeur|Remitente|Mittente|发件人|寄件者|寄件人|差出人|送信者|보낸 사람
보낸사람|من|מאת|จาก|از|प्रेषक
"""
DATE_WORDS = """
Sent|Date|Gesendet|Datum|Envoyé|Envoyé le|Enviado|Enviado el|Enviada em|Enviado em|Fecha|Data|Inviato|Verzonden
Skickat|Sendt|Dato|Lähetetty|Päiväys|Odesláno|Odoslané|Dátum|Wysłano|Elküldve|Küldve|Trimis|Отправлено|Дата|Надіслано
Изпратено|Ημερομηνία|Στάλθηκε|Εστάλη|Απεστάλη|Gönderilme|Gönderildi|Tarih|Đã gửi|Gửi|Ngày|Dikirim|Terkirim|Tanggal
Poslano|Poslato|Послато|Датум|Enviat|Enviat el|Išsiųsta|Nosūtīts|Datums|Saadetud|Kuupäev|Dagsetning|Bidalia|发送时间
发送日期|日期|时间|時間|寄件日期|寄件時間|傳送日期|傳送時間|送信日時|日付|日時|보낸 날짜|보낸날짜|보낸 시간|날짜|تاريخ
التاريخ|تم الإرسال|تاريخ الإرسال|أرسلت|أُرسل|נשלח|תאריך|ส่ง|ส่งเมื่อ|วันที่|ارسال شده|ارسال|تاریخ|فرستاده شده|भेजा गया
भेजा|दिनांक|तारीख
"""
HEADER_WORDS = """
To|Cc|Bcc|Subject|Reply-To|Organization|Importance|Attachments|An|Kopie|Betreff|Antwort an|À|Objet|Sujet|Pour
Répondre à|Para|Asunto|Assunto|A|Oggetto|Aan|Onderwerp|Till|Kopia|Ämne|Til|Kopi|Emne|Vastaanottaja|Aihe|Kopio|Komu
Předmět|Predmet|Kópia|Do|Temat|Címzett|Tárgy|Másolatot kap|Către|Subiect|Кому|Тема|Копия|Копія|До|Относно|Προς|Θέμα
Κοιν|Kime|Konu|Bilgi|Đến|Tới|Chủ đề|Tiêu đề|Kepada|Ke|Untuk|Perihal|Subjek|Prima|Za|Zadeva|Naslov|За|Предмет|Наслов
Per a|Assumpte|Tema|Kam|Gavėjas|Temats|Tēma|Adressaat|Teema|Efni|Nori|Gaia|收件人|收件者|主题|主題|主旨|抄送|副本|宛先
件名|받는 사람|받는사람|참조|제목|إلى|الى|الموضوع|אל|נושא|ถึง|เรื่อง|หัวเรื่อง|สำเนา|به|موضوع|प्रति|प्राप्तकर्ता|विषय
"""
FORWARDED = (
    r"-{2,} ?(original message|forwarded (by|message)|original[- ]?nachricht|ursprüngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message transféré|message original|mensaje original"
    r"|mensaje reenviado|mensagem original|mensagem encaminhada|messaggio originale|messaggio inoltrato"
    r"|oorspronkelijk bericht|doorgestuurd bericht|ursprungligt meddelande|originalmeddelelse|wiadomość oryginalna"
    r"|původní zpráva|исходное сообщение|пересылаемое сообщение|原始邮件|原始郵件|转发邮件|元のメッセージ"
    r"|원본 메시지)|begin forwarded message|anfang der weitergeleiteten|début du message réexpédié"
    r"|inicio del mensaje reenviado|inizio messaggio inoltrato|начало переадресованного сообщения"
    r"|begin doorgestuurd bericht|転送されたメッセージ[:：]|início da mensagem re?encaminhada|vidarebefordrat brev:"
    r"|start på videresendt besked|videresendt melding:|välitetty viesti alkaa|początek przekazywanej wiadomości"
    r"|začátek přeposílané zprávy|továbbított levél kezdete|(?:i|i̇|İ)?letilmiş mesajın başlangıcı|开始转发的邮件"
    r"|下面是被转发的邮件|開始轉寄郵件|전달된 메시지[:：]|-- ?$"
)
_DEVICES = (
    r"(?:(?:iphon|ipad|ipod)[\w'’-]{0,8}|apple watch|mac|macbook|imac|android\w*|samsung|galaxy|huawei|honor|xiaomi"
    r"|redmi|oneplus|pixel|motorola|nokia|sony|xperia|htc|blackberry|windows|outlook|hotmail|yahoo!?|gmail|gmx"
    r"|web\.de|proton ?mail|proton|aol|spark|icloud|thunderbird|k-9|fairemail|bluemail|tutanota"
    r"|smartphone|handy|mobil\w*|phone|telefon\w*|telephone|téléphone|teléfono|cellulare|móvil|celular|portable"
    r"|tablet\w*|pc|laptop|computer|ordinateur|ordenador|device|gerät|toestel|mobiel\w*|телефон\w*|смартфон\w*"
    r"|e?-?mail(?= (?:for|pour|für|para|per|voor|app)\b|[^\w]*$)"
    r"|планшет\w*|айфон\w*|компьютер\w*|κινητό|[a-z]{1,5}-?\d\w+)"
)
_SENT_FROM = (
    r"sent (?:from|via|with|using)|gesendet (?:von|mit|über)|von meinem|envoyé (?:de|depuis|avec|à partir de)"
    r"|enviado (?:desde|do|da|a partir d[oea]|de|con|com|pelo)|inviato (?:da|dal|dalla|con)|verzonden (?:vanaf|met"
    r"|vanuit|via)|verstuurd (?:vanaf|met|vanuit|via)|skickat från|skickades från|sendt fra|odesláno z[e]?"
    r"|odoslané z[o]?|wysłan[eoy] z[e]?|отправлено (?:с|из|от)|надіслано (?:з|із)|изпратено от|στάλθηκε από"
    r"|εστάλη από|trimis de pe|trimis din|küldve|elküldve|được gửi từ|đã gửi từ|gửi từ|dikirim dari|ส่งจาก"
    r"|poslano s[a]?|poslano z|enviat des de|išsiųsta iš"
)
PHONE = (
    rf"(?:{_SENT_FROM})[:\s]*(?:[\w'’,-]+\s+){{0,3}}{_DEVICES}\b.{{0,40}}"
    rf"|(?:von|vom) (?:[\w'’,-]+\s+){{0,2}}{_DEVICES}\b.{{0,30}} gesendet"
    rf"|diese nachricht wurde von mein.{{1,30}} gesendet"
    r"|(?:get|télécharger|obtener|obtenga|obter( o)?|scarica|ottieni|hämta|hent|pobierz|получить) outlook (?:for|pour"
    r"|para|per|för|til|dla|для) (?:ios|android|mac|windows).{0,40}|outlook (?:voor|für) (?:ios"
    r"|android).{0,20}(?:downloaden|herunterladen|beziehen)|lähetetty\b.{0,30}(?:puhelimesta|iphonesta|ipadista"
    r"|android\w*)|.{0,10}(?:iphone|ipad|android)'?\S* gönderildi|(?:发自|發自|寄自|从|從|傳送自).{0,6}(?:iphone|ipad"
    r"|android|手机|手機|华为|小米|邮箱|outlook|mail).{0,20}|(?:iphone|ipad|android)から送信|(?:나의"
    r"|내) .{0,20}에서 보냄|أُ?رسلت من.{0,30}|נשלח מה.{0,30}|.{0,10}(?:iphone|ipad|android).{0,4}\s(?:से भेजा गया"
    r"|küldve|készülékemről küldve)|(?:मेरे|ارسال شده از|فرستاده شده از).{0,20}(?:iphone|ipad|android|آیفون).{0,20}"
    r"|.{0,12}(?:iphone|ipad)-?\S* (?:küldve|elküldve)"
)
REPLY_MARKS = (
    r"re|aw|antw|antwort|wg|fw|fwd|sv|vs|odp|pd|ynt|i̇lt|ilt|vl|enc|res|tr|rv|r|rif|i|vb|vá|továbbítás|doorst|ref|tl"
    r"|на|пересл|отв|ha|απ|πρθ|σχετ|回复|回覆|答复|答覆|转发|轉寄|轉發|返信|転送|회신|답장|전달|رد|إعادة توجيه|השב"
    r"|תשובה|הועבר"
)
"""What programs put before the subject of a message which answers or passes on another."""
