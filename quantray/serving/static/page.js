"use strict";
// What all pages share: the key of this tab, reading, tables and bars. Everything that is read is text, never markup.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
let key = sessionStorage.getItem("quantray-key") || "";
if (location.hash.startsWith("#key=")) {
  key = decodeURIComponent(location.hash.slice(5));
  sessionStorage.setItem("quantray-key", key);
  history.replaceState(null, "", location.pathname);
}

const number = (value, digits = 0) => value === null || value === undefined ? "–" :
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const percent = (value, digits = 2) => value === null || value === undefined ? "–" : number(100 * value, digits) + " %";
const aged = (hours) => hours >= 48 ? `${number(hours / 24)} days old` : `${number(hours, 1)} h old`;
const signed = (value, digits = 2) => (value > 0 ? "+" : "") + percent(value, digits);

function node(name, content, kind) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = content ?? "";
  return made;
}
function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function facts(place, pairs) {
  $(place).replaceChildren(...pairs.map(([term, value]) => {
    const both = node("div");
    both.append(node("dt", term), node("dd", value));
    return both;
  }));
}

async function read(path) {
  const answer = await fetch(path, { headers: key ? { Authorization: "Bearer " + key } : {} });
  if (answer.status === 401 || answer.status === 403) throw Object.assign(new Error("key"), { key: true });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok && !path.startsWith("/health")) throw new Error(content.detail || "the service answers " + answer.status);
  return content;
}

function bars(place, rows, { form, both = false }) {
  const width = 520, left = 150, right = 70, step = both ? 30 : 22, height = rows.length * step + 4;
  const values = rows.flatMap((row) => row.values);
  const low = Math.min(0, ...values), high = Math.max(0, ...values), span = high - low || 1;
  const x = (value) => left + (value - low) / span * (width - left - right);
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": rows.map((r) => r.name + " " + form(r.values.at(-1))).join("; ") });
  rows.forEach((row, i) => {
    const y = i * step + 2;
    svg.append(drawn("text", { x: left - 8, y: y + step / 2 + 3, "text-anchor": "end" }, row.name.length > 21 ? row.name.slice(0, 20) + "…" : row.name));
    row.values.forEach((value, j) => {
      const thick = both ? 10 : 14, top = y + (both ? j * 12 + 2 : 3);
      const colour = both ? (j ? "var(--first)" : "var(--second)") : value < 0 ? "var(--down)" : "var(--up)";
      svg.append(drawn("rect", { x: Math.min(x(0), x(value)), y: top, width: Math.max(Math.abs(x(value) - x(0)), 0.5), height: thick, fill: colour, rx: 1 }));
    });
    const last = row.values.at(-1);
    svg.append(drawn("text", { class: "soft", x: width - right + 6, y: y + step / 2 + 3 }, form(last)));
  });
  svg.append(drawn("line", { x1: x(0), x2: x(0), y1: 0, y2: height, stroke: "var(--soft)", "stroke-width": 0.7 }));
  $(place).replaceChildren(rows.length ? svg : node("p", "nothing to show", "note"));
}

function table(place, heads, rows) {
  const head = node("thead"), body = node("tbody"), line = node("tr");
  heads.forEach(([title, kind]) => { const cell = node("th", title, kind); cell.scope = "col"; line.append(cell); });
  head.append(line);
  body.append(...rows.map((row) => {
    const made = node("tr");
    made.append(...row.map((cell, i) => {
      if (!(cell instanceof Node)) return node("td", cell.text ?? cell, cell.kind ?? heads[i][1]);
      const place = node("td", "", heads[i][1]);
      place.append(cell);
      return place;
    }));
    return made;
  }));
  $(place).replaceChildren(head, body);
}

function gauges(place, rows, none) {
  $(place).replaceChildren(...(rows.length ? rows.map(({ name, usage, told }) => {
    const line = node("div", "", "gauge"), bar = node("i"), level = node("b", "", usage >= 1 ? "bad" : usage === null || usage >= 0.8 ? "warn" : "");
    level.style.width = Math.min(100, Math.max(0, 100 * usage)) + "%";
    bar.append(level);
    line.append(node("span", name), bar, node("span", told));
    return line;
  }) : [node("p", none, "note")]));
}

async function send(method, path, content) {
  const headers = { Authorization: "Bearer " + key, "Content-Type": "application/json" };
  const answer = await fetch(path, { method, headers, ...(content === undefined ? {} : { body: JSON.stringify(content) }) });
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.detail || "the service answers " + answer.status);
  return found;
}
// A button that asks once more before it does something, and says beside itself what came of it.
function act(title, sure, done, kind) {
  const place = node("span", "", "act"), button = node("button", title, kind), told = node("span", "", "note");
  let asked = false;
  button.type = "button";
  button.addEventListener("click", async () => {
    if (!asked) {
      // Nothing is read anew under somebody's hand.
      asked = true;
      place.dataset.busy = "yes";
      button.textContent = sure;
      setTimeout(() => { asked = false; delete place.dataset.busy; button.textContent = title; }, 5000);
      return;
    }
    button.disabled = true;
    try { await done(); } catch (error) { told.textContent = error.message; told.className = "bad"; }
    button.disabled = false;
  });
  place.append(button, told);
  return place;
}
// Of a page for one role: what it shows, every while anew, or the form that asks for a key.
function keep(show, seconds) {
  async function begin() {
    try {
      await show();
      $("state").textContent = "as of " + new Date().toISOString().slice(11, 19) + " UTC";
      $("state").className = "good";
      for (const part of ["content", "parts"]) $(part).hidden = false;
      $("door").hidden = true;
    } catch (error) {
      if (error.key) {
        for (const part of ["content", "parts"]) $(part).hidden = true;
        $("door").hidden = false;
        $("refused").textContent = key ? "That key does not open this page." : "";
        $("state").textContent = "";
      } else {
        $("state").textContent = error.message;
        $("state").className = "bad";
      }
    }
    document.body.dataset.ready = "yes";
  }
  $("door").addEventListener("submit", (event) => {
    event.preventDefault();
    key = $("key").value.trim();
    sessionStorage.setItem("quantray-key", key);
    begin();
  });
  setInterval(() => { if ($("door").hidden && !document.querySelector("[data-busy]")) begin(); }, 1000 * seconds);
  begin();
  return begin;
}
