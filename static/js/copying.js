// Copy buttons: data-copy holds the text, or data-copy-from names the element that does.
function fallback(text) {
  // Pages over plain http have no clipboard, but may still copy a selection.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr";
  (document.querySelector("dialog[open]") || document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return fallback(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const from = button.dataset.copyFrom;
  const source = from && document.getElementById(from);
  const copied = await copy(source ? source.value ?? source.textContent : button.dataset.copy);
  const label = button.querySelector("[data-label]") || button;
  const before = button.dataset.before ?? label.textContent;
  button.dataset.before = before;
  label.textContent = copied ? "Copied" : "Press Ctrl C";
  setTimeout(() => (label.textContent = before), 1500);
});
