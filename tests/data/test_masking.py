"""Personal details are masked in any script; years, prices and orders are not; reports show nothing of them."""

import builtins
import io
import json
import time
from collections import Counter

import pytest

from penname.control_tokens import WELL_KNOWN
from penname.data.masking.masker import PLACEHOLDERS, Masker, MaskReport
from penname.errors import UserError

NAMES = (
    "Anna Müller <anna.m@example.org>",
    "Berg, Tom",
    "Will Rose",
    "Mark van der Velde",
    "Иван Петров",
    "王小明",
    "김민수",
    "أحمد علي",
    "דוד לוי",
    "สมชาย ใจดี",
    "राहुल शर्मा",
    "Νίκος Παππάς",
    "田中 太郎",
    "tom_b99",
    "phillip.allen@example.com",
    "17",
    "no-reply@example.org",
)
SAMPLE = ["I will do it, and a rose will be a rose. Anna knows.", "We will mark it."]


@pytest.fixture(scope="module")
def masker():
    return Masker(NAMES, sample=SAMPLE)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("I met Anna Müller, anna müller and Muller.", "I met [NAME], [NAME] and [NAME]."),
        ("Anna's book, Annas Buch, ANNA!", "[NAME]'s book, [NAME]s Buch, [NAME]!"),
        ("I saw Tom K. Berg and Berg, Tom today.", "I saw [NAME] and [NAME] today."),
        ("Ask Will if he will. Will you? Will, come.", "Ask [NAME] if he will. Will you? [NAME], come."),
        ("Will Rose came; will rose.", "[NAME] came; will rose."),
        ("Mark van der Velde and van der Waals.", "[NAME] and van der Waals."),
        ("Write to Phillip.", "Write to [NAME]."),
        ("Встретил Ивана Петрова и дал Ивану 17 рублей.", "Встретил [NAME] и дал [NAME] 17 рублей."),
        ("我和王小明去了，小明说好。", "我和[NAME]去了，[NAME]说好。"),
        ("민수가 김민수에게 말했다.", "[NAME]가 [NAME]에게 말했다."),
        ("وأحمد قال لعلي", "و[NAME] قال ل[NAME]"),
        ("נתתי לדוד את הספר", "נתתי ל[NAME] את הספר"),
        ("พบสมชายเมื่อวาน", "พบ[NAME]เมื่อวาน"),
        ("मैं राहुल से मिला", "मैं [NAME] से मिला"),
        ("Είδα τον Νίκο και τον Νίκος.", "Είδα τον Νίκο και τον [NAME]."),
        ("田中さんと太郎", "[NAME]さんと[NAME]"),
        ("tom_b99 and @some.one, u/some_one, <@U01AB>", "[NAME] and @[NAME], u/[NAME], [NAME]"),
        ("Dear Ms. Smith,\nHello Bob,\nyes", "Dear Ms. [NAME],\nHello [NAME],\nyes"),
        ("Thanks. Hi Bob, see you at one.", "Thanks. Hi [NAME], see you at one."),
        ("Привет, Борис! Звони мне", "Привет, [NAME]! Звони мне"),
        ("Hello World!\nLiebe Grüße,\nHi all,\nMr. President", None),
        ("17 people of no reply, [NAME] and [EMAIL]", None),
    ],
)
def test_names_that_the_data_knows(masker, text, masked):
    assert masker.mask(text)[0] == (text if masked is None else masked)


def test_the_authors_own_name_is_kept_and_nothing_else_of_theirs():
    masker = Masker(["Anna Müller", "Tom Berg"])
    text = "Tom says hi.\nAnna Müller, Mr. Müller, anna@example.org"
    assert masker.mask(text, own=["Müller, Anna <anna@example.org>"]) == (
        "[NAME] says hi.\nAnna Müller, Mr. Müller, [EMAIL]",
        Counter(name=1, email=1),
    )
    assert masker.mask(text, own=["Tom Berg"])[0] == "Tom says hi.\n[NAME], Mr. [NAME], [EMAIL]"


