// Keeps relative times right, and shows the exact one in the reader's own time zone on hover.
const UNITS = [[60, "s", 1], [3600, "min", 60], [86400, "h", 3600], [Infinity, "d", 86400]];

function span(seconds) {
  const [, unit, size] = UNITS.find(([limit]) => seconds < limit);
  return `${Math.floor(seconds / size)} ${unit}`;
}

function say(element) {
  const then = new Date(element.dateTime);
  if (!element.dataset.exact) {
    element.dataset.exact = "1";
    element.title = then.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  }
  const passed = (Date.now() - then) / 1000;
  if ("until" in element.dataset) {
    element.textContent = passed < 0 ? span(Math.ceil(-passed)) : "a moment";
  } else if (passed < 30 * 86400) {
    element.textContent = passed < 5 ? "just now" : `${span(passed)} ago`;
  }
}

function sayAll(root) {
  for (const element of root.querySelectorAll("time[data-ago], time[data-until]")) say(element);
}

setInterval(() => sayAll(document), 1000);
document.addEventListener("htmx:load", (event) => sayAll(event.detail.elt));
sayAll(document);
