"use strict";
// Draws the losses that the table on the page has, in the colours of the page, moves the focus to a new plan, and tells
// when the studio does not answer.
(() => {
  const wholeSteps = [1, 10, 100, 1000, 10000].flatMap((tens) => [tens, 2 * tens, 5 * tens]);
  const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2]];
  let chart = null;
  let shown = "";

  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  function curvesOf(table) {
    return Array.from(table.querySelectorAll("tr[data-points]"), (row) => {
      const numbers = row.dataset.points.trim().split(" ").map(Number);
      const points = new Map();
      for (let i = 0; i < numbers.length; i += 2) points.set(numbers[i], numbers[i + 1]);
      return points;
    });
  }

  function draw() {
    const place = document.getElementById("chart");
    const table = document.getElementById("curves");
    if (!place || !table) return;
    const width = place.clientWidth;
    const look = [width, colour("--text"), ...Array.from(table.querySelectorAll("tr[data-points]"), (row) => row.dataset.points)].join("|");
    if (look === shown || width === 0) return;
    shown = look;
    const curves = curvesOf(table);
    const steps = Array.from(new Set(curves.flatMap((points) => Array.from(points.keys())))).sort((a, b) => a - b);
    const data = [steps, ...curves.map((points) => steps.map((step) => points.get(step)))];
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const options = {
      width,
      height: 260,
      legend: { show: false },
      scales: { x: { time: false } },
      axes: [{ ...axis, label: "step", incrs: wholeSteps }, { ...axis, label: "loss" }],
      series: [{}, ...curves.map((_, i) => ({
        stroke: colour(`--key-${i % 6}`), width: 2, dash: dashes[i % 6], spanGaps: true, points: { show: curves[i].size < 2 },
      }))],
    };
    if (chart) chart.destroy();
    chart = new uPlot(options, data, place);
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "losses") draw();
    if (event.target.id === "plan") document.getElementById("plan-title").focus();
  });
  // A browser asks again by itself.
  const silent = "The studio does not answer: this page stays as it is until it does. A run that is under way goes on.";
  document.addEventListener("htmx:sseError", () => say(silent));
  document.addEventListener("htmx:sseOpen", () => say(""));

  function say(line) {
    const place = document.getElementById("silent");
    if (place.textContent === line) return;
    const told = document.createElement("p");
    told.className = "problem";
    told.textContent = line;
    place.replaceChildren(...(line ? [told] : []));
  }

  document.addEventListener("DOMContentLoaded", () => {
    draw();
    const place = document.getElementById("chart");
    if (place) new ResizeObserver(draw).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    const form = document.getElementById("new-run");
    if (form) {
      form.addEventListener("change", (event) => offer(form, event.target));
      offer(form, null);
    }
  });

  // What cannot be chosen together is not offered; whoever finds a person has chosen "some".
  function offer(form, changed) {
    if (changed && changed.name === "user") form.elements["whose-some"].checked = true;
    const recipe = form.querySelector("[name=recipe]:checked");
    const own = form.elements["data-own"];
    const its = form.elements["data-recipe"];
    own.disabled = recipe.dataset.onOwn !== "true";
    its.disabled = recipe.dataset.onItsOwn !== "true";
    document.getElementById("no-data-own").hidden = !own.disabled;
    document.getElementById("no-data-recipe").hidden = !its.disabled;
    if (own.disabled) its.checked = true;
    if (its.disabled) own.checked = true;
    document.getElementById("whose").hidden = !own.checked;
    document.getElementById("some").hidden = !form.elements["whose-some"].checked;
    if (changed && changed.name !== "search") document.getElementById("plan").replaceChildren();
  }
})();