def test_a_sample_says_which_names_are_written_without_capitals_and_which_are_words():
    texts = ["i told john. John came, John went, John won, and John lost. I will, we will.", "Anna said john"]
    text = "john and will; then Will."
    assert Masker(["John Will"]).mask(text)[0] == "john and will; then [NAME]."
    assert Masker(["John Doe", "Will Doe"], sample=["John. John. I will. will."]).mask(text)[0] == (
        "[NAME] and will; then [NAME]."
    )
    assert Masker(["John Doe", "Will Doe"], sample=texts).mask("john")[0] == "john"  # a third are in lower case


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("anna@example.org.", "[EMAIL]."),
        ("请联系anna@example.org谢谢", "请联系[EMAIL]谢谢"),
        ("jörg@müller.de, почта@пример.рф, info＠example.com", "[EMAIL], [EMAIL], [EMAIL]"),
        ("anna (at) example (dot) org, or anna [at] example.org", "[EMAIL], or [EMAIL]"),
        ("mailto:a.b+c@sub.example.co.uk?x", "mailto:[EMAIL]?x"),
        ("한국어anna@example.org으로", "한국어[EMAIL]으로"),
        ("see https://twitter.com/anna_m/status/12, linkedin.com/in/anna-m", "see [LINK], [LINK]"),
        ("https://anna:secret@example.org/x and https://example.com/page", "https://[LINK]example.org/x and "),
        ("card 4111-1111-1111-1111, 5555 5555 5555 4444, 378282246310005", "card [CARD], [CARD], [CARD]"),
        ("2223 0031 2200 3222 卡号4111111111111111是", "[CARD] 卡号[CARD]是"),
        ("٤١١١ ١١١١ ١١١١ ١١١١ और ४१११ ११११ ११११ ११११", "[CARD] और [CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine, gb82west12345698765432.", "IBAN [IBAN] is mine, [IBAN]."),
    ],
)
def test_addresses_and_numbers_of_accounts(masker, text, masked):
    found = masker.mask(text)[0]
    assert found == masked or (masked.endswith(" ") and found.startswith(masked))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+49 171 1234567 or 0049 171 1234567", "[PHONE] or [PHONE]"),
        ("+1 (555) 010-9999", "[PHONE]"),
        ("(212) 555-0199, 212.555.0199, 1-800-555-0123", "[PHONE], [PHONE], [PHONE]"),
        ("030 12345678 und 0171/1234567", "[PHONE] und [PHONE]"),
        ("06 12 34 56 78, 0612345678", "[PHONE], [PHONE]"),
        ("ring at 1430 on 0117 496 0123", "ring at 1430 on [PHONE]"),
        ("(11) 98765-4321", "[PHONE]"),
        ("Tel.: 5551234, phone 98765 43210", "Tel.: [PHONE], phone [PHONE]"),
        ("Телефон: 8 (912) 345-67-89", "Телефон: [PHONE]"),
        ("电话：13812345678", "电话：[PHONE]"),
        ("هاتف +٩٦٦ ٥٠ ١٢٣ ٤٥٦٧، फ़ोन ९८७६५ ४३२१०", "هاتف [PHONE]، फ़ोन [PHONE]"),
    ],
)
def test_phone_numbers(masker, text, masked):
    assert masker.mask(text)[0] == masked


@pytest.mark.parametrize(
    ("text", "regions", "sample"),
    [
        ("llama al 612 345 678", ["ES"], []),
        ("llama al 612 345 678", [], ["Mi número es +34 612 345 677."]),
        ("8 800 555 35 35", [], ["Привет всем", "Ещё раз"]),
        ("ring 98765 43210", ["in"], []),
    ],
)
def test_numbers_of_countries_that_are_named_or_that_the_data_speaks_of(text, regions, sample):
    assert Masker().mask(text)[1]["phone"] == 0
    masker = Masker(regions=regions, sample=sample)
    assert masker.mask(text)[1]["phone"] == 1
    assert len(masker.regions) == 1


