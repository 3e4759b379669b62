// The command palette (Ctrl-K, ⌘K): what is typed is looked up by the hub; arrows choose, Enter goes or acts.
const palette = document.getElementById("palette");
const input = palette?.querySelector("input");
const results = document.getElementById("palette-results");
let asked = 0;
let timer = 0;

function options() {
  return [...results.querySelectorAll('[role="option"]')];
}

function choose(option) {
  for (const each of options()) each.setAttribute("aria-selected", String(each === option));
  if (option) {
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

async function look() {
  const mine = ++asked;
  const answer = await fetch(`${palette.dataset.url}?q=${encodeURIComponent(input.value)}`, { headers: { "HX-Request": "true" } });
  if (mine !== asked || !answer.ok) return;
  results.innerHTML = await answer.text();
  window.htmx.process(results);
  choose(options()[0]);
}

function open() {
  if (palette.open) return palette.close();
  input.value = "";
  palette.showModal();
  input.focus();
  look();
}

function act(option) {
  if (!option) return;
  palette.close();
  if (option.dataset.href) location.href = option.dataset.href;
  else if (option.dataset.theme !== undefined) document.querySelector(`[data-theme-choice="${option.dataset.theme}"]`)?.click();
  else option.querySelector("[hx-get], [hx-post]")?.click();
}

if (palette) {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => event.target.closest("[data-palette]") && open());
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 60);
  });
  input.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(all[(at + 1) % all.length]);
    else if (event.key === "ArrowUp") choose(all[(at - 1 + all.length) % all.length]);
    else if (event.key === "Enter") act(all[at]);
    else return;
    event.preventDefault();
  });
  results.addEventListener("click", (event) => {
    const option = event.target.closest('[role="option"]');
    if (option && event.isTrusted) act(option);
  });
}
