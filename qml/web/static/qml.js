// Keeps a page up to date without loading it anew. Everything works without it.
"use strict";
(() => {
  const EVERY = 2000, LONGEST = 30000;
  const link = document.getElementById("link");
  const pause = document.getElementById("pause");
  const goOn = document.getElementById("go-on");
  let ahead = 0; // of this clock, the store's
  let etag = null, wait = EVERY, timer = 0, paused = false, asking = null;

  const clock = (text) => { if (text) ahead = Date.parse(text) - Date.now(); };
  clock(document.body.dataset.now);

  // The same words as the server's.
  const span = (seconds) => {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
      if (seconds >= size) return `${Math.floor(seconds / size).toLocaleString("en")} ${unit}`;
    return `${Math.floor(seconds)} s`;
  };
  const tick = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now() - ahead) / 1000;
      const text = Math.abs(seconds) < 1 ? "now" : seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  };

  const say = (kind, text) => {
    if (link.textContent !== text) link.textContent = text;
    link.className = kind;
  };

  // What a reader did to a part of the page, so that it survives the part's being replaced.
  const held = (part) => ({
    ticked: [...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.name + "\n" + box.value),
    open: [...part.querySelectorAll("details")].map((one) => [one.id, one.open]),
    left: [...part.querySelectorAll(".scroll[id]")].map((one) => [one.id, one.scrollLeft]),
    focus: part.contains(document.activeElement) ? place(part, document.activeElement) : null,
  });
  const key = (one) => [one.tagName, one.id, one.name, one.value, one.getAttribute("href"), one.textContent].join("\n");
  const place = (part, one) => {
    const alike = [...part.querySelectorAll(one.tagName)].filter((other) => key(other) === key(one));
    return { tag: one.tagName, key: key(one), number: alike.indexOf(one) };
  };
  const restore = (part, was) => {
    for (const box of part.querySelectorAll("input[type=checkbox]"))
      if (was.ticked.includes(box.name + "\n" + box.value)) box.checked = true;
    for (const [id, open] of was.open) { const one = id && document.getElementById(id); if (one) one.open = open; }
    for (const [id, left] of was.left) { const one = document.getElementById(id); if (one) one.scrollLeft = left; }
    if (!was.focus) return;
    const alike = [...part.querySelectorAll(was.focus.tag)].filter((other) => key(other) === was.focus.key);
    const one = alike[was.focus.number] || alike[0];
    if (one) one.focus({ preventScroll: true });
  };
  const replace = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.innerHTML === part.innerHTML) continue;
      const was = held(part);
      part.replaceChildren(...other.childNodes);
      restore(part, was);
    }
    ready();
  };

  const ready = () => {
    const all = document.getElementById("all");
    if (all) {
      all.hidden = false;
      all.onchange = () => { for (const box of document.getElementsByName("pick")) box.checked = all.checked; };
    }
    tick();
  };

  const later = (milliseconds) => { clearTimeout(timer); timer = setTimeout(ask, milliseconds); };
  const ask = async () => {
    clearTimeout(timer);
    if (paused || document.hidden || asking) return;
    asking = new AbortController();
    const limit = setTimeout(() => asking && asking.abort(), 15000);
    try {
      const headers = { "Qml-Live": "1" };
      if (etag) headers["If-None-Match"] = etag;
      const answer = await fetch(location.href, { headers, cache: "no-store", credentials: "same-origin", signal: asking.signal });
      if (answer.status === 401 || answer.status === 403 || answer.status === 404) return location.reload();
      if (answer.status !== 304 && !answer.ok) throw new Error(answer.status);
      if (document.getElementById("trouble")) return location.reload();
      clock(answer.headers.get("Qml-Now"));
      if (answer.status === 200) {
        const text = await answer.text();
        if (!paused) { replace(text); etag = answer.headers.get("ETag"); }
      }
      wait = EVERY;
      say("up", "Live");
      later(wait);
    } catch (error) {
      wait = Math.min(wait * 2, LONGEST);
      say("down", "Not connected; tries again");
      later(wait);
    } finally {
      clearTimeout(limit);
      asking = null;
    }
  };

  ready();
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  if (goOn) { setTimeout(() => goOn.requestSubmit(), 300); return; }
  if (!pause || document.querySelector(".question")) return;
  pause.hidden = false;
  pause.onclick = () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on updating" : "Pause updates";
    if (paused) say("still", "Paused"); else ask();
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) ask(); });
  if (document.getElementById("trouble")) say("down", "Not connected; tries again"); else say("up", "Live");
  later(EVERY);
})();
