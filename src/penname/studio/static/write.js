"use strict";
// What htmx cannot do: remove a text that is asked for, copy, and keep the focus where its button goes.
const MOST = 4;

function counted() {
  const asked = document.querySelectorAll("[data-column]");
  document.getElementById("add").disabled = asked.length >= MOST;
  for (const one of asked) one.querySelector("[data-remove]").disabled = asked.length === 1;
}

async function copy(button) {
  const from = document.getElementById(button.dataset.copy);
  const told = document.getElementById(button.dataset.told);
  try {
    await navigator.clipboard.writeText("value" in from ? from.value : from.textContent);
    told.textContent = "Copied.";
  } catch {
    told.textContent = "The browser did not let it be copied.";
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches("[data-copy]")) copy(button);
  if (!button?.matches("[data-remove]")) return;
  const column = button.closest("[data-column]"), other = column.nextElementSibling ?? column.previousElementSibling;
  column.remove();
  counted();
  other.querySelector("input").focus();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id !== "asked") return;
  counted();
  event.target.lastElementChild.querySelector("input").focus();
});

// A stop button that had the focus is gone once its text is written.
let focused = null;
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  focused = event.target.contains(document.activeElement) ? event.target.closest("section") : null;
});
document.addEventListener("htmx:sseMessage", () => {
  if (focused && document.activeElement === document.body) focused.querySelector("h2").focus({preventScroll: true});
  focused = null;
});

// Refused for good, as by a studio that was started anew and does not know this browser: its page says so.
document.addEventListener("htmx:sseError", (event) => {
  if (event.detail.source?.readyState === EventSource.CLOSED) window.location.reload();
});

counted();
