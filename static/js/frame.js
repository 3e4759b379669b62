// The frame: the drawer on narrow screens, menus beside their buttons, "/" for the page's search, the line of progress.
const side = document.getElementById("side");
const opener = document.querySelector("[data-drawer]");

function drawer(open) {
  side.classList.toggle("open", open);
  opener.setAttribute("aria-expanded", String(open));
  document.querySelector(".veil")?.remove();
  if (!open) return;
  const veil = document.createElement("button");
  veil.className = "veil";
  veil.type = "button";
  veil.setAttribute("aria-label", "Close the menu");
  veil.addEventListener("click", () => drawer(false));
  side.after(veil);
  side.querySelector("a").focus();
}

opener?.addEventListener("click", () => drawer(!side.classList.contains("open")));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && side?.classList.contains("open")) {
    drawer(false);
    opener.focus();
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector("dialog[open]")) {
    const find = document.querySelector("[data-find]");
    event.preventDefault();
    if (find) {
      find.focus();
      find.select();
    } else document.querySelector("[data-palette]")?.click();
  }
});

document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(".menu[popover]") || event.newState !== "open") return;
  const anchor = document.getElementById(menu.dataset.beside).getBoundingClientRect();
  const below = anchor.bottom + menu.offsetHeight + 8 < innerHeight;
  menu.style.top = `${below ? anchor.bottom + 4 : Math.max(8, anchor.top - menu.offsetHeight - 4)}px`;
  menu.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - menu.offsetWidth - 8))}px`;
}, true);

const progress = document.querySelector(".progress");
let waiting = 0;
document.addEventListener("htmx:beforeRequest", () => {
  waiting += 1;
  // Answers usually come sooner than this; a line that flashes is noise.
  setTimeout(() => progress.classList.toggle("on", waiting > 0), 200);
});
document.addEventListener("htmx:afterRequest", () => {
  waiting = Math.max(0, waiting - 1);
  if (!waiting) progress.classList.remove("on");
});

if (/Mac|iPhone|iPad/.test(navigator.platform)) {
  for (const key of document.querySelectorAll("[data-mod-k]")) key.textContent = "⌘K";
}
