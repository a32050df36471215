"use strict";
// Keys choose while the pair has the focus, and nowhere else.
const pair = document.getElementById("pair");
const SECONDS_TO_LOOK = 0.5;
let shown = 0;

function tell() {
  document.getElementById("told").textContent = document.getElementById("place").dataset.told;
  shown = performance.now();
}

// The second tap of a double tap would answer a pair that nobody has read.
const isTooSoon = () => performance.now() - shown < SECONDS_TO_LOOK * 1000;

pair.addEventListener("click", (event) => {
  if (event.target.closest("[data-key]") && isTooSoon()) event.stopImmediatePropagation();
}, true);

pair.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const button = pair.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  // A key that is held down would answer pairs that nobody has read.
  if (event.repeat && (button || event.key === "Enter")) event.preventDefault();
  else if (button) button.click();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target !== pair) return;
  tell();
  pair.focus({preventScroll: true});
  pair.scrollIntoView();
});

pair.focus({preventScroll: true});
shown = -Infinity;
