// Draws charts when they come into view: fetches the spec, loads Vega once, and redraws only what changed.

const REDRAW_MS = 8000;
const shown = new WeakMap();
let vega = null;

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.toggleAttribute("data-seen", isIntersecting);
    if (isIntersecting) draw(target);
  }
}, { rootMargin: "200px" });

function watch() {
  for (const place of document.querySelectorAll("[data-chart]")) if (!shown.has(place)) shown.set(place, ""), seen.observe(place);
}

async function draw(place) {
  try {
    const answer = await fetch(place.dataset.chart, { cache: "no-cache" });
    if (!answer.ok) return;
    const body = await answer.text();
    if (shown.get(place) === body) return;
    const { spec, text } = JSON.parse(body);
    place.setAttribute("aria-label", text);
    if (Object.keys(spec).length) await embed(place, spec);
    else place.replaceChildren(waits(text));
    shown.set(place, body);
    place.dataset.drawn = "true";
  } catch (error) {
    if (!(error instanceof TypeError)) console.error("a chart could not be drawn", error);
  }
}

function waits(text) {
  const words = Object.assign(document.createElement("div"), { className: "waits" });
  words.append(line("p", text));
  return words;
}

async function embed(place, spec) {
  vega ??= import("/static/vega.js").catch((error) => { vega = null; throw error; });
  await vega;
  // Measured out of sight in its own place, then swapped in: no flicker.
  const fresh = Object.assign(document.createElement("div"), { className: "fresh" });
  place.append(fresh);
  await window.vegaEmbed(fresh, spec, { actions: false, renderer: "svg", ast: true, defaultStyle: false, tooltip: tell });
  place.replaceChildren(fresh);
  fresh.className = "";
}

const tip = document.getElementById("tip");

function tell(_handler, event, _item, value) {
  tip.hidden = !value;
  if (!value) return;
  const lines = Object.entries(value).flatMap(([name, said]) => [line("dt", name), line("dd", said)]);
  tip.replaceChildren(...lines);
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
  tip.style.top = `${Math.max(event.clientY - height - 12, 8)}px`;
}

function line(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text });
}

document.addEventListener("noria:live", watch);
setInterval(() => {
  if (!document.hidden) for (const place of document.querySelectorAll("[data-chart][data-seen]")) draw(place);
}, REDRAW_MS);
watch();
