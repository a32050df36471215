"""A page by keyboard alone: what can be clicked is reached with Tab, in order, and it is seen where the focus is."""

from __future__ import annotations

from typing import Any

_CLICKABLE = """
const focusable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, audio[controls], '
  + 'video[controls], iframe, [contenteditable=true], [tabindex]';
const clicked = '[role=button], [role=link], [role=tab], [role=menuitem], [onclick], label[for], '
  + '[hx-get], [hx-post], [hx-put], [hx-patch], [hx-delete]';
const seen = (e) => e.checkVisibility({visibilityProperty: true}) && !e.closest('[inert]');
const reachable = (e) => e.matches(focusable) && !e.disabled && e.tabIndex >= 0;
const stops = [...document.querySelectorAll(focusable)].filter((e) => seen(e) && reachable(e)).filter((e) => {
  if (e.type !== 'radio') return true;  // of a group of radio buttons, Tab reaches one
  const group = [...document.querySelectorAll(`input[type=radio][name="${CSS.escape(e.name)}"]`)]
    .filter((o) => o.form === e.form && seen(o) && !o.disabled);
  return e === (group.find((o) => o.checked) || group[0]);
});
const others = /load|sse:|every|revealed|change|input|drop|from:/;
const byClick = (e) => !(e.getAttribute('hx-trigger') || 'click').match(others);
const deaf = [...document.querySelectorAll(clicked)]
  .filter((e) => seen(e) && !e.disabled && !e.matches('label, form') && byClick(e) && !reachable(e));
window.keys_stops = stops;
return [stops.map((e) => e.outerHTML.slice(0, 160)), deaf.map((e) => e.outerHTML.slice(0, 160))];
"""
_FOCUSED = """
const e = document.activeElement;
if (!e || e === document.body) return null;
const style = getComputedStyle(e), box = e.getBoundingClientRect();
const ringed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
return {
  number: window.keys_stops.indexOf(e),
  html: e.outerHTML.slice(0, 160),
  ringed: ringed || style.boxShadow !== 'none',
  inView: box.width > 0 && box.height > 0 && box.bottom > 0 && box.right > 0
    && box.top < innerHeight && box.left < innerWidth,
};
"""


def check_keys(browser: Any, most: int = 400) -> list[str]:
    """Tab through the page that is open, from its beginning; returns what was reached, in order.

    most: stops that a page may have.
    """
    to_the_beginning(browser)
    stops, deaf = browser.execute_script(_CLICKABLE)
    assert deaf == [], "clicks only: no key reaches it"
    assert len(stops) <= most, "too many stops"
    reached = []
    for html in stops:
        press(browser, "Tab")
        focused = browser.execute_script(_FOCUSED)
        assert focused is not None, f"not reached: {html}"
        assert focused["number"] == len(reached), f"expected {html}, reached {focused['html']}"
        assert focused["ringed"], f"the focus is not seen: {html}"
        assert focused["inView"], f"the focus is out of view: {html}"
        reached.append(html)
    return reached


def to_the_beginning(browser: Any) -> None:
    """Put the focus before everything on the page, as if it were just opened."""
    browser.execute_script(
        "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
    )


def press(browser: Any, key: str, *, shift: bool = False) -> None:
    """Press a key, as a person does: wherever the focus is. key: as browsers call it, such as Tab, Enter, a."""
    codes = {
        "Tab": 9,
        "Enter": 13,
        "Escape": 27,
        " ": 32,
        "ArrowLeft": 37,
        "ArrowUp": 38,
        "ArrowRight": 39,
        "ArrowDown": 40,
    }
    text = {"Enter": "\r", "Tab": ""}.get(key, key if len(key) == 1 else "")
    event = {
        "key": key,
        "code": f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else {" ": "Space"}.get(key, key),
        "windowsVirtualKeyCode": codes.get(key, ord(key.upper()) if len(key) == 1 else 0),
        "modifiers": 8 if shift else 0,
    }
    down = {"type": "keyDown", **({"text": text} if text else {})}
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", down | event)
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp"} | event)


def focus_by_keys(browser: Any, selector: str, most: int = 400) -> None:
    """Press Tab until the focus is on an element."""
    for _ in range(most):
        press(browser, "Tab")
        if browser.execute_script("return document.activeElement.matches(arguments[0])", selector):
            return
    raise AssertionError(f"no key leads to {selector}")
