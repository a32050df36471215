"use strict";
// An error that was shown is gone with the next thing that is asked for.
document.addEventListener("htmx:beforeRequest", () => document.getElementById("alert").replaceChildren());
document.addEventListener("htmx:sendError", () => {
  document.getElementById("alert").textContent = "The studio does not answer: is penname studio still running?";
});
