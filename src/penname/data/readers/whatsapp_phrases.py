"""What WhatsApp writes where a message was deleted or somebody called, in the languages that it speaks."""

from __future__ import annotations

DELETED = (
    r"this message was deleted( by (an )?admin.{0,80})?|you deleted this message( as admin)?|null",
    r"waiting for this message(\. this may take a while.{0,40})?",
    r"hierdie boodskap was uitgevee|jy het boodskap uitgevee",
    r"diese nachricht wurde( von (einem )?admin.{0,80})? gelöscht|du hast diese nachricht( als admin)? gelöscht",
    r"eliminaste este mensaje|se eliminó este mensaje|este mensaje fue eliminado",
    r"un admin\.?.{0,80} eliminó este mensaje",
    r"((esta|essa) mensagem foi|mensagem) (apagada|eliminada)( pelo remetente)?",
    r"(você )?(apagou|eliminou) esta mensagem",
    r"ce message a été supprimé|vous avez supprimé ce message|tu as supprimé ce message",
    r"questo messaggio è stato eliminato|hai eliminato questo messaggio",
    r"aquest missatge (s'ha suprimit|està esborrat)|has (suprimit|esborrat) aquest missatge",
    r"acest mesaj a fost [șş]ters|a[țţ]i [șş]ters acest mesaj",
    r"(dit bericht is|je hebt dit bericht|u hebt dit bericht) verwijderd",
    r"(det här meddelandet|detta meddelande|meddelandet) (togs bort|raderades|har (tagits bort|raderats))",
    r"du (raderade|tog bort|har (tagit bort|raderat)) ((det här )?meddelandet|detta meddelande)",
    r"denne besked(en)? (er blevet|blev) slettet|du (slettede|har slettet) denne besked(en)?",
    r"denne meldingen (ble|er|har blitt) slettet|du (slettet|har slettet) denne meldingen",
    r"tämä viesti (on )?poistettiin|tämä viesti on poistettu|poistit tämän viestin",
    r"see sõnum on kustutatud|kustutasid selle sõnumi|šī ziņa tika izdzēsta|jūs izdzēsāt šo ziņu",
    r"ši žinutė buvo ištrinta|jūs ištrynėte šią žinutę|ez az üzenet (törlésre került|törölve lett)",
    r"(törölted ezt az üzenetet|ezt az üzenetet törölted)",
    r"scriosadh an teachtaireacht seo|scrios tú an teachtaireacht seo",
    r"ta wiadomość została usunięta|usunąłeś.{0,8} tę wiadomość|usunęłaś tę wiadomość",
    r"tato zpráva byla (odstraněna|smazána)|tuto zprávu jste (odstranil|smazal)[/(]?a?\)?",
    r"táto správa bola odstránená|túto správu ste odstránili|to sporočilo je bilo izbrisano|to sporočilo ste izbrisali",
    r"ova( je)? poruka( je)? (izbrisana|obrisana)|izbrisali ste ovu poruku|mesazhi u fshi",
    r"ова порука је обрисана|обрисао/ла си ову поруку|оваа порака беше избришана|ја избриша оваа порака",
    r"данное сообщение удалено|это сообщение (было )?удалено|вы удалили (данное|это) сообщение",
    r"це повідомлення (було )?видалено|ви видалили це повідомлення|(съобщението|това съобщение) беше изтрито",
    r"изтрихте това съобщение|бұл хат жойылды|сіз бұл хатты жойдыңыз",
    r"(αυτό )?το μήνυμα διαγράφηκε|διαγράψατε (αυτό )?το μήνυμα|הודעה זו נמחקה|מחקת (את ההודעה הזו|הודעה זו)",
    r"यह (मैसेज|संदेश) (डिलीट कर दिया गया|डिलीट किया गया|मिटाया गया|हटा दिया गया)( है| था)?",
    r"आपने यह (मैसेज|संदेश) (डिलीट किया|मिटाया)|हा (मेसेज|संदेश) (हटवण्यात आला|हटविण्यात आला होता)",
    r"(तुम्ही|आपण) हा (मेसेज|संदेश) (हटवला|हटविलात)|આ (મેસેજ|સંદેશ) (ડિલીટ|રદ્દ) કરાયો|તમે આ (મેસેજ|સંદેશને) (ડિલીટ|રદ્દ) કર્યો",
    r"এই (মেসেজটি|বার্তাটি) (বাদ দেওয়া|মুছে ফেলা) হয়েছে|আপনি এই (মেসেজটি|বার্তাটি) (বাদ দিয়েছেন|মুছে ফেলেছেন)",
    r"یہ (میسج|پیغام) حذف (کر دیا گیا|کیا گیا)( ہے)?|آپ نے (یہ میسج|اس پیغام کو) حذف (کر دیا ہے|کیا)",
    r"ਇਸ ਸੁਨੇਹੇ ਨੂੰ ਹਟਾਇਆ ਗਿਆ|ਤੁਸੀਂ ਇਹ ਸੁਨੇਹਾ ਹਟਾਇਆ|இத்தகவல் திரும்பப்பெறப்பட்டது|இத்தகவலை தாங்கள் அழித்தீர்கள்",
    r"இந்த (செய்தி|மெசேஜ்) நீக்கப்பட்டது|ఈ సందేశం తొలగించబడింది|ಈ ಸಂದೇಶ(ವು|ವನ್ನು) (ಅಳಿಸಲ್ಪಟ್ಟಿದೆ|ಅಳಿಸಲಾಗಿದೆ)",
    r"ನೀವು ಈ ಸಂದೇಶವನ್ನು ಅಳಿಸಿದ್ದೀರಿ|ഈ സന്ദേശം (ഇല്ലാതാക്കിയതാണ്|നിങ്ങൾ ഇല്ലാതാക്കി)",
    r"تم حذف هذه الرسالة|لقد حذ[\u064b-\u0652]*فت[\u064b-\u0652]* هذه الرسالة|أنت حذفت هذه الرسالة",
    r"(این )?پیام حذف شد(ه است)?|شما این پیام را حذف کردید",
    r"이 메시지는 삭제되었습니다|삭제(된|한) 메시지입니다|이 메시지를 삭제했습니다",
    r"(この)?メッセージ(は削除されました|を削除しました)",
    r"(此|这条|這則|该|這個|这个)?(消息|訊息|信息)已(被)?(删除|刪除)|[您你]已?(删除|刪除)了?(此|这条|這則|这个)?(消息|訊息|信息)",
    r"bu mesaj silindi|bu mesajı sildi(niz|n|m)?|bu ismarıc silindi|siz bu ismarıcı sildiniz|ushbu xabar o.chirildi",
    r"siz ushbu xabarni o.chirdingiz|pesan ini (telah )?dihapus|anda (telah )?menghapus pesan ini",
    r"mesej ini telah dipadam(kan)?|anda telah memadamkan mesej ini|itong mensahe ay binura na|binura mo itong mensahe",
    r"ujumbe huu ulifutwa|umefuta ujumbe huu|tin nhắn này đã bị x(óa|oá)|bạn đã x(óa|oá) tin nhắn này",
    r"ข้อความนี้(ได้)?ถูกลบ(แล้ว)?|คุณ(ได้)?ลบข้อความนี้",
)
"""What stands for a deleted message."""

