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
// A browser has six connections to a host, for all pages together. So a page that is not looked at has none: it goes on
// where it was once it is looked at again.
class StreamWhileVisible {
  #url; #last = ""; #listeners = new Map(); #source = null; #closed = false;
  onopen = null;
  onerror = null;
  #look = () => (document.hidden ? this.#pause() : this.#connect());

  constructor(url) {
    this.#url = new URL(url, location.href);
    document.addEventListener("visibilitychange", this.#look);
    this.#look();
  }

  get readyState() {
    if (this.#closed) return EventSource.CLOSED;
    return this.#source ? this.#source.readyState : EventSource.CONNECTING;
  }

  addEventListener(kind, listener) {
    if (!this.#listeners.has(kind)) {
      this.#listeners.set(kind, new Set());
      if (this.#source) this.#listen(kind);
    }
    this.#listeners.get(kind).add(listener);
  }

  removeEventListener(kind, listener) {
    if (this.#listeners.has(kind)) this.#listeners.get(kind).delete(listener);
  }

  close() {
    this.#closed = true;
    document.removeEventListener("visibilitychange", this.#look);
    this.#pause();
  }

  #pause() {
    if (this.#source) this.#source.close();
    this.#source = null;
  }

  #connect() {
    if (this.#closed || this.#source) return;
    if (this.#last) this.#url.searchParams.set("last", this.#last);
    const source = new EventSource(this.#url);
    this.#source = source;
    source.onopen = (event) => this.onopen && this.onopen(event);
    source.onerror = (event) => {
      if (source.readyState === EventSource.CLOSED) this.close();
      if (this.onerror) this.onerror(event);
    };
    for (const kind of this.#listeners.keys()) this.#listen(kind);
  }

  #listen(kind) {
    this.#source.addEventListener(kind, (event) => {
      this.#last = event.lastEventId;
      for (const listener of [...this.#listeners.get(kind)]) listener(event);
    });
  }
}
htmx.createEventSource = (url) => new StreamWhileVisible(url);
