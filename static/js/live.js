// What changes while somebody looks: one event stream, kept only while the page is visible (browsers allow few).
//
// Parts of a page name what they show in data-live, such as "servers" or "server:<key>", and load themselves again
// (htmx, hx-trigger="live") when it changes. data-live-every bounds how often, in seconds.
let url = document.body.dataset.liveUrl;
const due = new Map();
let stream = null;

function refresh(element) {
  if (due.has(element)) return;
  const pause = Number(element.dataset.liveEvery || 0) * 1000;
  const since = Date.now() - Number(element.dataset.refreshed || 0);
  due.set(element, setTimeout(() => {
    due.delete(element);
    if (!element.isConnected) return;
    element.dataset.refreshed = Date.now();
    window.htmx.trigger(element, "live");
  }, Math.max(0, pause - since)));
}

function changed(topics) {
  for (const element of document.querySelectorAll("[data-live]")) {
    const whole = topics.has("everything") && !element.parentElement.closest("[data-live]");
    if (whole || element.dataset.live.split(" ").some((topic) => topics.has(topic))) refresh(element);
  }
}

function count(name, { number, words, bad }) {
  const element = document.querySelector(`[data-count="${name}"]`);
  if (!element) return;
  element.hidden = !number;
  element.title = words;
  element.classList.toggle("bad", bad);
  element.firstElementChild.textContent = number;
  element.lastElementChild.textContent = words;
}

function open() {
  if (!url || stream) return;
  stream = new EventSource(url);
  stream.addEventListener("changed", (event) => {
    const told = JSON.parse(event.data);
    changed(new Set(told.topics));
    for (const [name, value] of Object.entries(told.counts)) count(name, value);
  });
  // The session has ended: loading the page again leads to the sign-in.
  stream.addEventListener("refused", () => location.reload());
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    // What happened meanwhile is asked for below, so the page's age does not matter any more.
    url = url.split("?")[0];
    open();
    changed(new Set(["everything"]));
  }
});
// A page that is left must not keep its connection.
addEventListener("pagehide", () => stream?.close());
open();
