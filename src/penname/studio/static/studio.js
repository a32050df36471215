"use strict";
// An error that was shown is gone with the next thing that a person asks for; what is hidden asks by itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.hidden) document.getElementById("alert").replaceChildren();
});
// A button that is disabled while it asks loses the focus, and one that is replaced too: it is given back.
let asking = null;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.contains(document.activeElement)) asking = document.activeElement;
});
document.addEventListener("htmx:afterRequest", () => setTimeout(() => {
  if (!asking || document.activeElement !== document.body) return;
  const again = asking.isConnected ? asking : document.getElementById(asking.id);
  if (again) again.focus();
  asking = null;
}, 50));
document.addEventListener("htmx:sendError", () => {
  document.getElementById("alert").textContent = "The studio does not answer: is penname studio still running?";
});
