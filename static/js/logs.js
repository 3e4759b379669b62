// A log that follows (data-log holds its stream's address): filter by level and text, pause, copy. Lines are kept here.
//
// A form marked data-log-asks narrows the stream itself (server, source), and is kept in the address.
const MOST = 5000;
const DRAWN = 1000;
const WEIGHT = { debug: 10, info: 20, warn: 30, warning: 30, error: 40 };

class Log {
  constructor(root) {
    this.root = root;
    this.lines = [];
    this.paused = false;
    this.late = 0;
    this.box = root.querySelector("[data-log-lines]");
    this.status = root.querySelector("[data-log-status]");
    this.text = root.querySelector("[data-log-text]");
    this.level = root.querySelector("[data-log-level]");
    this.asks = root.querySelector("[data-log-asks]");
    this.text.addEventListener("input", () => this.redraw());
    this.level.addEventListener("change", () => this.redraw());
    this.asks?.addEventListener("submit", (event) => event.preventDefault());
    this.asks?.addEventListener("input", () => this.remember());
    this.asks?.addEventListener("change", (event) => event.target !== this.level && event.target !== this.text && this.open());
    root.querySelector("[data-log-pause]").addEventListener("click", (event) => this.pause(event.currentTarget));
    root.querySelector("[data-log-copy]").addEventListener("click", (event) => this.copy(event.currentTarget));
    document.addEventListener("hub:log-cleared", () => this.empty());
    addEventListener("pagehide", () => this.stream?.close());
    this.open();
  }

  asked() {
    const asked = new URLSearchParams();
    for (const [name, value] of this.asks ? new FormData(this.asks) : []) if (value) asked.set(name, value);
    return asked;
  }

  remember() {
    const asked = this.asked().toString();
    history.replaceState(history.state, "", asked ? `?${asked}` : location.pathname);
  }

  open() {
    this.stream?.close();
    const url = new URL(this.root.dataset.log, location.href);
    for (const [name, value] of this.asked()) if (name === "server" || name === "source") url.searchParams.set(name, value);
    this.one = url.searchParams.has("server");
    this.root.classList.toggle("one-server", this.one);
    this.stream = new EventSource(url);
    this.stream.addEventListener("open", () => this.say("live"));
    this.stream.addEventListener("error", () => this.say("reconnecting"));
    this.stream.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
  }

  say(words) {
    const late = this.late ? `, ${this.late} new` : "";
    this.status.textContent = this.paused ? `paused${late}` : words;
  }

  take(told) {
    if (told.type === "initial") this.lines = told.logs;
    else if (told.type === "log") this.lines.push(told.log);
    else if (told.type === "gap") this.lines.push({ type: "warn", timestamp: Date.now(), message: `${told.missed} lines were missed.` });
    else if (told.type === "refused") {
      this.stream.close();
      return this.say(told.message);
    }
    if (this.lines.length > MOST) this.lines.splice(0, this.lines.length - MOST);
    if (this.paused) {
      this.late += told.type === "log" ? 1 : 0;
      return this.say();
    }
    if (told.type === "initial") this.redraw();
    else if (this.fits(this.lines.at(-1))) this.draw([this.lines.at(-1)]);
  }

  fits(line) {
    const words = this.text.value.toLowerCase();
    return WEIGHT[line.type] >= WEIGHT[this.level.value] && (!words || line.message.toLowerCase().includes(words));
  }

  redraw() {
    this.box.replaceChildren();
    this.draw(this.lines.filter((line) => this.fits(line)).slice(-DRAWN));
    this.box.scrollTop = this.box.scrollHeight;
  }

  draw(lines) {
    const follows = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 40;
    this.box.append(...lines.map((line) => drawn(line)));
    while (this.box.children.length > DRAWN) this.box.firstElementChild.remove();
    this.root.querySelector("[data-log-empty]").hidden = this.box.children.length > 0;
    this.box.hidden = !this.box.children.length;
    if (follows) this.box.scrollTop = this.box.scrollHeight;
  }

  empty() {
    this.lines = [];
    this.late = 0;
    this.redraw();
  }

  pause(button) {
    this.paused = !this.paused;
    this.late = 0;
    button.setAttribute("aria-pressed", String(this.paused));
    button.querySelector("[data-label]").textContent = this.paused ? "Go on" : "Pause";
    this.say("live");
    if (!this.paused) this.redraw();
  }

  copy(button) {
    const told = this.lines.filter((line) => this.fits(line));
    button.dataset.copy = told.map((line) => `${new Date(line.timestamp).toISOString()} ${line.type} ${line.server || ""} ${line.message}`).join("\n");
  }
}

function part(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function drawn(line) {
  const row = document.createElement("div");
  row.className = line.type;
  const at = new Date(line.timestamp);
  const time = part("t", at.toLocaleTimeString(undefined, { hour12: false }));
  time.title = at.toLocaleString();
  const from = part("s", line.server || line.source || "");
  from.title = [line.server, line.source].filter(Boolean).join(", ");
  row.append(time, part("l", line.type), from, part("m", line.message));
  return row;
}

for (const root of document.querySelectorAll("[data-log]")) new Log(root);
