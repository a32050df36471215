"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
let answers = {}, at = 0, database = null, failed = false, ready = 0;

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

const store = (mode) => database.transaction("answers", mode).objectStore("answers");
const range = () => IDBKeyRange.bound([data.export], [data.export, []]);

// Not localStorage: Chromium sometimes loses, without an error, what a page opened from a file writes to it.
async function openDatabase() {
  const opening = indexedDB.open("penname", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("answers");
  const late = new Promise((_, reject) => setTimeout(reject, 3000));
  database = await Promise.race([done(opening), late]);
}

// What is stored replaces what this page knows: another tab may have answered, or have deleted all answers.
async function read() {
  if (failed) return;
  const every = await done(store("readonly").getAll(range()));
  answers = Object.fromEntries(every.filter((kept) => kept.choice).map((kept) => [kept.number, kept.choice]));
  find("name").value = every.find((kept) => !kept.choice)?.name ?? "";
}

// Each answer is stored on its own, so that two tabs with the same page keep the answers of both.
function keep(change) {
  find("kept").textContent = "";
  const fail = () => {
    failed = true;
    find("kept").textContent = "This browser keeps nothing: save your answers as a file before you close the page.";
  };
  try {
    const kept = store("readwrite");
    kept.transaction.onabort = fail;
    change(kept);
    kept.transaction.commit();
  } catch { fail(); }
}

function card(title, text) {
  const made = element("article", "", "card");
  made.append(element("h2", title), element("p", text));
  return made;
}

function show() {
  const pair = data.pairs[at];
  find("shown").replaceChildren(card("Prompt", pair.input), card("What the author wrote", pair.output));
  find("choices").replaceChildren(...["a", "b"].map((letter, number) => {
    const made = card(`Text ${letter.toUpperCase()}`, pair.texts[number]);
    const button = element("button", `${letter.toUpperCase()} is nearer (${letter})`);
    button.type = "button";
    button.id = `choose-${letter}`;
    button.addEventListener("click", () => choose(letter));
    made.append(button);
    return made;
  }));
  mark();
}

function mark() {
  const chosen = answers[data.pairs[at].number];
  for (const [id, choice] of [["choose-a", "a"], ["choose-b", "b"], ["neither", "neither"]])
    find(id).setAttribute("aria-pressed", String(chosen === choice));
  const count = Object.keys(answers).length, all = count === data.pairs.length;
  find("progress").textContent = `Pair ${at + 1} of ${data.pairs.length}, ${count} answered` +
    (chosen ? `; your choice: ${chosen}` : "") + (all ? ". All pairs are answered: save your answers." : "");
}

function choose(choice) {
  if (performance.now() < ready) return;
  const number = data.pairs[at].number;
  answers[number] = choice;
  keep((kept) => kept.put({number, choice}, [data.export, number]));
  go(unanswered(at));
  // The second tap of a double tap would answer a pair that nobody has read.
  ready = performance.now() + 500;
}

// The next unanswered pair after this one, continuing with the first after the last; this one if all are answered.
function unanswered(place) {
  const others = data.pairs.map((_, step) => (place + 1 + step) % data.pairs.length);
  return others.find((other) => !answers[data.pairs[other].number]) ?? place;
}

function go(place) {
  at = Math.min(data.pairs.length - 1, Math.max(0, place));
  ready = 0;
  show();
  find("progress").scrollIntoView();
  find("shown").focus({preventScroll: true});
}

async function refresh() {
  await read().catch(() => { failed = true; });
  mark();
}

function file() {
  return JSON.stringify({export: data.export, annotator: find("name").value.trim(), answers}, null, 1);
}

function listen() {
  find("name").addEventListener("input", () => {
    keep((kept) => kept.put({name: find("name").value}, [data.export, 0]));
  });
  find("previous").addEventListener("click", () => go(at - 1));
  find("next").addEventListener("click", () => go(at + 1));
  find("neither").addEventListener("click", () => choose("neither"));
  find("save").addEventListener("click", async () => {
    await refresh();
    if (!find("name").value.trim()) {
      find("kept").textContent = "Enter your name first: it tells your answers from those of others.";
      find("name").focus();
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([file()], {type: "application/json"}));
    link.download = `answers-${find("name").value.trim().replace(/[^\p{L}\p{M}\p{N}]+/gu, "-")}.json`;
    link.click();
  });
  find("anew").addEventListener("click", () => {
    if (!confirm("Delete the name and all answers that this browser keeps of these pairs?")) return;
    answers = {};
    find("name").value = "";
    keep((kept) => kept.delete(range()));
    go(0);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = {a: "a", b: "b", n: "neither"}[event.key.toLowerCase()], step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    // A key that is held down would answer pairs that nobody has read.
    if (event.repeat && (choice || event.key === "Enter")) event.preventDefault();
    else if (choice) choose(choice);
    else if (step) go(at + step);
  });
  window.addEventListener("focus", refresh);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}

// Stored answers are read before any new answer, which would overwrite them.
openDatabase().then(read).catch(() => { failed = true; }).then(() => {
  at = Math.max(0, unanswered(-1));
  listen();
  show();
});
