// What HTML alone does not do: a page that follows the lab, copying, zooming. Everything works without it.
"use strict";

const live = document.getElementById("live");

function say(on) {
  live.className = on ? "on" : "off";
  live.textContent = on ? live.dataset.live : live.dataset.lost;
}

// The form that somebody is typing or choosing in, which stays as it is.
const busy = () => document.activeElement?.closest?.("form.bar");

// Takes over what changed and leaves alone what did not, so that focus, scrolling and opened details stay.
function patch(here, there) {
  if (here === busy() || here.isEqualNode(there)) return;
  if (here.nodeType !== Node.ELEMENT_NODE || here.nodeName !== there.nodeName || here.id !== there.id) {
    here.replaceWith(there);
    return;
  }
  if (here.nodeName === "svg") {
    const [pane, scale] = [here.closest("[data-pane]"), scaleOf(here)];
    here.setAttribute("viewBox", there.getAttribute("viewBox"));
    here.replaceChildren(...there.childNodes);
    draw(pane, scale);
    return;
  }
  for (const name of new Set([...here.getAttributeNames(), ...there.getAttributeNames()])) {
    const value = there.getAttribute(name);
    if (here.nodeName === "DETAILS" && name === "open") continue;
    if (value === null) here.removeAttribute(name);
    else if (here.getAttribute(name) !== value) here.setAttribute(name, value);
  }
  const [before, after] = [[...here.childNodes], [...there.childNodes]];
  before.slice(after.length).forEach((node) => node.remove());
  after.forEach((node, index) => (before[index] ? patch(before[index], node) : here.append(node)));
  if (after.some((node) => node.nodeType === Node.TEXT_NODE)) {
    here.classList.add("fresh");
    here.addEventListener("animationend", () => here.classList.remove("fresh"), { once: true });
  }
}

let fetching = false;
let again = false;

async function refresh(url = location.href) {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    const reply = await fetch(url, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const main = page.getElementById("main");
    if (main) patch(document.getElementById("main"), document.adoptNode(main));
  } catch {
    say(false);
  } finally {
    fetching = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

if (live) {
  const events = new EventSource("/events");
  events.onopen = () => say(true);
  events.onerror = () => say(false);
  events.onmessage = (event) => {
    if (event.data !== document.getElementById("main").dataset.revision) refresh();
  };
  // Only the activity log follows what changes no resource.
  events.addEventListener("activity", (event) => {
    const shown = document.querySelector("[data-activity]");
    if (shown && shown.dataset.activity !== event.data) refresh();
  });
  // The server would wait for it otherwise.
  addEventListener("pagehide", () => events.close());
  // Back from the browser's cache: the page is as old as it was.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    await navigator.clipboard?.writeText(copy.dataset.copy);
    copy.classList.add("fresh");
  }
  const button = event.target.closest("[data-zoom]");
  if (button) zoom(button.closest("[data-pane]"), Number(button.dataset.zoom));
});

// A filter follows what is typed, a choice what is chosen; a search narrows the choice that it is for.
let typed;
document.addEventListener("input", ({ target }) => {
  const form = target.closest("form[data-auto]");
  if (!form && !target.dataset.finds) return;
  clearTimeout(typed);
  typed = setTimeout(() => (form ? filter(form) : find(target, document.getElementById(target.dataset.finds))), 150);
});

function filter(form) {
  const url = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
  history.replaceState(null, "", url);
  refresh(url);
}

async function find(search, choice) {
  const asked = search.value;
  const reply = await fetch(`/vantages?${new URLSearchParams({ q: asked, from: choice.value })}`, { cache: "no-store" });
  const options = await reply.text();
  if (reply.ok && asked === search.value) choice.innerHTML = options;
}

// Smaller than this a picture cannot be read: it opens larger, and is moved.
const READABLE = 0.6;
// Smaller than this only titles are drawn: the lines below them could not be read.
const DETAILED = 0.75;

const pictureOf = (pane) => ({ svg: pane.querySelector("svg"), canvas: pane.querySelector(".canvas") });

