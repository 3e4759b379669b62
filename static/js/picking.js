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

document.addEventListener("input", (event) => {
  const { narrows } = event.target.dataset;
  if (!narrows) return;
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of document.querySelectorAll(narrows)) {
    each.hidden = !words.every((word) => each.dataset.words.includes(word));
  }
});
