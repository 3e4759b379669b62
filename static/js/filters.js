// Forms that narrow a list (data-lean): what is empty is left out of the address, so that it is short enough to share.
document.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt.closest("form[data-lean]");
  if (!form || event.detail.verb !== "get") return;
  const sent = event.detail.parameters;
  for (const name of new Set(Object.keys(sent))) if (sent[name] === "") delete sent[name];
});
