"""The words by which mail programs mark what they quote, pass on or sign, in the languages of their users."""

import re

WROTE_WORDS = """
wrote|writes|schrieb|schreef|a écrit|écrit|escribió|escreveu|ha scritto|scrive|skrev|kirjoitti|napsal|napsal(a)
napísal|napísala|napisał|napisał(a)|pisze|írta|a scris|написал|написала|пишет|пише|написав|έγραψε|yazdı|şunları yazdı
đã viết|menulis|написа|написао|napisao|napisala|piše|napisal|va escriure|ha escrit|escribiu|rašė|parašė|rakstīja
kirjutas|نوشت|skrifaði|skrifar|idatzi du|idatzi zuen|쓴 글|写道|寫道|のメール|は書きました|님이 작성|작성|كتب|כתב|כתבה
ने लिखा|เขียน|שכתב|schreibt|schrieben|skriver|napisała|napísali|scrivono|écrivait|escribe|escreve|scritto da|missatge de
تمت كتابة ما يلي بواسطة|نے لکھا|লিখেছেন|எழுதியது|ने लिहिले|લખ્યું|ਲਿਖਿਆ|напісаў|напиша|жазды|yazıb|yozdi|წერს|დაწერა|գրել է
shkroi|ka shkruar|aliandika|sumulat|scríobh|ysgrifennodd|napsala|napísala|писал|писала
Quoting|Zitat von|Citando|Citando a|Citation de|Citat av|のメッセージ|さんは書きました|書きました
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
    r"-{2,} ?(?:original message|forwarded (?:by|message)|original[- ]?nachricht|ursprüngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message transféré|message original|mensaje original"
    r"|mensaje reenviado|mensagem original|mensagem encaminhada|messaggio originale|messaggio inoltrato"
    r"|oorspronkelijk bericht|doorgestuurd bericht|ursprungligt meddelande|originalmeddelelse|wiadomość oryginalna"
    r"|původní zpráva|исходное сообщение|пересылаемое сообщение|原始邮件|原始郵件|转发邮件|元のメッセージ"
    r"|원본 메시지|przekazana wiadomość|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|eredeti üzenet"
    r"|mesaj original|orijinal ileti|orijinal mesaj|αρχικό μήνυμα|оригинално съобщение|оригінальне повідомлення"
    r"|הודעה מקורית|הודעה שהועברה|الرسالة الأصلية|رسالة محولة|ข้อความต้นฉบับ|tin nhắn gốc|pesan asli|转发的消息)"
    r"|(?:begin forwarded message|anfang der weitergeleiteten|début du message réexpédié"
    r"|inicio del mensaje reenviado|inizio (?:del )?messaggio inoltrato|начало переадресованного сообщения"
    r"|begin doorgestuurd bericht|転送されたメッセージ|início da mensagem re?encaminhada|vidarebefordrat brev"
    r"|start på videresendt besked|videresendt melding|välitetty viesti alkaa|początek przekazywanej wiadomości"
    r"|začátek přeposílané zprávy|továbbított levél kezdete|(?:i|i̇|İ)?letilmiş mesajın başlangıcı|开始转发的邮件"
    r"|下面是被转发的邮件|開始轉寄郵件|전달된 메시지)[^:：]{0,20}[:：]?\s*$"
)
"""Lines below which a message is passed on."""
PRONOUNS = (
    r"I|ai|avons|avez|he|she|we|they|you|who|nobody|somebody|someone|er|sie|ich|wir|ihr|du|man|il|elle|nous|vous"
    r"|ils|elles|tu|él|ella|yo"
    r"|nosotros|ellos|ele|ela|eu|nós|eles|lui|lei|io|noi|loro|hij|zij|ze|ik|wij|han|hon|hun|jag|jeg|он|она|я|мы"
    r"|они|вы|ты|він"
    r"|вона|ми|вони|他|她|我|我们|他们|我們|他們|彼|彼女|私|hän|minä"
)
"""Who wrote in a sentence, and never in a line of a program."""
OWN_WORDS = (
    r"my|your|his|her|our|their|the|this|these|that|please|who|when|what|which|mein\w*|dein\w*|unser\w*|ihre\w*"
    r"|diese\w*"
    r"|folgend\w*|bitte|meine|notre|votre|leur|cette|nuestr\w+|minha|meu|mio|mia|nostr\w|mijn|onze|deze|moja|mój"
    r"|мой|моя|мои"
    r"|наш\w*|этот|эту"
)
"""Words of sentences that are in no line of a program, as these are of a date and a name."""
NAME_WORDS = (
    r"by|from|von|vom|de|van|der|den|la|le|las|los|da|di|du|do|dos|das|del|della|el|al|bin|ibn|af|av|zu|zur|e|y|i"
    r"|och|und"
    r"|and|via|at|h|uhr|klo|kl|a|p|m|am|pm|te|ter|ten|t|à|às|um|om|o|v|u|ob|om|la|alle|ore|a las|gmt|utc|cest|cet"
    r"|ч|г|р|в|у|о"
    r"|от|від|от|год|года|року|yr|dia|jan\w*|feb\w*|fev\w*|fév\w*|mar\w*|mär\w*|apr\w*|avr\w*|abr\w*|mai\w*|may\w*"
    r"|mag\w*"
    r"|maj\w*|jun\w*|jui\w*|giu\w*|jul\w*|lug\w*|aug\w*|ago\w*|aoû\w*|sep\w*|set\w*|ok?t\w*|oct\w*|ott\w*|out\w*"
    r"|nov\w*"
    r"|de[czs]\w*|dic\w*|déc\w*|янв\w*|фев\w*|мар\w*|апр\w*|ма[йя]\w*|июн\w*|июл\w*|авг\w*|сен\w*|окт\w*|ноя\w*"
    r"|дек\w*"
    r"|січ\w*|лют\w*|бер\w*|кві\w*|тра\w*|чер\w*|лип\w*|сер\w*|вер\w*|жов\w*|лис\w*|гру\w*|пн|вт|ср|чт|пт|сб|вс|нд"
)
"""Words in small letters that are in a line of a program between a date and an address."""
FOOTERS = (
    r".*\bmailing list(?: -- \S+)?$|.*\bmailing list\b.*@\S+$|to unsubscribe\b.{0,90}(?:mail|list|group|link|visit"
    r"|http|@).*"
    r"|you(?:'re| are)? rece?iv(?:ed|ing) this (?:message|email) because you are subscribed to the .*"
    r"|sie erhalten diese (?:nachricht|e-mail), weil sie .*gruppe.*|vous recevez ce message,? (?:car"
    r"|parce que) vous .*groupe.*"
    r"|(?:has recibido|recibiste) este mensaje porque .*grupo.*|você recebeu (?:essa|esta) mensagem porque .*grupo.*"
    r"|hai ricevuto questo messaggio perch[eé] .*gruppo.*|(?:je|u) (?:hebt|ontvangt) dit bericht .*groep.*"
    r"|otrzymujesz tę wiadomość, ponieważ .*grup.*|вы получили это сообщение, поскольку .*групп.*"
    r"|bu iletiyi google grupları.*|このメールは google グループ.*|您收到此邮件是因为您订阅了.*"
    r"|您會收到這封郵件,?，?是因為您已訂閱.*"
    r"|google 그룹스.*|yahoo! groups (?:links|sponsor)|posted by: .*@.*|__\._,_\.___|groups\.io links:?.*"
    r"|-{6,} next part -{6,}|this sf\.net email is sponsored by.*|.*\bschrieb an die mailingliste$"
)
"""Lines below which a mailing list puts its own."""
_DEVICES = (
    r"(?:(?:iphon|ipad|ipod)[\w'’-]{0,8}|apple watch|mac|macbook|imac|android\w*|samsung|galaxy|huawei|honor|xiaomi"
    r"|redmi|oneplus|pixel|motorola|nokia|sony|xperia|htc|blackberry|windows|outlook|hotmail|yahoo!?|gmail|gmx"
    r"|web\.de|fairphone|surface|lumia|librem|jolla|sailfish|realme|oppo|vivo|poco|shift\w*|ios|ipados|harmonyos"
    r"|linux"
    r"|mymail|mail\.ru|fastmail|zoho(?: mail)?|tuta|hey|canary|airmail|newton|edison|mailbird|em client|libero"
    r"|virgilio"
    r"|orange|laposte|freenet|t-online|telekom|ionos|naver|qq|kiwi|polymail|superhuman|mailspring|front|nine|aquamail"
    r"|(?:мобильн\w+ )?(?:приложени\w+ )?(?:яндекс\w*[. ]?)?почт\w*|яндекс\w*|устройств\w*|пристро\w*|mobilní\w*"
    r"|telefonu"
    r"|appareil|dispositivo|urządzeni\w*|zařízení|enhet|laite\w*|komórk\w*|gsm|apparaat|συσκευή|cihaz\w*"
    r"|web\.de|proton ?mail|proton|aol|spark|icloud|thunderbird|k-9|fairemail|bluemail|tutanota"
    r"|smartphone|handy|mobil\w*|phone|telefon\w*|telephone|téléphone|teléfono|cellulare|móvil|celular|portable"
    r"|tablet\w*|pc|laptop|computer|ordinateur|ordenador|device|gerät|toestel|mobiel\w*|телефон\w*|смартфон\w*"
    r"|e?-?mail(?= (?:for|pour|für|para|per|voor|app)\b|[^\w]*$)"
    r"|планшет\w*|айфон\w*|компьютер\w*|κινητό|[a-z]{1,5}-?\d\w+)"
)
_SENT_FROM = (
    r"sent (?:from|via|with|using)|gesendet (?:von|vom|mit|über|aus)|von meinem|envoyée? (?:de|du|depuis|avec"
    r"|à partir d[eu]|par)"
    r"|enviado (?:desde|do|da|a partir d[oea]|de|con|com|pelo|através d[oea])|inviat[oa] (?:da|dal|dalla|con|tramite)"
    r"|verzonden (?:vanaf|met|vanuit|via|door|van)|verstuurd (?:vanaf|met|vanuit|via|van)|skickat (?:från|med)"
    r"|skickades från"
    r"|sendt (?:fra|med|via)|odesláno (?:ze?|pomocí)|odoslané (?:zo?|pomocou)|wysłan[eoy] (?:ze?|za pomocą|przez)"
    r"|отправлено (?:со?|из|от|через|при помощи|с помощью)|надіслано (?:з|із|зі|через|за допомогою)"
    r"|изпратено (?:от|чрез|с)"
    r"|στάλθηκε (?:από|μέσω)|εστάλη (?:από|μέσω)|trimis (?:de pe|din|de la|cu)|küldve|elküldve|được gửi từ"
    r"|đã gửi từ|gửi từ"
    r"|dikirim (?:dari|melalui|dengan)|ส่งจาก|poslano s[a]?|poslano (?:z|preko|iz)|poslato sa?|послато са?"
    r"|enviat (?:des de|amb)"
    r"|išsiųsta iš|nosūtīts no|saadetud (?:minu )?|hantar dari|dihantar dari|telefonbidez bidalia"
)
_BREVITY = (
    r"(?:[.,!–—-] ?(?:please |bitte |veuillez |por favor,? |proszę |prosím )?(?:excuse|pardon|forgive|entschuldig"
    r"|verzeih|excusez"
    r"|disculp|perdon|scus|desculp|excuseer|wybacz|przepraszam|ursäkta|unnskyld|undskyld|omluvte|простите|извините"
    r"|вибач"
    r"|apolog|sorry|expect).{0,70})?"
)
"""What K-9 and others ask below, or in the same line."""
PHONE = (
    rf"(?:{_SENT_FROM})[:\s]*(?:[\w'’,-]+\s+){{0,4}}{_DEVICES}(?!\w).{{0,40}}{_BREVITY}"
    rf"|(?:von|vom) (?:[\w'’,-]+\s+){{0,2}}{_DEVICES}\b.{{0,40}} (?:gesendet|geschickt|verschickt)"
    r"|diese (?:nachricht|e-?mail|mail) wurde (?:von|mit|über) .{1,70} (?:gesendet|verschickt|versendet|geschickt)"
    r"|(?:please |bitte |por favor,? )?(?:excuse|pardon|forgive) (?:my )?(?:brevity|the brevity|typos|any typos"
    r"|briefness).{0,40}"
    r"|простите за краткость.{0,40}|.{0,40}(?:k-9 mail|fairemail|bluemail)\b.{0,60}(?:brevity|kürze|brièveté"
    r"|brevedad|brevità"
    r"|brevidade|beknoptheid|zwięzłość|краткость|stručnost|kortfattethet|fåordighet).{0,10}"
    r"|(?:get|télécharge[rz]|obtenir|obtene[rz]|obtenga|obtén|obter|obtenha|descarga[r]?|baixa[r]|transferir"
    r"|scarica|ottieni|hämta"
    r"|hent|last ned|pobierz|получить|скачать|завантажити|отримати|download|hol(?:en)? sie sich|laden sie"
    r"|beziehen sie|hanki"
    r"|stáhnout|získat|stiahnuť|získať|λήψη|κατεβάστε|preuzmite|dobijte|unduh|dapatkan|tải|descărcați|obțineți)"
    r"(?: o| το| του| τον| program| aplikację| aplikaci)* outlook.{0,14} (?:ios|android|mac|windows).{0,40}"
    r"|outlook (?:voor|für) (?:ios|android).{0,20}(?:downloaden|herunterladen|beziehen)"
    r"|(?:ios|android) için outlook.{0,3} (?:edinin|indirin).{0,30}|(?:获取|下载|取得|下載|獲取).{0,8}outlook.{0,30}"
    r"|.{0,14}outlook.{0,14}(?:を入手|をダウンロード|다운로드하기|다운로드|받기).{0,30}|(?:ios|android) (?:版"
    r"|용) ?outlook.{0,30}"
    r"|outlook (?:beszerzése|letöltése) .{0,30}"
    r"|lähetetty\b.{0,30}(?:puhelimesta|iphonesta|ipadista|android\w*|outlook\w*|laitteesta|sähköpostista).{0,30}"
    r"|.{0,16}(?:iphone|ipad|android|samsung|galaxy|huawei|xiaomi|outlook|yahoo)\S*.{0,24} gönderildi"
    r"|get bluemail for .{0,20}|yahoo mail ?[:-] .{0,70}|von unterwegs gesendet.{0,20}|sent on the (?:go|move)"
    r"|(?:从|從|通过|透過|使用).{0,20}(?:发送|發送|傳送|寄出|发出)"
    r"|(?:发自|發自|寄自|傳送自|来自|來自|发送自).{0,10}(?:iphone|ipad|android|手机|手機|华为|華為|小米|红米|荣耀"
    r"|三星|vivo"
    r"|oppo|邮箱|郵箱|outlook|mail|客户端|邮件|平板|windows).{0,20}|(?:签名由|由).{0,4}网易邮箱大师.{0,6}"
    r"|(?:私の|僕の)?(?:iphone|ipad|android|galaxy|xperia|スマホ|スマートフォン|携帯|outlook|yahoo!?メール"
    r"|windows.{0,8}).{0,16}から送信(?:されました)?。?"
    r"|(?:나의|내|저의) .{0,20}에서 보냄|.{0,24}(?:iphone|ipad|galaxy|갤럭시|스마트폰|휴대폰|네이버|outlook|다음"
    r"|android|메일).{0,14}에서 (?:보냄|보냈습니다|보낸 메일입니다|전송됨)\.?"
    r"|(?:أ?رسلت|مرسل(?:ة)?|نرسل|أ?رسل|تم الإرسال|تم الارسال|احصل على outlook) ?(?:من|بواسطة|عبر|لـ)?.{0,30}"
    r"|נשלח (?:מה|מ|באמצעות|דרך|מאת).{0,30}|.{0,14}(?:iphone|ipad|android|samsung|मोबाइल|फ़ोन).{0,8}\s(?:से भेजा गया"
    r"|küldve|készülékemről küldve)|(?:मेरे|ارسال شده از|فرستاده شده از|از).{0,20}(?:iphone|ipad|android"
    r"|آیفون).{0,20}"
    r"|.{0,12}(?:iphone|ipad|android|samsung)-?\S*.{0,24} (?:küldve|elküldve)|enviat des del meu .{0,20}"
    r"|(?:virus-free|virenfrei|sans virus|libre de virus|livre de vírus|senza virus|virusvrij|wolny od wirusów"
    r"|без вирусов"
    r"|garanti sans virus|virusfri)[.,]? ?<?(?:https?://)?(?:www\.)?(?:avast|avg)\S*"
)
REPLY_MARKS = (
    r"re|aw|antw|antwort|wg|fw|fwd|sv|vs|odp|pd|ynt|i̇lt|ilt|vl|enc|res|tr|rv|r|rif|i|vb|vá|továbbítás|doorst|ref|tl"
    r"|на|пересл|отв|ha|απ|πρθ|σχετ|回复|回覆|答复|答覆|转发|轉寄|轉發|返信|転送|회신|답장|전달|رد|إعادة توجيه|השב"
    r"|תשובה|הועבר"
)
"""What programs put before the subject of a message which answers or passes on another."""


def any_of(table: str) -> str:
    """A pattern of the words of a table, the longest first."""
    words = filter(None, re.split(r"[|\n]", table))
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))
