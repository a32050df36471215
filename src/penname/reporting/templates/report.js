"use strict";
// Everything that users or models wrote reaches the page as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const userOf = (example) => JSON.stringify([example.task, example.user]);
const users = new Map(data.examples.map((example) => [userOf(example), example]));
const severalTasks = new Set(data.examples.map((example) => example.task)).size > 1;
const NOTHING = "nothing", AUTHOR = "the author's text";
let place = 0;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => {
    const option = element("option", text);
    option.value = value;
    return option;
  }));
}

// Nothing separates the words of these scripts; a browser without a segmenter marks their letters.
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const segmenter = globalThis.Intl && Intl.Segmenter ? new Intl.Segmenter("en", {granularity: "word"}) : null;
const segments = (part) => segmenter ? Array.from(segmenter.segment(part), (found) => found.segment) : Array.from(part);
const words = (text) => text.split(/(\s+)/).filter((part) => part).flatMap((part) => unspaced.test(part) ? segments(part) : [part]);
const plain = (word) => word.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, "");
const long = (word) => word.length > (unspaced.test(word) ? 1 : 3);

// The words of `text` that are not in its longest common subsequence with `other`.
function different(text, other) {
  const parts = words(text), own = [];
  parts.forEach((part, at) => { if (plain(part)) own.push(at); });
  const theirs = words(other).map(plain).filter((word) => word);
  const mine = own.map((at) => plain(parts[at]));
  const longest = Array.from({length: mine.length + 1}, () => new Uint16Array(theirs.length + 1));
  for (let i = mine.length - 1; i >= 0; i--)
    for (let j = theirs.length - 1; j >= 0; j--)
      longest[i][j] = mine[i] === theirs[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const same = new Set();
  for (let i = 0, j = 0; i < mine.length && j < theirs.length;)
    if (mine[i] === theirs[j]) { same.add(own[i]); i++; j++; }
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  return parts.map((part, at) => [part, plain(part) !== "" && !same.has(at)]);
}

// The longer words of `text` that also occur in `other`.
function common(text, other) {
  const theirs = new Set(words(other).map(plain));
  return words(text).map((part) => [part, long(plain(part)) && theirs.has(plain(part))]);
}

function paragraph(parts, className) {
  const made = element("p", undefined, className);
  made.append(...parts.map(([part, marked]) => marked ? element("mark", part) : part));
  return made;
}

function card(title, ...content) {
  const made = element("article", undefined, "card");
  made.append(element("h3", title), ...content);
  return made;
}

function list(title, paragraphs) {
  const made = element("details", undefined, "card");
  made.append(element("summary", title), ...paragraphs);
  return made;
}

function show() {
  const example = data.examples[place], base = find("base").value;
  find("user").value = userOf(example);
  fill(find("example"), data.examples.map((e, i) => [i, e]).filter(([, e]) => userOf(e) === userOf(example))
    .map(([i, e]) => [i, e.input.length > 90 ? e.input.slice(0, 90) + "…" : e.input]));
  find("example").value = place;
  const written = example.written[base];
  const other = base === NOTHING ? null : base === AUTHOR ? example.output : written ? written.response : null;
  const profile = data.profiles[example.profile];
  const cards = [card("Prompt", element("p", example.input)), card("Written by the author", element("p", example.output))];
  if (example.context.length) {
    const hits = example.context.map((text, rank) => paragraph([[`${rank + 1}. `, false], ...common(text, example.input)]));
    cards.push(list(`Retrieved documents, which the prompts of rag and other methods show: ${example.context.length}; words that are also in the prompt are marked`, hits));
  }
  if (profile.length) cards.push(list(`Documents of the user: ${profile.length} of ${example.history} shown`, profile.map((text) => element("p", text))));
  const about = element("p", `${example.id}, task ${example.task}, ${example.history} documents of the user, ${place + 1} of ${data.examples.length}`, "soft");
  const texts = element("div", undefined, "texts"), methods = element("div", undefined, "texts");
  texts.append(...cards);
  for (const [method, text] of Object.entries(example.written)) {
    const scores = Object.entries(text.metrics).map(([name, value]) => `${name} ${value === null ? "none" : value.toFixed(3)}`);
    if (text.unfinished) scores.push("truncated at the token limit");
    const content = [element("p", scores.join(", "), "soft")];
    if (text.reasoning) content.push(element("p", text.reasoning, "reasoning"));
    content.push(text.malformed ? element("p", "(malformed: no response)", "soft")
      : base === method || other === null ? element("p", text.response) : paragraph(different(text.response, other)));
    methods.append(card(method, ...content));
  }
  find("shown").replaceChildren(about, texts, methods);
}

function move(step) {
  place = (place + step + data.examples.length) % data.examples.length;
  show();
}

if (data.examples.length) {
  fill(find("user"), [...users].map(([key, e]) => [key, severalTasks ? `${e.user} (${e.task})` : e.user]));
  fill(find("base"), [AUTHOR, NOTHING, ...data.methods].map((name) => [name, name]));
  find("user").addEventListener("change", (event) => { place = data.examples.findIndex((e) => userOf(e) === event.target.value); show(); });
  find("example").addEventListener("change", (event) => { place = Number(event.target.value); show(); });
  find("base").addEventListener("change", show);
  find("previous").addEventListener("click", () => move(-1));
  find("next").addEventListener("click", () => move(1));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("select, input, textarea, .wide") || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = {j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1}[event.key];
    if (step) move(step);
  });
  show();
}
