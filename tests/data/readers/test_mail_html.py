"""Mail in HTML as each program writes it: without what is quoted and signed, with what is "
"written below and between."""

import pytest

from penname.data.readers.mail_html import own_text_of_mail
from penname.data.readers.mail_text import divided_text

MINE, BELOW, THEIRS = "Mine, first.", "Mine, below.", "Theirs."
MAILS = {
    "gmail_top": (
        f'<div dir="ltr">{MINE}<div><br></div><div>{BELOW}</div></div><br>'
        '<div class="gmail_quote gmail_quote_container">'
        '<div dir="ltr" class="gmail_attr">On Mon, Jun 3, 2024 at 10:00\u202fAM Ben Other &lt;<a '
        'href="mailto:ben@x.org">ben@x.org</a>&gt; '
        "wrote:<br></div>"
        '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid '
        'rgb(204,204,204);padding-left:1ex">'
        f"<div>{THEIRS}</div></blockquote></div>"
    ),
    "gmail_fwd": (
        f'<div dir="ltr">{MINE}<br><br><div class="gmail_quote">'
        '<div dir="ltr" class="gmail_attr">---------- Forwarded message ---------<br>From: '
        '<strong class="gmail_sendername" dir="auto">Ben</strong> <span dir="auto">&lt;ben@x.org&gt;</span>'
        "<br>Date: Mon, Jun 3, 2024 at 10:00 AM<br>Subject: x<br>To: Ann<br></div><br><br>"
        f"<div>{THEIRS}</div><blockquote>{THEIRS}</blockquote><div>{THEIRS}</div></div></div>"
    ),
    "gmail_old": (
        f'{MINE}<div class="gmail_extra"><br>'
        '<div class="gmail_quote">2014-06-03 10:00 GMT+02:00 Ben Other <span dir="ltr">&lt;<a>'
        "ben@x.org</a>&gt;</span>:<br>"
        f'<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px #ccc '
        f'solid;padding-left:1ex">{THEIRS}</blockquote>'
        '</div><br><br clear="all"><div><br></div>-- <br>'
        '<div class="gmail_signature">Signed</div></div>'
    ),
    "gmail_unknown_lang": (
        f'<div dir="ltr">{MINE}</div><div class="gmail_quote">'
        '<div class="gmail_attr">Xyz 3 abc 2024 qq 10:00 Ben &lt;b@x.org&gt; zzz:<br></div>'
        f'<blockquote class="gmail_quote"><div>{THEIRS}</div></blockquote></div><div>{BELOW}</div>'
    ),
    "gmail_indent": (
        f'<div dir="ltr">{MINE}<blockquote style="margin:0 0 0 40px;border:none;padding:0px">'
        f"<div>{BELOW}</div></blockquote></div>"
    ),
    "outlook_gmail": (
        f'<p class="MsoNormal">{MINE}</p><div>'
        '<blockquote style="border:none;border-left:solid #CCCCCC 1.0pt;padding:0in 0in 0in '
        '6.0pt;margin-left:4.8pt;margin-right:0in">'
        f"<p>{THEIRS}</p></blockquote></div>"
    ),
    "outlook_mobile": (
        f'<div dir="ltr">{MINE}</div><div id="ms-outlook-mobile-body-separator-line" dir="ltr">'
        '<br></div><div id="ms-outlook-mobile-signature">'
        '<div>Get <a href="https://aka.ms/o0ukef">Outlook for iOS</a></div></div>'
        '<hr style="display:inline-block;width:98%" tabindex="-1">'
        '<div id="divRplyFwdMsg" dir="ltr"><font><b>From:</b> Ben<br><b>Sent:</b> x</font></div>'
        f"<div>{THEIRS}</div>"
    ),
    "outlook_new": (
        f'<div class="elementToProof">{MINE}</div><div id="Signature" class="elementToProof">'
        '<p>Signed Ann</p></div><div id="mail-editor-reference-message-container"><hr>'
        f'<div id="divRplyFwdMsg"><b>Von:</b> Ben<br></div><div>{THEIRS}</div></div>'
    ),
    "apple": (
        f'<html><body>{MINE}<br><div><br><blockquote type="cite">'
        "<div>Am 03.06.2024 um 10:00 schrieb Ben Other &lt;ben@x.org&gt;:</div>"
        f'<br class="Apple-interchange-newline"><div>{THEIRS}</div></blockquote></div><br></body>'
        "</html>"
    ),
    "apple_ios": (
        f'<html><body dir="auto">{MINE}<br id="lineBreakAtBeginningOfSignature">'
        '<div dir="ltr">Sent from my iPhone</div><div dir="ltr"><br>'
        '<blockquote type="cite">On 3 Jun 2024, at 10:00, Ben &lt;b@x.org&gt; wrote:<br><br>'
        f'</blockquote></div><blockquote type="cite"><div dir="ltr">\ufeff{THEIRS}</div></blockquote>'
        "</body></html>"
    ),
    "apple_ios_inline": (
        '<body dir="auto"><div dir="ltr"></div><div dir="ltr"><br>'
        '<blockquote type="cite">On 3 Jun 2024, Ben wrote:<br></blockquote></div>'
        f'<blockquote type="cite"><div>{THEIRS}</div></blockquote><div>{MINE}</div>'
        f'<blockquote type="cite"><div>{THEIRS}</div></blockquote><div>{BELOW}</div></body>'
    ),
    "apple_sig": (
        f"<body>{MINE}<div><br></div>"
        '<div id="AppleMailSignature" dir="ltr">Sent from my iPhone</div><div dir="ltr">'
        "<br>On 3 Jun 2024, at 10:00, Ben &lt;<a>b@x.org</a>&gt; wrote:<br><br></div>"
        f'<blockquote type="cite"><div>{THEIRS}</div></blockquote></body>'
    ),
    "tb_typed_in_prefix": (
        f'<div class="moz-cite-prefix">{MINE}<br><br>On 6/3/2024 10:00 AM, Ben wrote:<br></div>'
        f'<blockquote type="cite" cite="mid:x">{THEIRS}</blockquote>{BELOW}<br>'
        '<div class="moz-signature">-- <br>Signed</div>'
    ),
    "tb_fwd": (
        f'<p>{MINE}</p><div class="moz-forward-container"><br>'
        '<br>-------- Forwarded Message --------<table class="moz-email-headers-table"><tbody>'
        "<tr><th>Subject: </th><td>Boat</td></tr><tr><th>Date: </th><td>Mon</td></tr><tr>"
        f"<th>From: </th><td>Ben</td></tr></tbody></table><br><br>{THEIRS}</div>"
    ),
    "yahoo": (
        f'<div class="yahoo-style-wrap"><div dir="ltr">{MINE}</div><div><br></div>'
        '<div class="ydp123signature">Signed</div></div>'
        '<div id="yahoo_quoted_1" class="yahoo_quoted">'
        "<div>On Monday, June 3, 2024 at 10:00:00 AM GMT+2, Ben &lt;b@x.org&gt; wrote:</div><div>"
        f'<br></div><div><div id="yiv1">{THEIRS}<blockquote>{THEIRS}</blockquote>{THEIRS}</div>'
        "</div></div>"
    ),
    "proton": (
        f'<div style="font-family: Arial">{MINE}</div><div class="protonmail_signature_block">'
        '<div class="protonmail_signature_block-user protonmail_signature_block-empty"></div>'
        '<div class="protonmail_signature_block-proton">Sent with <a>Proton Mail</a> secure email.</div>'
        "</div>"
        '<div class="protonmail_quote">On Monday, June 3rd, 2024 at 10:00 AM, Ben &lt;b@x.org&gt; '
        f'wrote:<br><blockquote class="protonmail_quote" type="cite">{THEIRS}</blockquote><br>'
        "</div>"
    ),
    "proton_inline": (
        '<div class="protonmail_quote">On Monday, June 3rd, 2024 at 10:00 AM, Ben &lt;b@x.org&gt; '
        f'wrote:<br><blockquote class="protonmail_quote" type="cite">{THEIRS}</blockquote>'
        f'<div>{MINE}</div><blockquote class="protonmail_quote">{THEIRS}</blockquote>'
        f"<div>{BELOW}</div></div>"
    ),
    "tutanota": (
        f"<div>{MINE}</div><div><br></div><div>-- <br>Signed</div>"
        "<br>3 Jun 2024, 10:00 by ben@x.org:<br>"
        '<blockquote class="tutanota_quote" style="border-left: 1px solid #93A3B8; padding-left: '
        f'10px; margin-left: 5px;">{THEIRS}</blockquote><div>{BELOW}</div>'
    ),
    "fastmail": (
        f'<div>{MINE}</div><div id="sig55">Signed</div>'
        "<div>On Mon, 3 Jun 2024, at 10:00 AM, Ben wrote:</div>"
        f'<blockquote type="cite" id="qt" style="">{THEIRS}</blockquote><div>{BELOW}</div>'
    ),
    "zoho": (
        f'<div>{MINE}</div><div id="Zm-_Id_-Sgn" data-sigid="1"><div>Signed</div></div>'
        '<div class="zmail_extra_hr"></div>'
        '<div class="zmail_extra" data-zbluepencil-ignore="true"><br>'
        '<div id="Zm-_Id_-Sgn1">---- On Mon, 03 Jun 2024 10:00:00 +0200 <b>Ben &lt;b@x.org&gt;</b> wrote ---<br>'
        f'</div><br><blockquote id="blockquote_zmail" style="margin: 0px;"><div>{THEIRS}</div>'
        "</blockquote></div>"
    ),
    "zoho_de": (
        f'<div>{MINE}</div><div class="zmail_extra">'
        "<div>---- Am Mo., 03 Juni 2024 10:00:00 +0200 <b>b@x.org</b> schrieb ----</div><div>"
        f"<blockquote>{THEIRS}</blockquote></div></div>"
    ),
    "gmx_full": (
        f'<div>{MINE}</div><div class="signature">Signed</div>'
        '<div>&nbsp;<div name="quote" style="margin:10px 5px 5px 10px; padding: '
        '10px 0 10px 10px; border-left:2px solid #C3D9E5;"><div style="margin:0 0 10px 0;">'
        "<b>Gesendet:</b>&nbsp;Montag<br/><b>Von:</b>&nbsp;Ben</div>"
        f'<div name="quoted-content">{THEIRS}</div></div></div>'
    ),
    "webde_new": (
        f"<div>{MINE}</div><div><div><b>Gesendet:</b>&nbsp;Montag, 3. Juni 2024 um 10:00<br>"
        '<b>Von:</b>&nbsp;"Ben Other" &lt;ben@x.org&gt;<br><b>An:</b>&nbsp;ann@web.de<br>'
        f"<b>Betreff:</b>&nbsp;Re: x</div><div>{THEIRS}</div></div>"
    ),
    "mailru": (
        f'<HTML><BODY><div>{MINE}</div><div data-signature-widget="container">'
        '<div data-signature-widget="content"><div>--<br>Signed</div></div></div>'
        '<div>&nbsp;</div><blockquote style="border-left:1px solid #0857A6; margin:10px; '
        f'padding:0 0 0 10px;">Понедельник, 3 июня 2024, 10:00 +03:00 от Ben &lt;b@x.org&gt;:<br>'
        f'&nbsp;<div id="">{THEIRS}</div>'
        "</blockquote></BODY></HTML>"
    ),
    "yandex": (
        f"<div>{MINE}</div><div>&nbsp;</div>"
        '<div>03.06.2024, 10:00, "Ben Other" &lt;b@x.org&gt;:</div><blockquote>'
        f"<div>{THEIRS}</div></blockquote><div>&nbsp;</div><div>--&nbsp;</div><div>Signed</div>"
    ),
    "roundcube": (
        f'<div class="pre">{MINE}</div><p id="reply-intro">On 2024-06-03 10:00, Ben wrote:</p>'
        '<blockquote type="cite" style="padding: 0 0.4em; border-left: #1010ff 2px solid; '
        f'margin: 0">{THEIRS}</blockquote><div>{BELOW}</div><div id="_rc_sig">'
        "<pre>-- <br>Signed</pre></div>"
    ),
    "spark": (
        f'<div name="messageBodySection"><div dir="auto">{MINE}</div></div>'
        '<div name="messageSignatureSection"><br><div>Signed</div></div>'
        '<div name="messageReplySection">On Jun 3, 2024, 10:00 +0200, Ben &lt;b@x.org&gt;, wrote:<br>'
        f'<blockquote type="cite" style="border-left-color: grey">{THEIRS}</blockquote></div>'
    ),
    "airmail": (
        f'<div>{MINE}</div><div class="bloop_sign" id="bloop_sign_1">Signed</div>'
        '<p class="airmail_on">On June 3, 2024 at 10:00:00, Ben (<a>b@x.org</a>) wrote:</p>'
        f'<blockquote type="cite" class="clean_bq">{THEIRS}</blockquote>'
    ),
    "samsung": (
        f'<div dir="auto">{MINE}</div><div id="composer_signature" dir="auto">'
        "<div>Sent from my Galaxy</div></div><div><br></div>"
        '<div align="left" dir="auto" style="font-size:100%;color:#000000">'
        "<div>-------- Original message --------</div><div>From: Ben &lt;b@x.org&gt; </div>"
        "<div>Date: 03/06/2024  10:00  (GMT+01:00) </div><div>To: Ann </div><div>Subject: "
        f"x </div></div>{THEIRS}"
    ),
    "hotmail_old": (
        f'<div dir="ltr">{MINE}<br><div><hr id="stopSpelling">Date: '
        "Mon, 3 Jun 2013 10:00:00 +0200<br>From: ben@x.org<br>To: ann@x.org<br>Subject: x<br>"
        f"<br>{THEIRS}</div></div>"
    ),
    "zimbra": (
        f'<div>{MINE}</div><div data-marker="__SIG_PRE__">Signed</div>'
        '<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__"><b>From: '
        f'</b>"Ben"<br><b>To: </b>x<br></div><div data-marker="__QUOTED_TEXT__">{THEIRS}</div>'
    ),
    "qq": (
        f'<div>{MINE}</div><div><sign signid="0"><div>Signed</div></sign></div><div><includetail>'
        '<div style="font:Verdana normal 14px;color:#000;"><div style="FONT-SIZE: '
        '12px;">------------------&nbsp;Original&nbsp;------------------</div>'
        '<div style="FONT-SIZE: 12px;background:#efefef;padding:8px;"><div id="menu_sender">'
        '<b>From: </b>&nbsp;"Ben"&lt;b@x.org&gt;;</div><div><b>Date: '
        '</b>&nbsp;Mon, Jun 3, 2024 10:00 AM</div><div><b>To: </b>&nbsp;"Ann";</div></div>'
        f"<div>{THEIRS}</div></div></includetail></div>"
    ),
    "163": (
        f'<div>{MINE}</div><br><br><div style="position:relative;zoom:1"></div>'
        '<div id="divNeteaseMailCard"></div><p>At 2024-06-03 10:00:00, "Ben" &lt;b@x.org&gt; '
        'wrote:</p><blockquote id="isReplyContent" style="PADDING-LEFT: '
        f'1ex;">{THEIRS}</blockquote>'
    ),
    "foxmail": (
        f"<div>{MINE}</div><div>&nbsp;</div>"
        '<div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
        '<div style="PADDING:8px;background:#efefef"><div><b>发件人：</b>&nbsp;<a>ben@x.org</a></div>'
        "<div><b>发送时间：</b>&nbsp;2024-06-03&nbsp;10:00</div><div><b>收件人：</b>&nbsp;ann</div><div>"
        f"<b>主题：</b>&nbsp;Re: x</div></div></div><div>{THEIRS}</div>"
    ),
    "evolution": (
        f"<body><div>{MINE}</div><div><br></div>"
        "<div>On Mon, 2024-06-03 at 10:00 +0200, Ben wrote:</div>"
        '<blockquote type="cite" style="margin:0 0 0 .8ex; '
        f'border-left:2px #729fcf solid;padding-left:1ex"><div>{THEIRS}</div></blockquote>'
        f'<div>{BELOW}</div><div class="-x-evo-signature-wrapper"><span class="-x-evo-signature">'
        "<div>-- <br>Signed</div></span></div></body>"
    ),
    "kmail": (
        f'<body><p style=" margin-top:0px;">{MINE}</p><br />'
        f"<p>On Monday, 3 June 2024 10:00:00 CEST Ben wrote:</p><blockquote><p>&gt; {THEIRS}</p>"
        f"</blockquote><p>{BELOW}</p><p>-- </p><p>Signed</p></body>"
    ),
    "kmail2": (
        f"<p>{MINE}</p><p>Am Montag, 3. Juni 2024, 10:00:00 CEST schrieb Ben:</p><p>&gt; {THEIRS}</p><p>{BELOW}</p>"
    ),
    "notes": (
        f'<font size=2 face="sans-serif">{MINE}</font><br><br><br><table width=100%>'
        "<tr valign=top><td width=40%><font size=1><b>Ben Other &lt;ben@x.org&gt;</b> </font><p>"
        "<font size=1>06/03/2024 10:00 AM</font><td width=59%><table width=100%><tr><td>"
        "<div align=right>To</div><td>Ann<tr><td>cc<td><tr><td>Subject<td>Re: x</table></table>"
        f"<br>{THEIRS}"
    ),
    "notes2": (
        f'<div>{MINE}</div><br><font color="#5F5F5F">From:        </font>'
        '<font>"Ben Other" &lt;ben@x.org&gt;</font><br><font color="#5F5F5F">To:        </font>'
        "<font>ann@x</font><br><font>Date:        </font><font>06/03/2024 10:00 AM</font><br>"
        f"<font>Subject:        </font><font>Re: x</font><hr>{THEIRS}"
    ),
    "emclient": (
        f'<div>{MINE}</div><div id="signature_old"><div>Signed</div></div><div><br></div>'
        '<div>------ Original Message ------</div><div>From "Ben" &lt;b@x.org&gt;</div>'
        "<div>To ann@x.org</div><div>Date 6/3/2024 10:00:00 AM</div><div>Subject Re: x</div>"
        '<div id="x1" class="cite2">'
        f'<blockquote cite="x" type="cite" class="cite2">{THEIRS}</blockquote></div>'
    ),
    "owa_plain_from": (
        f"<p>{MINE}</p><p><b>De&nbsp;:</b> Ben &lt;b@x.org&gt;<br>"
        "<b>Envoyé&nbsp;:</b> lundi 3 juin 2024 10:00<br><b>À&nbsp;:</b> Ann<br>"
        f"<b>Objet&nbsp;:</b> x</p><p>{THEIRS}</p>"
    ),
    "mailspring": (
        f'<div>{MINE}</div><signature id="1">Signed</signature>'
        '<div class="gmail_quote_attribution">On Jun 3 2024, at 10:00 am, Ben &lt;b@x.org&gt; '
        f'wrote:</div><blockquote class="gmail_quote">{THEIRS}</blockquote>'
    ),
    "fairemail": (
        f'<div>{MINE}</div><div fairemail="signature">Signed</div><div fairemail="reference">'
        f"<p>Jun 3, 2024 10:00:00 AM Ben &lt;b@x.org&gt;:</p><blockquote>{THEIRS}</blockquote>"
        "</div>"
    ),
    "k9": (
        f'<div dir="auto">{MINE}<br><br></div><div class="k9mail-signature">Signed</div><br><br>'
        '<div class="gmail_quote">'
        '<div dir="auto">Am 3. Juni 2024 10:00:00 MESZ schrieb Ben &lt;b@x.org&gt;:</div>'
        f'<blockquote class="gmail_quote"><pre class="k9mail">{THEIRS}</pre></blockquote></div>'
    ),
    "naver": (
        f'<p>{MINE}</p><p>-----Original Message-----<br><b>From:</b> "벤"&lt;b@naver.com&gt;<br>'
        f"<b>To:</b> x<br><b>Sent:</b> 2024-06-03 (월) 10:00:00<br></p><p>{THEIRS}</p>"
    ),
    "newsletter_table": (
        f'<table><tr><td>{MINE}</td></tr><tr><td><blockquote type="cite">{THEIRS}</blockquote>{BELOW}</td></tr></table>'
    ),
    "msoautosig": (
        f"<p class=MsoNormal>{MINE}</p><p class=MsoAutoSig>Signed Ann</p><div>"
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p class=MsoNormal>'
        "<b>Od:</b> Ben<br><b>Wysłano:</b> poniedziałek<br><b>Do:</b> x<br><b>Temat:</b> x</p>"
        f"</div></div><p>{THEIRS}</p>"
    ),
    "unclosed": (f'<div>{MINE}<blockquote type="cite">{THEIRS}<p>{THEIRS}<div>{THEIRS}</blockquote>{BELOW}'),
    "font_misnest": (
        f'<div>{MINE}</div><font><blockquote type="cite">{THEIRS}</font><div>{THEIRS}</div>'
        f"</blockquote><div>{BELOW}</div>"
    ),
}
UNKNOWN = ("emclient", "fairemail", "gmail_indent", "kmail", "notes", "qq")
"""Those whose quotes are in other quotes, or below what is no heading in a plain text."""


@pytest.mark.parametrize("program", MAILS)
def test_own_words_of(program):
    own, answered = divided_text(own_text_of_mail(MAILS[program]))
    assert [line for line in own.split("\n") if line] == [text for text in (MINE, BELOW) if text in MAILS[program]]
    assert (THEIRS in answered) is (program not in UNKNOWN)


def test_quotes_in_hundreds_of_others():
    html = f"<p>{MINE}</p>" + "<blockquote>" * 2000 + THEIRS + "</blockquote>" * 2000 + f"<p>{BELOW}</p>"
    assert divided_text(own_text_of_mail(html))[0] == f"{MINE}\n\n{BELOW}"
