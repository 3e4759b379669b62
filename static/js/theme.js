// Light, dark, or what the system says. The choice lives in a cookie, so that the server draws the right one at once.
const YEAR = 31536000;

function choose(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `mcphub_theme=${theme}; path=/; max-age=${theme ? YEAR : 0}; samesite=lax`;
  mark();
}

function mark() {
  const present = document.documentElement.dataset.theme || "";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === present));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (button) choose(button.dataset.themeChoice);
});
mark();
