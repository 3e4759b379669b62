// Dialogs whose content htmx loads into #dialog-content, and the question before something is lost (hx-confirm).
const dialog = document.getElementById("dialog");
const content = document.getElementById("dialog-content");
const asking = document.getElementById("confirm");

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target === content && content.children.length && !dialog.open) dialog.showModal();
});
document.addEventListener("hub:close-dialog", () => dialog.close());
dialog.addEventListener("close", () => content.replaceChildren());
for (const each of document.querySelectorAll("dialog")) {
  // A click on the backdrop closes, as Escape does.
  each.addEventListener("pointerdown", (event) => event.target === each && each.close());
}
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
});

document.addEventListener("htmx:confirm", (event) => {
  const { question, elt } = event.detail;
  if (!question) return;
  event.preventDefault();
  const verb = elt.dataset.confirmVerb || "Continue";
  document.getElementById("confirm-title").textContent = elt.dataset.confirmTitle || "Are you sure?";
  document.getElementById("confirm-text").textContent = question;
  document.getElementById("confirm-yes").textContent = verb;
  asking.returnValue = "no";
  asking.onclose = () => asking.returnValue === "yes" && event.detail.issueRequest(true);
  asking.showModal();
});