_MISSED = (
    r"(missed|declined|silenced) (group )?(voice |video )?call|verpasster? (gruppen-?)?(sprach-?|video-?)?anruf",
    r"(video)?llamada( de voz| de video| de grupo| grupal)* perdida",
    r"videotrucada perduda|trucada de (veu|vídeo) perduda",
    r"(chamada de (voz|vídeo)( em grupo)?|videochamada) (perdida|não atendida)|appel (vocal|vidéo)( de groupe)? manqué",
    r"(video)?chiamata( vocale)?( di gruppo)? persa|gemiste? (groeps-?)?(spraak|video)-?(oproep|gesprek)",
    r"apel (vocal|video) (ratat|nepreluat)|missat (röst|video)?samtal|ubesvaret (tale|video)opkald|mistet opkald",
    r"tapt (tale|video)anrop|tapt videosamtale|vastaamaton (ääni|video)puhelu|vastamata (hääl|video)kõne",
    r"neatbildēts (balss|video) zvans|praleistas (balso|video) skambutis|nem fogadott (hang|video|videó)hívás",
    r"nieodebrane (poł\.?|połączenie)( głosowe| wideo)?|zmeškaný (hlasový )?hovor|zmeškaný videohovor|zgrešen klic",
    r"propušteni? (glasovni |video ?)poziv|пропущенный (аудио|видео)звонок|пропущений (аудіо|відео)дзвінок",
    r"пропуснато (гласово|видео) обаждане|пропуштен (гласов[ен]н?и?|видео) (повик|позив)|жауапсыз (видео )?қоңырау",
    r"αναπάντητη (φωνητική |βίντεο|βιντεο)?κλήση|שיחה קולית שלא נענתה|שיחת וידאו שלא נענתה",
    r"(मिस्ड|छूटी हुई) (वॉइस|व्हॉइस|ध्वनि|वीडियो|विडियो|व्हिडिओ) कॉल|(वॉइस|वीडियो) कॉल मिस हुई",
    r"مكالمة (صوتية|فيديو) فائتة|تماس (صوتی|تصویری) (پاسخ داده نشده|بی\u200c?پاسخ)|مسڈ (وائس|ویڈیو) کال",
    r"(ভয়েস|ভিডিও) কল মিস করেছেন|(মিসড|মিস করা) (ভয়েস|ভিডিও) কল|தவறிய (குரல்|காணொலி) அழைப்பு",
    r"부재중 (전화|영상통화|음성통화)|(音声|ビデオ)通話不在着信|不在着信|未接(语音|語音|视频|視訊|視像)(通话|通話)",
    r"cevapsız (sesli|görüntülü) arama|panggilan (suara|video) (tak terjawab|terlepas)|panggila suara terlepas",
    r"nakaligtaang (voice|video) call|simu ya (sauti|video) uliyoikosa|cuộc gọi( thoại)? nhỡ( video)?",
    r"(สาย|สายโทรวิดีโอ|วิดีโอคอล)ที่ไม่ได้รับ",
)
_CALL = (
    r"(group )?(voice|video) call|(gruppen-?)?(sprach|video)anruf|(video)?llamada( de voz| de grupo| grupal)*"
    r"|chamada de (voz|vídeo)|videochamada|appel (vocal|vidéo)|(video)?chiamata( vocale)?"
    r"|(spraak|video)-?(oproep|gesprek)|(röst|video)samtal|(tale|video)(opkald|anrop)|(аудио|видео)звонок"
    r"|(ääni|video)puhelu|(sesli|görüntülü) arama|panggilan (suara|video)|(hlasový hovor|videohovor)"
)
_MINUTES = (
    r"min\w*\.?|se[ckg]\w*\.?|мин\w*\.?|сек\w*\.?|мин|dk|sn|menit|detik|分|秒|分钟|分鐘|분|초|मिनट|सेकंड|دقيقة|ثانية|דק'?"
)
_HOURS = r"hr?s?|hours?|Std|ore|horas?|heures?|uur|ч|час\w*|saat|jam|godz|t|小时|小時|시간"
_DURATION = rf"(\d+ ?({_HOURS})\.?,? ?)?\d+ ?({_MINUTES})"
_HOW = (
    r"(tap|tippe|tippen|zum|toca|toque|pulsa|appuyez|touchez|tocca|tik|tryck|trykk|tryk|napauta|нажмите|dokun|ketuk)\b.{0,40}"
    r"|no answer|not answered|missed|declined|busy|silenced|\d+ (joined|people|teilnehmer|participantes)"
    r"|keine antwort|nicht angenommen|sin respuesta|sem resposta|(pas de|sans) réponse|nessuna risposta|geen antwoord"
    r"|inget svar|intet svar|ikke svar|ei vastausta|нет ответа|cevap yok|brak odpowiedzi"
)
CALLS = (
    rf"({'|'.join(_MISSED)})( (at|um|a las|às|à|alle|om|в) \d{{1,2}}[:.]\d\d.{{0,10}}|[,.] ({_HOW}|{_DURATION}))?",
    rf"({_CALL})[,.] ?({_HOW}|{_DURATION}|1 ?(hr|hour|Std\.?|Stunde))",
)
"""What stands for a call: one that was missed, or how long it took. Whoever writes of a call says something else."""