@pytest.mark.parametrize(
    "text",
    [
        "In 2024 it was 1,234,567.89 $, 1.234.567 €, 10 000 000 km, 331449281 people and 20 %.",
        "2024-05-31, 31.05.2024 12:30, 05/31/2024, 1998-2004, 2024-05-31T12:34:56, 20240531123456",
        "ISBN 978-3-16-148410-0, 0-306-40615-2, ISBN 0306406152, doi:10.1038/s41586-020-2649-2",
        "Order 028-7654321-1234567, invoice 2024-0001234, Bestellnummer 0123456789, #0123456789, $12345678",
        "1234567890123456, 4111111111111112, 3.14159265358979, 0.1234567890123, 192.168.100.200, v1.22.333.4444",
        "scores 0-1 2-3 4-5, 1 2 3 4 5 6 7 8 9 10, Matt 5:3-12, 00:1A:2B:3C:4D:5E, 52.5200, 13.4050",
        "UUID 123e4567-e89b-12d3-a456-426614174000, ZIP 12345-6789, DE00 1234 5678 9012 3456 78",
        "The 1929 Wall Street crash. During 1981, 3 miles down the road, 20 Minuten, Route 66, Via Roma 2024",
        "5 times a week @ noon, f(@x), a@b, netflix.com/title, 3 Straßen, Heimweg 5 Leute, 1月5号, 我家在3号楼",
        "{% if a %}<|im_start|>[INST] [1] (c) 2024",
    ],
)
def test_what_only_looks_like_a_detail_stays(masker, text):
    assert masker.mask(text) == (text, Counter())


@pytest.mark.parametrize(
    "address",
    [
        "123 Main Street, Apt 4, Springfield, IL 62704",
        "10 Downing Street, London SW1A 2AA",
        "221B Baker Street",
        "123 main street",
        "P.O. Box 1234",
        "Hauptstraße 12, 10115 Berlin",
        "Friedrichstr. 12a",
        "Am Markt 3, 10115 Berlin",
        "12 rue de la Paix, 75002 Paris",
        "Calle Mayor, 12, 28013 Madrid",
        "Via Roma 12",
        "Av. Paulista, 1578",
        "Kerkstraat 12",
        "Storgatan 12",
        "ul. Długa 5",
        "ул. Ленина, д. 5, кв. 3",
        "Atatürk Caddesi No: 5",
        "شارع الملك فهد ١٢",
        "רחוב הרצל 12",
        "मकान नंबर १२",
        "北京市朝阳区建国路88号",
        "東京都千代田区丸の内1-9-1",
        "서울특별시 강남구 테헤란로 152",
        "บ้านเลขที่ 12/3 ถนนสุขุมวิท",
    ],
)
def test_postal_addresses(masker, address):
    assert masker.mask(f"- {address}\nyes") == ("- [ADDRESS]\nyes", Counter(address=1))


def test_masking_again_changes_nothing_and_placeholders_are_no_control_tokens(masker):
    text = "Anna Müller, anna@example.org, +49 171 1234567, 4111111111111111, Hauptstraße 12, DE89370400440532013000"
    once, counts = masker.mask(text)
    assert once == "[NAME], [EMAIL], [PHONE], [CARD], [ADDRESS], [IBAN]"
    assert masker.mask(once) == (once, Counter())
    assert set(counts.values()) == {1}
    assert not any(WELL_KNOWN.search(shown) or " " in shown for shown in PLACEHOLDERS.values())
    assert Masker(["Name Email"]).mask("[NAME] and [EMAIL]")[0] == "[NAME] and [EMAIL]"


def test_a_report_says_where_and_how_much_but_never_what(masker):
    file = io.StringIO()
    report = MaskReport(file)
    for number, text in enumerate(("Anna, anna@example.org", "Nothing.", "+49 171 1234567 and 030 12345678")):
        report.add(number, masker.mask(text)[1])
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"id": "d000000", "masked": {"email": 1, "name": 1}},
        {"id": "d000002", "masked": {"phone": 2}},
    ]
    assert report.summary() == "masked in 2 of 3 texts: 2 phone, 1 name, 1 email"


def test_without_the_extra_it_is_named(monkeypatch):
    def without(name, *arguments, real=builtins.__import__, **named):
        if name == "phonenumbers":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'penname\[privacy\]'"):
        Masker()


def test_a_country_that_does_not_exist():
    with pytest.raises(UserError, match="phone numbers: found 'Germany', expected countries such as DE or US"):
        Masker(regions=["Germany"])


