// What HTML alone does not do: a page that follows the lab, copying, zooming. Everything works without it.
"use strict";

const live = document.getElementById("live");

function say(on) {
  live.className = on ? "on" : "off";
  live.textContent = on ? live.dataset.live : live.dataset.lost;
}

// Takes over what changed and leaves alone what did not, so that focus, scrolling and opened details stay.
function patch(here, there) {
  if (here.isEqualNode(there)) return;
  if (here.nodeType !== Node.ELEMENT_NODE || here.nodeName !== there.nodeName || here.id !== there.id) {
    here.replaceWith(there);
    return;
  }
  if (here.nodeName === "svg") {
    for (const name of ["viewBox", "width", "height"]) here.setAttribute(name, there.getAttribute(name));
    here.replaceChildren(...there.childNodes);
    const pane = here.closest("[data-pane]");
    if (scales.has(pane)) draw(pane, scales.get(pane));
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
    // What somebody is typing or choosing stays.
    const form = document.activeElement?.closest?.("form.bar");
    if (main && !form) patch(document.getElementById("main"), document.adoptNode(main));
    else if (main) replaceAround(form, document.adoptNode(main));
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

function replaceAround(form, main) {
  main.querySelector("form.bar")?.replaceWith(form.cloneNode(true));
  const here = document.getElementById("main");
  [...main.children].forEach((node, index) => {
    if (here.children[index] && !here.children[index].contains(form)) patch(here.children[index], node);
  });
}

if (live) {
  const events = new EventSource("/events");
  events.onopen = () => say(true);
  events.onerror = () => say(false);
  events.onmessage = (event) => {
    if (event.data !== document.getElementById("main").dataset.revision) refresh();
  };
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

// A filter follows what is typed, a choice what is chosen.
let typed;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (!form) return;
  clearTimeout(typed);
  typed = setTimeout(() => {
    const url = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
    history.replaceState(null, "", url);
    refresh(url);
  }, 150);
});

// Smaller than this a picture cannot be read: it opens larger, and is moved.
const READABLE = 0.6;
// Smaller than this only titles are drawn: the lines below them could not be read, and laying them out takes time.
const DETAILED = 0.75;
// How large each pane draws its picture.
const scales = new WeakMap();

const pictureOf = (pane) => ({ svg: pane.querySelector("svg"), canvas: pane.querySelector(".canvas") });

// The scale at which the whole picture is seen. The pane's height follows the picture's up to a maximum.
function fitting(pane) {
  const { svg, canvas } = pictureOf(pane);
  const { width, height } = svg.viewBox.baseVal;
  return Math.min(canvas.clientWidth / width, parseFloat(getComputedStyle(canvas).maxHeight) / height, 1);
}

function draw(pane, scale) {
  const { svg } = pictureOf(pane);
  const { width, height } = svg.viewBox.baseVal;
  svg.style.width = `${width * scale}px`;
  svg.style.height = `${height * scale}px`;
  svg.classList.toggle("far", scale < DETAILED);
  scales.set(pane, scale);
}

// 0 fits the picture into its pane; else the factor by which it grows, around the middle of what is seen.
function zoom(pane, factor) {
  const { canvas } = pictureOf(pane);
  const now = scales.get(pane);
  const next = factor === 0 ? fitting(pane) : Math.min(Math.max(now * factor, 0.05), 4);
  const middle = ["Left", "Top"].map((way) => {
    const size = way === "Left" ? canvas.clientWidth : canvas.clientHeight;
    return (canvas[`scroll${way}`] + size / 2) / now - size / 2 / next;
  });
  draw(pane, next);
  canvas.scrollTo(middle[0] * next, middle[1] * next);
}

function start(pane) {
  const { svg, canvas } = pictureOf(pane);
  // How much room there is is asked while the picture takes none, so that it is laid out once.
  svg.style.display = "none";
  const scale = Math.max(fitting(pane), READABLE);
  svg.style.display = "";
  draw(pane, scale);
  const ring = svg.querySelector(".ring");
  if (!ring) return;
  const [x, y] = ["x", "y"].map((name) => Number(ring.getAttribute(name)) * scale);
  canvas.scrollTo(x - canvas.clientWidth / 3, y - canvas.clientHeight / 3);
}

for (const pane of document.querySelectorAll("[data-pane]")) {
  const { canvas } = pictureOf(pane);
  start(pane);
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