// How large a picture is drawn; nothing has to be laid out to know it.
const scaleOf = (svg) => svg.width.baseVal.value / svg.viewBox.baseVal.width;

// The scale at which the whole picture is seen in so much room. The pane's height follows the picture's up to a maximum.
const fitting = (svg, room) => Math.min(room / svg.viewBox.baseVal.width, (0.75 * innerHeight) / svg.viewBox.baseVal.height, 1);

function draw(pane, scale) {
  const { svg } = pictureOf(pane);
  for (const side of ["width", "height"]) svg.setAttribute(side, svg.viewBox.baseVal[side] * scale);
  svg.classList.toggle("far", scale < DETAILED);
  detail(pane);
}

// Writes into boxes that are near enough, and seen, what a large picture left out at first.
function detail(pane) {
  const { svg, canvas } = pictureOf(pane);
  const waiting = svg.querySelectorAll("[data-lines]");
  if (waiting.length === 0 || scaleOf(svg) < DETAILED) return;
  const [left, top, wide, high] = ["scrollLeft", "scrollTop", "clientWidth", "clientHeight"].map((name) => canvas[name] / scaleOf(svg));
  for (const box of waiting) {
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => box.querySelector("rect")[name].baseVal.value);
    if (x > left + wide || x + width < left || y > top + high || y + height < top) continue;
    const lines = box.appendChild(document.createElementNS(svg.namespaceURI, "g"));
    lines.setAttribute("class", "detail");
    box.dataset.lines.split("\n").forEach((text, index) => {
      const line = lines.appendChild(document.createElementNS(svg.namespaceURI, "text"));
      line.setAttribute("x", x + 10);
      line.setAttribute("y", y + 37 + 17 * index);
      line.textContent = text;
    });
    delete box.dataset.lines;
  }
}

// 0 fits the picture into its pane; else the factor by which it grows, around the middle of what is seen.
function zoom(pane, factor) {
  const { svg, canvas } = pictureOf(pane);
  const now = scaleOf(svg);
  const next = factor === 0 ? fitting(svg, canvas.clientWidth) : Math.min(Math.max(now * factor, 0.05), 4);
  const middle = ["Left", "Top"].map((way) => {
    const size = way === "Left" ? canvas.clientWidth : canvas.clientHeight;
    return (canvas[`scroll${way}`] + size / 2) / now - size / 2 / next;
  });
  draw(pane, next);
  canvas.scrollTo(middle[0] * next, middle[1] * next);
}

// Once the browser has laid everything out by itself: the picture as large as the pane has room, where the path ends.
function settle(pane, room) {
  const { svg, canvas } = pictureOf(pane);
  const scale = Math.max(fitting(svg, room), READABLE);
  if (Math.abs(scale - scaleOf(svg)) > 0.01) draw(pane, scale);
  const ring = svg.querySelector(".ring");
  if (!ring) return;
  const [x, y] = ["x", "y"].map((name) => ring[name].baseVal.value * scale);
  canvas.scrollTo(x - canvas.clientWidth / 3, y - canvas.clientHeight / 3);
}

for (const pane of document.querySelectorAll("[data-pane]")) {
  const { canvas } = pictureOf(pane);
  new ResizeObserver(([entry], observer) => {
    observer.disconnect();
    settle(pane, entry.contentRect.width);
  }).observe(canvas);
  canvas.addEventListener("scroll", () => detail(pane), { passive: true });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(pane, event.deltaY < 0 ? 1.15 : 1 / 1.15);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const factor = { "+": 1.25, "-": 0.8, 0: 0 }[event.key];
    if (factor !== undefined) zoom(pane, factor);
  });
  let grabbed = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") grabbed = [event.clientX + canvas.scrollLeft, event.clientY + canvas.scrollTop];
  });
  addEventListener("pointermove", (event) => {
    if (grabbed) canvas.scrollTo(grabbed[0] - event.clientX, grabbed[1] - event.clientY);
  });
  addEventListener("pointerup", () => (grabbed = null));
}

document.documentElement.dataset.ready = "";