@pytest.mark.parametrize(
    "text",
    [
        "@" * 20_000,
        "1" * 20_000,
        "1 " * 20_000,
        "Anna " * 5_000,
        "中" * 50_000,
        "a." * 20_000,
        "A1" * 10_000,
        "(" * 20_000,
    ],
    ids=lambda text: repr(text[:5]),
)
def test_no_text_takes_long(masker, text):
    start = time.perf_counter()
    masker.mask(text)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Lieber Herr Müller, die Uhr geht.", "Lieber Herr [NAME], die Uhr geht."),
        ("Sehr geehrte Frau Dr. Schneider, gut.", "Sehr geehrte Frau Dr. [NAME], gut."),
        ("Sehr geehrter Herr Prof. Dr. von der Aue, gut.", "Sehr geehrter Herr Prof. Dr. [NAME], gut."),
        ("Liebe Gerda, lieber Uwe, danke.", "Liebe [NAME], lieber [NAME], danke."),
        ("Cher Monsieur Dupont, merci. Mme de la Tour vient.", "Cher Monsieur [NAME], merci. Mme [NAME] vient."),
        ("Bonjour M. Dupont, merci.", "Bonjour M. [NAME], merci."),
        ("Hola Señora García, gracias. El Dr. Ruiz viene.", "Hola Señora [NAME], gracias. El Dr. [NAME] viene."),
        ("Buenos días, don Luis: gracias.", "Buenos días, don [NAME]: gracias."),
        ("Gentile Dott.ssa Bianchi, grazie al signor Verdi.", "Gentile Dott.ssa [NAME], grazie al signor [NAME]."),
        ("Prezada Senhora Silva, obrigado.", "Prezada Senhora [NAME], obrigado."),
        ("Geachte heer Jansen, dank.", "Geachte heer [NAME], dank."),
        ("Kära fru Lindgren, tack.", "Kära fru [NAME], tack."),
        ("Szanowna Pani Kowalska, dziękuję.", "Szanowna Pani [NAME], dziękuję."),
        ("Vážený pane Nováku, děkuji.", "Vážený pane [NAME], děkuji."),
        ("Уважаемый господин Сидоров, спасибо.", "Уважаемый господин [NAME], спасибо."),
        ("Шановна пані Олено, дякую.", "Шановна пані [NAME], дякую."),
        ("Sayın Ahmet Bey, teşekkürler.", "Sayın [NAME], teşekkürler."),
        ("Hi Bob and Carla, come.", "Hi [NAME] and [NAME], come."),
        ("Kein Problem, Herr Doktor, Herr der Ringe ist gut. Liebe Grüße, bis bald", None),
        ("I miss London. The doctor Friday said it. 5 P. M. Monday. Monsieur le Président", None),
        ("Dear Sir or Madam, Dear Professor, Estimado Doctor, Szanowni Państwo,", None),
    ],
)
def test_names_behind_a_greeting_and_titles(masker, text, masked):
    assert masker.mask(text)[0] == (text if masked is None else masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Ich wohne in der Hauptstraße 5, 80331 München. Morgen singen", "Ich wohne in der [ADDRESS]. Morgen singen"),
        ("Vivo en Calle Mayor 5, 28013 Madrid. Mañana cantamos", "Vivo en [ADDRESS]. Mañana cantamos"),
        ("Vivo en Calle Mayor. Tengo 5 hijos", "Vivo en Calle Mayor. Tengo 5 hijos"),
        ("12 rue Victor Hugo. Demain nous chantons", "[ADDRESS]. Demain nous chantons"),
        ("12 avenue J.-J. Rousseau, 69001 Lyon. Demain", "[ADDRESS]. Demain"),
        ("Via Garibaldi 7, 00184 Roma. Domani", "[ADDRESS]. Domani"),
        ("Rua Augusta 100, 01304-001 São Paulo. Amanhã", "[ADDRESS]. Amanhã"),
        ("Marktplatz 3, 9000 St. Gallen. Morgen", "[ADDRESS]. Morgen"),
        ("Hauptstraße 5, 60311 Frankfurt am Main. Am Montag", "[ADDRESS]. Am Montag"),
        ("ul. Długa 5, 00-238 Warszawa. Jutro", "[ADDRESS]. Jutro"),
        ("Был на ул. Мира. Завтра 5 человек поют", "Был на ул. Мира. Завтра 5 человек поют"),
        ("Storgatan 5, 111 22 Stockholm. Imorgon", "[ADDRESS]. Imorgon"),
    ],
)
def test_an_address_ends_with_its_sentence(masker, text, masked):
    assert masker.mask(text)[0] == masked
