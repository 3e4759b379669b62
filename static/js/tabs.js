// Tabs and switches between views that are on the page already: role="tablist", and data-switch beside data-as.
function select(tab) {
  for (const each of tab.parentElement.children) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  const root = tab.closest("dialog") || document;
  for (const field of root.querySelectorAll('[name="client"]')) field.value = tab.dataset.client;
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (tab) select(tab);
  const choice = event.target.closest("[data-switch] > button");
  if (!choice) return;
  const form = choice.closest("form");
  form.elements[choice.parentElement.dataset.switch].value = choice.dataset.value;
  for (const each of choice.parentElement.children) each.setAttribute("aria-pressed", String(each === choice));
  for (const view of form.querySelectorAll("[data-as]")) view.hidden = view.dataset.as !== choice.dataset.value;
});

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest('[role="tab"]');
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!tab || !step) return;
  const tabs = [...tab.parentElement.children];
  const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
  select(next);
  next.focus();
});

// Selects that lead to another page as soon as something is chosen.
document.addEventListener("change", (event) => event.target.closest("form[data-submits]")?.requestSubmit());
