// Lists whose rows can be ticked: "all", a range with Shift, and the bar of what can be done with the chosen ones.
let last = null;

function update(table) {
  const picks = [...table.querySelectorAll(".pick")];
  const chosen = picks.filter((pick) => pick.checked).length;
  const all = table.querySelector(".pick-all");
  if (all) {
    all.checked = chosen > 0 && chosen === picks.length;
    all.indeterminate = chosen > 0 && chosen < picks.length;
  }
  const bar = document.getElementById(table.dataset.bulk);
  if (!bar) return;
  bar.hidden = !chosen;
  const told = bar.querySelector("[data-chosen]");
  if (told) told.textContent = chosen === 1 ? "1 chosen" : `${chosen} chosen`;
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick, .pick-all");
  const table = pick?.closest("[data-bulk]");
  if (!table) {
    if (event.target.closest("[data-unpick]")) {
      for (const each of document.querySelectorAll(".pick:checked")) each.checked = false;
      document.querySelectorAll("[data-bulk]").forEach(update);
    }
    return;
  }
  const picks = [...table.querySelectorAll(".pick")];
  if (pick.matches(".pick-all")) for (const each of picks) each.checked = pick.checked;
  else if (event.shiftKey && last && picks.includes(last)) {
    const [from, to] = [picks.indexOf(last), picks.indexOf(pick)].sort((a, b) => a - b);
    for (const each of picks.slice(from, to + 1)) each.checked = pick.checked;
  }
  last = pick.matches(".pick") ? pick : null;
  update(table);
});
// Rows that load themselves again keep their tick.
let kept = new Set();
document.addEventListener("htmx:beforeSwap", (event) => {
  const pick = event.detail.target.querySelectorAll?.(".pick:checked") || [];
  kept = new Set([...pick].map((each) => each.value));
});
document.addEventListener("htmx:load", (event) => {
  const root = event.detail.elt;
  for (const pick of root.querySelectorAll?.(".pick") || []) if (kept.has(pick.value)) pick.checked = true;
  const table = root.closest?.("[data-bulk]") || root.querySelector?.("[data-bulk]");
  if (table) update(table);
});
