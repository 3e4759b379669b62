// Toasts: what an answer wants to say (event "hub:notice"), and requests that failed without a word.
const LASTS = 6000;
const box = document.querySelector("[data-toasts]");

export function notice(text, tone = "ok") {
  const toast = document.createElement("div");
  toast.className = "toast";
  const dot = document.createElement("span");
  dot.className = `dot ${tone}`;
  const words = document.createElement("span");
  words.className = "grow";
  words.textContent = text;
  const close = document.createElement("button");
  close.className = "btn quiet small icon-only";
  close.type = "button";
  close.dataset.dismiss = "";
  close.setAttribute("aria-label", "Dismiss");
  close.innerHTML = '<svg class="icon" aria-hidden="true"><use href="#i-close"/></svg>';
  toast.append(dot, words, close);
  // A modal dialog covers everything else, so what is said meanwhile has to be said inside it.
  (document.querySelector("dialog[open]:not(#palette)") || document.body).append(box);
  box.append(toast);
  expire(toast, tone);
}

// A dialog that closes must not take along what was said inside it.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => dialog.contains(box) && document.body.append(box));
}

function expire(toast, tone) {
  // What went wrong stays until it is dismissed.
  if (tone !== "bad") setTimeout(() => toast.remove(), LASTS);
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest(".toast").remove());
document.addEventListener("hub:notice", (event) => notice(event.detail.text, event.detail.tone));
document.addEventListener("htmx:sendError", () => notice("The hub cannot be reached. Is it running?", "bad"));
document.addEventListener("htmx:timeout", () => notice("The hub did not answer in time.", "bad"));
document.addEventListener("htmx:responseError", (event) => {
  if (!event.detail.xhr.getResponseHeader("HX-Trigger")) notice(`The hub answered with ${event.detail.xhr.status}.`, "bad");
});
for (const toast of box.children) expire(toast, toast.dataset.toast === "error" ? "bad" : "ok");
