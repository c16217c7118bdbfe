// Keeps a page alive: polls its own address, morphs what changed, and gives it keys, themes and verbs.

const POLL_MS = 1500;
const AWAY_MS = 4000;
let tag = null;
let timer = null;

// --- live -----------------------------------------------------------------------------------

async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  let next = POLL_MS;
  try {
    const headers = tag ? { "If-None-Match": tag, Accept: "text/html" } : { Accept: "text/html" };
    const answer = await fetch(location.href, { headers, cache: "no-store" });
    if (answer.redirected) return location.assign(answer.url); // the session is over
    if (answer.ok) {
      tag = answer.headers.get("etag");
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const region of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(region.id);
        if (other) morph(region, other);
      }
      document.title = fresh.title;
      document.dispatchEvent(new Event("noria:live"));
    }
    away(answer.status >= 500);
  } catch {
    away(true);
    next = AWAY_MS;
  }
  timer = setTimeout(refresh, next);
}

function away(isAway) {
  document.documentElement.classList.toggle("away", isAway);
  document.querySelector(".offline").hidden = !isAway;
}

// Make `old` look like `fresh` with as few changes as possible: focus, scroll, animations and drawings stay.
function morph(old, fresh) {
  if (old.isEqualNode(fresh) || old.hasAttribute("data-keep")) return;
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value); // what a reader folded stays folded
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open" && name !== "tabindex") old.removeAttribute(name);
  }
  if (old.contains(document.activeElement) && old.matches("form, select")) return;
  const wanted = [...fresh.childNodes];
  wanted.forEach((want, place) => {
    const have = keyed(old, want) ?? old.childNodes[place];
    if (!have) return old.append(want);
    if (have !== old.childNodes[place]) old.insertBefore(have, old.childNodes[place]);
    if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName || (have.id ?? "") !== (want.id ?? "")) have.replaceWith(want);
    else if (have.nodeType === Node.ELEMENT_NODE) morph(have, want);
    else if (have.data !== want.data) have.data = want.data;
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function keyed(parent, want) {
  return want.id ? [...parent.children].find((child) => child.id === want.id) : undefined;
}

document.addEventListener("visibilitychange", refresh);
timer = setTimeout(refresh, POLL_MS);

// --- theme ----------------------------------------------------------------------------------

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `noria-theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=strict`;
}

// --- keys -----------------------------------------------------------------------------------

const places = { h: "/", i: "/incidents", a: "/anomalies", e: "/events" };
let pending = "";
let forget = null;

function go(letter) {
  const here = location.pathname.match(/^\/(?:loops|why)\/([^/]+)/)?.[1];
  const first = document.querySelector('main a[href^="/loops/"], .crumbs a[href^="/loops/"]')?.getAttribute("href").split("/")[2];
  const loop = here ?? first;
  const address = places[letter] ?? (loop && { l: `/loops/${loop}`, d: `/loops/${loop}/deployment`, s: `/loops/${loop}/scorecard`, w: `/why/${loop}` }[letter]);
  if (address) location.assign(address);
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row] a:first-of-type, .event > div > a, .choose a")];
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const key = event.key;
  if (pending === "g") go(key);
  else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "t") theme();
  else if (key === "?") document.getElementById("help").showModal();
  else if (key === "/") {
    const filter = document.querySelector("[data-filter]");
    if (filter) filter.focus();
    else location.assign("/events");
    event.preventDefault();
  }
  pending = key === "g" && pending !== "g" ? "g" : "";
  clearTimeout(forget);
  forget = setTimeout(() => (pending = ""), 900);
});

// --- buttons and verbs ----------------------------------------------------------------------

const csrf = () => document.querySelector("meta[name=csrf]")?.content ?? "";

const sheet = document.getElementById("verb");
const form = sheet.querySelector("form");
let chosen = null;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do], [data-verb]");
  if (!button) return;
  if (button.dataset.do === "theme") theme();
  else if (button.dataset.do === "help") document.getElementById("help").showModal();
  else ask(button);
});

function done(told) {
  if (told.session === "over") return location.assign("/");
  if (!told.token || !told.id) return sheet.close(), refresh();
  const shown = sheet.querySelector(".wrong"); // a secret is shown this once, and goes with the sheet
  shown.textContent = told.token;
  shown.hidden = false;
  refresh();
}

function ask(button) {
  const order = button.closest("[data-order]"); // a form beside the button: its fields go with the order
  const fields = order ? Object.fromEntries(new FormData(order)) : {};
  chosen = { ...button.dataset, body: JSON.stringify({ ...JSON.parse(button.dataset.body), ...fields }) };
  sheet.querySelector("h2").textContent = button.textContent;
  sheet.querySelector(".hint").textContent = chosen.hint ?? "";
  sheet.querySelector(".wrong").hidden = true;
  if (form.elements.by) form.elements.by.value = localStorage.getItem("noria-by") ?? "";
  sheet.showModal();
}

form.addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "go") return;
  event.preventDefault();
  const said = Object.fromEntries(new FormData(form));
  if (said.by) localStorage.setItem("noria-by", said.by);
  const wrong = sheet.querySelector(".wrong");
  try {
    const answer = await fetch(chosen.verb, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf() },
      body: JSON.stringify({ ...JSON.parse(chosen.body), ...said }),
    });
    if (answer.ok) return done(await answer.json());
    const { error } = await answer.json();
    wrong.textContent = [error.message, error.fix].filter(Boolean).join("\n");
  } catch {
    wrong.textContent = "Noria does not answer.";
  }
  wrong.hidden = false;
});
