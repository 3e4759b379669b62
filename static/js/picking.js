// The group editor: ticking tools, "all of them", how much is picked in words; and lists narrowed while one types.
function update(member) {
  const server = member.querySelector('[name="server"]');
  const summary = member.querySelector("[data-summary]");
  for (const all of member.querySelectorAll("[data-all]")) {
    all.closest("fieldset").querySelector(".picks").hidden = all.checked;
  }
  if (!server.checked || !member.querySelector("[data-all]")) {
    // As long as nobody unfolded it, it is picked as the hub said.
    summary.textContent = server.checked ? member.dataset.summaryText : "";
    return;
  }
  const tools = [...member.querySelectorAll(`[name="tools:${CSS.escape(server.value)}"]`)];
  const all = member.querySelector(`[name="all-tools:${CSS.escape(server.value)}"]`);
  const chosen = tools.filter((tool) => tool.checked).length;
  summary.textContent = !all || all.checked ? `all ${tools.length} tools` : `${chosen} of ${tools.length} tools`;
}

document.addEventListener("change", (event) => {
  const member = event.target.closest(".member");
  if (!member) return;
  const server = member.querySelector('[name="server"]');
  // Whoever picks something of a server wants the server.
  if (event.target !== server && event.target.checked) server.checked = true;
  update(member);
});

function narrow(field) {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of document.querySelectorAll(field.dataset.narrows)) {
    each.hidden = !words.every((word) => each.dataset.words.includes(word));
  }
}

document.addEventListener("input", (event) => {
  if (event.target.dataset.narrows) narrow(event.target);
});

// Rows that came after somebody typed.
document.addEventListener("htmx:afterSettle", (event) => {
  if (!event.target.closest?.("[data-picker]")) return;
  for (const field of document.querySelectorAll("[data-narrows]")) {
    if (field.value) narrow(field);
  }
});
