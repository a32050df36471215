"use strict";
// Sends files and folders that were chosen or dropped, some at a time: htmx sends neither dropped folders nor portions.
(() => {
  const MOST_FILES = 200;
  const MOST_BYTES = 32 * 2 ** 20;
  const address = `${location.pathname.split("/import")[0]}/import`;
  const headers = () => ({ ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true" });

  const swap = (verb, path, values) => htmx.ajax(verb, `${address}/${path}`, { target: "#import", swap: "outerHTML", values });

  const portions = (files) => {
    const all = [[]];
    let bytes = 0;
    for (const one of files) {
      if (all.at(-1).length && (all.at(-1).length === MOST_FILES || bytes + one.file.size > MOST_BYTES)) {
        all.push([]);
        bytes = 0;
      }
      all.at(-1).push(one);
      bytes += one.file.size;
    }
    return all;
  };

  const show = (sent, size) => {
    const bar = document.getElementById("sending");
    if (!bar) return;
    bar.max = Math.max(size, 1);
    bar.value = sent;
    document.getElementById("sent").textContent = `${(sent / 1e6).toFixed(1)} of ${(size / 1e6).toFixed(1)} MB`;
  };

  // What went wrong in a line, or nothing.
  const sendPortion = (portion, before, size) =>
    new Promise((done) => {
      const form = new FormData();
      for (const { path, file } of portion) form.append("file", file, path);
      const request = new XMLHttpRequest();
      request.open("POST", `${address}/files`);
      for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => show(Math.min(before + event.loaded, size), size);
      request.onload = () => {
        const answer = new DOMParser().parseFromString(request.responseText, "text/html");
        done(request.status < 400 ? "" : answer.body.textContent.trim());
      };
      // A file that cannot be read any more, or a studio that has ended.
      request.onerror = () => done("The files could not be sent: is penname studio running, and are they still there?");
      request.send(form);
    });

  const send = async (files) => {
    if (!files.length) return;
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    await swap("POST", "begin", { files: files.length, size });
    if (!document.getElementById("sending")) return; // refused, and said so
    let sent = 0;
    show(0, size);
    for (const portion of portions(files)) {
      const problem = await sendPortion(portion, sent, size);
      if (!document.getElementById("sending")) return; // cancelled
      if (problem) {
        await swap("POST", "cancel", {});
        document.getElementById("alert").textContent = problem;
        return;
      }
      sent += portion.reduce((sum, { file }) => sum + file.size, 0);
    }
    await swap("POST", "read", {});
  };

  const inFolder = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done) => entry.file(done, () => done(null)));
      return file ? [{ path: entry.fullPath.replace(/^\//, ""), file }] : [];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((done) => reader.readEntries(done, () => done([]))); // some hundred at a time
      if (!some.length) return found;
      for (const one of some) found.push(...(await inFolder(one)));
    }
  };

  const drop = (target) => target instanceof Element && target.closest("#drop");

  document.addEventListener("change", (event) => {
    if (drop(event.target) && event.target.matches("input[type=file]")) {
      send(Array.from(event.target.files, (file) => ({ path: file.webkitRelativePath || file.name, file })));
    }
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const zone = drop(event.target);
      if (kind !== "dragleave") event.preventDefault(); // also beside the zone, where a browser would open the file
      if (zone) zone.classList.toggle("over", kind === "dragover");
    });
  }
  document.addEventListener("drop", async (event) => {
    if (!drop(event.target)) return;
    const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry()).filter(Boolean);
    const found = [];
    for (const entry of entries) found.push(...(await inFolder(entry)));
    send(found);
  });
})();
