"""Texts that nobody means well with, for every field and every name, and the proof that none of them did anything.

What a text would do if it were taken for markup, script, template, address or event is always the same: it sets a
global of the page, adds an element with a mark of its own, complains in the console, or leads elsewhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

from tests.studio.looks import check_console

RAN = "hostile_ran"
"""The global that a script of theirs sets."""
MARK = "data-hostile"
"""The attribute of every element of theirs."""

_SCRIPT = f"window.{RAN}=1"
MARKUP = [
    f"<script {MARK}>{_SCRIPT}</script>",
    f"</script><script {MARK}>{_SCRIPT}</script>",
    f"<scr<script>ipt {MARK}>{_SCRIPT}</scr</script>ipt>",
    f"<img {MARK} src=x onerror='{_SCRIPT}'>",
    f"<IMG {MARK} SRC=/studio/nowhere.png ONERROR={_SCRIPT}>",
    f"<svg {MARK} onload={_SCRIPT}>",
    f"<svg {MARK}><script>{_SCRIPT}</script></svg>",
    f"<math {MARK}><mi xlink:href='javascript:{_SCRIPT}'>x</mi></math>",
    f"<details {MARK} open ontoggle={_SCRIPT}>",
    f"<input {MARK} autofocus onfocus={_SCRIPT}>",
    f"<iframe {MARK} srcdoc='<script>parent.{RAN}=1</script>'></iframe>",
    f"<object {MARK} data='javascript:{_SCRIPT}'></object>",
    f"<a {MARK} href='javascript:{_SCRIPT}'>here</a>",
    f"<form {MARK} action='http://192.0.2.1/'><button>send</button></form>",
    f"<base {MARK} href='http://192.0.2.1/'>",
    f"<meta {MARK} http-equiv=refresh content='0;url=http://192.0.2.1/'>",
    f"<link {MARK} rel=stylesheet href='http://192.0.2.1/x.css'>",
    f"<style {MARK}>body{{display:none}}</style>",
    f"<p {MARK} style='position:fixed;inset:0'>over all</p>",
    f"<title {MARK}>owned</title>",
    f"<div {MARK} hx-get='/studio/results' hx-trigger='load' hx-target='body'>",
    f"<div {MARK} hx-on::load='{_SCRIPT}' data-hx-post='/studio' hx-trigger='load'>",
    f"<div {MARK} hx-ext='sse' sse-connect='/studio' sse-swap='piece'>",
    f"<template {MARK}><script>{_SCRIPT}</script></template>",
]
BREAKERS = [
    f'"><b {MARK}>',
    f"'><b {MARK}>",
    f'" {MARK} onmouseover="{_SCRIPT}" autofocus onfocus="{_SCRIPT}" x="',
    f"' {MARK} onmouseover='{_SCRIPT}' x='",
    f"` {MARK} onmouseover=`{_SCRIPT}`",
    f"</title><b {MARK}>",
    f"</textarea><b {MARK}>",
    f"</style><b {MARK}>",
    f"</pre></main></body></html><b {MARK}>",
    f"<!-- --!><b {MARK}> -->",
    f"<![CDATA[<b {MARK}>]]>",
    f"&lt;b {MARK}&gt;&#60;b {MARK}&#62;&amp;amp;&quot",
    f"javascript:{_SCRIPT}",
    f"data:text/html,<script>{_SCRIPT}</script>",
    f"\\u003cb {MARK}\\u003e\\x3cb\\x3e",
]
TEMPLATES = [
    "{{ 7 * 7 }}",
    "{{ root }}{{ csrf }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in range(10**9) %}x{% endfor %}",
    "{% include 'base.html' %}{# gone #}",
    "{% raw %}{% endraw %}{% block main %}",
    "${7*7} #{7*7} <%= 7*7 %> [[7*7]]",
    "%s %n %d {0} {0.__class__} {csrf} $HOME `id` $(id)",
]
ENDINGS = [
    "\n\nevent: end\ndata: gone\n\n",
    "\r\revent: end\rdata: gone\r\r",
    "\r\n\r\nid: 99\r\nretry: 1\r\n\r\n",
    ":\n:\nevent: piece\ndata: <b data-hostile>\n\n",
    "\u2028event: end\u2029data: x\x85\x0b\x0c",
    '"}]}</script>',
    "\\\"}]}'); //",
    '"},"__proto__":{"x":1},"constructor":{"prototype":{}}',
    "null",
    "undefined NaN true [object Object]",
    "\ufeff{}",
]
PATHS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00%0a%0dSet-Cookie: x=1",
    "x\r\nSet-Cookie: x=1\r\n\r\n<b>",
    "?token=x&run=y#z;a=b",
    "//192.0.2.1/x",
    "C:\\con\\nul.txt",
    "a/b//c/./d/..",
    '=HYPERLINK("http://192.0.2.1","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "'; DROP TABLE documents; --",
    "' OR '1'='1",
    '* OR text:*"',
]
LETTERS = [
    "\u202ereversed\u202c and \u2066isolated",
    "\u200f\u200eשלום \u061c مرحبا بالعالم 123 (abc)",
    "\u200b\u200d\u2060\ufeffzero\u00adwidth",
    "Z\u0351\u036b\u0343a\u0317\u0354l\u0323\u0361\u0489g\u0334\u030eo\u0317" * 20,
    "👩🏽‍💻👨‍👩‍👧‍👦🏳️‍🌈🇪🇺" * 5,
    "\x01\x02\x07\x08\x1b[2J\x1b]0;owned\x07\x7f",
    "\U000e0001\U000e0041\ue000\ufffe\uffff\U0010ffff",
    "İıſﬀẞ 𝕳𝖊𝖑𝖑𝖔 ｆｕｌｌ",
    "漢字" * 200,
    "ไทยไม่มีช่องว่าง" * 40,
    "x" * 5000,
    "word " * 2000,
    "\n" * 300,
    "\t\u00a0\u3000 \u2003",
    "-" * 300 + ">" * 300,
]
FRAGMENTS = [*MARKUP, *BREAKERS, *TEMPLATES, *ENDINGS, *PATHS, *LETTERS]


def hostile_texts(count: int = 1000, *, longest: int = 20_000, with_nul: bool = False) -> list[str]:
    """The same texts each time: each fragment alone, then several of them in one, between harmless words.

    longest: letters of a text. with_nul: whether some have a NUL, which databases and files refuse.
    """
    luck = random.Random(31)
    found = list(FRAGMENTS[:count])
    while len(found) < count:
        parts: list[str] = []
        for fragment in luck.sample(FRAGMENTS, luck.randint(2, 5)):
            parts += [fragment, luck.choice(["", " ", "\n", " I like rain. ", '"', "'", "<", "&", "\\"])]
        found.append("".join(parts))
    if with_nul:
        found = [f"{text[:5]}\0{text[5:]}" if number % 10 == 0 else text for number, text in enumerate(found)]
    return [text[:longest] for text in found]


def as_file_name(text: str, number: int) -> str:
    """A text as far as a file can be called so. number: keeps the names apart."""
    kept = "".join("\u2215" if letter == "/" else letter for letter in text if letter != "\0")
    return f"{number} {kept.encode()[:200].decode(errors='ignore')}"


def check_nothing_ran(browser: Any) -> None:
    """No hostile text on the page that is open was taken for anything but a text."""
    assert browser.execute_script(f"return typeof window.{RAN}") == "undefined", "a script ran"
    found = browser.execute_script(f"return [...document.querySelectorAll('[{MARK}]')].map((e) => e.outerHTML)")
    assert found == [], "texts became elements"
    assert browser.execute_script("return document.querySelectorAll('base').length") == 0
    assert browser.execute_script("return document.title") != "owned"
    assert browser.execute_script("return location.hostname") == "127.0.0.1"
    check_console(browser)


class _Elements(HTMLParser):
    """Collects the elements that have the mark of hostile texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if any(name == MARK for name, _ in attrs):
            self.found.append(str(self.get_starttag_text()))


def check_is_text(html: str) -> None:
    """No hostile text in an answer is markup: for answers that no browser opens."""
    elements = _Elements()
    elements.feed(html)
    elements.close()
    assert elements.found == [], "texts became elements"
