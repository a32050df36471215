"use strict";
// An error that was shown is gone with the next thing that a person asks for; what is hidden asks by itself.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!event.detail.elt.hidden) document.getElementById("alert").replaceChildren();
});
document.addEventListener("htmx:sendError", () => {
  document.getElementById("alert").textContent = "The studio does not answer: is penname studio still running?";
});
