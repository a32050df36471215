"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
let answers = {}, at = 0, database = null;

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Not localStorage: Chromium sometimes loses, without an error, what a page opened from a file writes to it.
async function restore() {
  try {
    const opening = indexedDB.open("penname", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("answers");
    database = await done(opening);
    const kept = await done(database.transaction("answers").objectStore("answers").get(data.export));
    if (kept) { answers = kept.answers; find("name").value = kept.name; }
  } catch { /* nothing was kept */ }
  const open = data.pairs.findIndex((pair) => !answers[pair.number]);
  at = open < 0 ? 0 : open;
}

function keep() {
  find("kept").textContent = "";
  const fail = () => {
    find("kept").textContent = "This browser keeps nothing: save your answers as a file before you close the page.";
  };
  try {
    const writing = database.transaction("answers", "readwrite");
    writing.onabort = fail;
    writing.objectStore("answers").put({name: find("name").value, answers}, data.export);
    writing.commit();
  } catch { fail(); }
}

function card(title, text) {
  const made = element("article", "", "card");
  made.append(element("h2", title), element("p", text));
  return made;
}

function show() {
  const pair = data.pairs[at], chosen = answers[pair.number];
  find("shown").replaceChildren(card("Prompt", pair.input), card("What the author wrote", pair.output));
  find("choices").replaceChildren(...["a", "b"].map((letter, number) => {
    const made = card(`Text ${letter.toUpperCase()}`, pair.texts[number]);
    const button = element("button", `${letter.toUpperCase()} is nearer (${letter})`);
    button.type = "button";
    button.id = `choose-${letter}`;
    button.setAttribute("aria-pressed", String(chosen === letter));
    button.addEventListener("click", () => choose(letter));
    made.append(button);
    return made;
  }));
  find("neither").setAttribute("aria-pressed", String(chosen === "neither"));
  find("progress").textContent =
    `Pair ${at + 1} of ${data.pairs.length}, ${Object.keys(answers).length} answered${chosen ? `; your choice: ${chosen}` : ""}`;
}

function choose(choice) {
  answers[data.pairs[at].number] = choice;
  keep();
  if (at + 1 < data.pairs.length) at++;
  show();
  if (Object.keys(answers).length === data.pairs.length) find("kept").textContent = "All pairs are answered: save your answers.";
}

function move(step) {
  at = Math.min(data.pairs.length - 1, Math.max(0, at + step));
  show();
}

function file() {
  return JSON.stringify({export: data.export, annotator: find("name").value.trim(), answers}, null, 1);
}

function listen() {
  find("name").addEventListener("input", keep);
  find("previous").addEventListener("click", () => move(-1));
  find("next").addEventListener("click", () => move(1));
  find("neither").addEventListener("click", () => choose("neither"));
  find("save").addEventListener("click", () => {
    if (!find("name").value.trim()) {
      find("kept").textContent = "Enter your name first: it tells your answers from those of others.";
      find("name").focus();
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file()], {type: "application/json"}));
    link.download = `answers-${find("name").value.trim().replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
    link.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = {a: "a", b: "b", n: "neither"}[event.key], step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    // A key that is held down would answer pairs that nobody has read.
    if (choice && !event.repeat) choose(choice);
    else if (step) move(step);
  });
}

// What was kept comes before anything is answered, which would take its place.
restore().then(() => { listen(); show(); });
