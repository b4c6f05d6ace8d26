"use strict";
// Reads the service's books; page.js comes before.

let positions = [];
const MOST = 300;
function showPositions() {
  const asked = $("find").value.trim().toLowerCase();
  const fits = positions.filter((p) => !asked || p.symbol.toLowerCase().includes(asked) || p.sector.toLowerCase().includes(asked));
  table("positions", [["Symbol", "words"], ["Sector", "words"], ["Price"], ["Before"], ["After"], ["Change"], ["Shares"], ["Trade"]],
    fits.slice(0, MOST).map((p) => {
      const change = p.weight - p.weight_before, trade = p.shares - p.shares_before;
      const kind = change > 0 ? "up" : change < 0 ? "down" : "";
      return [p.symbol, p.sector || "–", number(p.price, 2), percent(p.weight_before), percent(p.weight),
        { text: signed(change), kind }, number(p.shares), { text: (trade > 0 ? "+" : "") + number(trade), kind }];
    }));
  $("shown").textContent = fits.length > MOST ? `the ${MOST} largest of ${number(fits.length)}; type to find others` : `${number(fits.length)} names, held before or after the trades`;
}

function showBook(book) {
  $("name").textContent = book.portfolio;
  positions = [...book.positions].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  const gross = positions.reduce((sum, p) => sum + Math.abs(p.weight), 0);
  const turnover = positions.reduce((sum, p) => sum + Math.abs(p.weight - p.weight_before), 0) / 2;
  facts("facts", [["NAV", number(book.nav)], ["Cash", percent(book.cash)], ["Gross", percent(gross, 1)],
    ["Positions", number(positions.filter((p) => p.weight !== 0).length)], ["Turnover", percent(turnover)],
    ["Largest", positions.length ? `${positions[0].symbol} ${percent(positions[0].weight)}` : "–"]]);
  const sectors = new Map();
  for (const p of positions) {
    const sum = sectors.get(p.sector || "no sector") ?? [0, 0];
    sectors.set(p.sector || "no sector", [sum[0] + p.weight_before, sum[1] + p.weight]);
  }
  bars("sectors", [...sectors].map(([name, values]) => ({ name, values })).sort((a, b) => b.values[1] - a.values[1]), { form: (v) => percent(v, 1), both: true });
  const changed = [...positions].sort((a, b) => Math.abs(b.weight - b.weight_before) - Math.abs(a.weight - a.weight_before)).slice(0, 14);
  bars("changes", changed.filter((p) => p.weight !== p.weight_before).map((p) => ({ name: p.symbol, values: [p.weight - p.weight_before] })), { form: signed });
  showPositions();
}

function showRisk(risk) {
  const figures = Object.entries(risk).filter(([, value]) => typeof value === "number");
  const shown = (name) => name.replace(/^var_(\d+)$/, "VaR $1 %").replace(/^es_(\d+)$/, "Expected shortfall $1 %").replace("volatility", "Volatility a day").replaceAll("_", " ");
  facts("risks", figures.map(([name, value]) => [shown(name), Math.abs(value) < 5 ? percent(value) : number(value, 1)]));
  const limits = Array.isArray(risk.limits) ? risk.limits : [];
  gauges("limits", limits.map((limit) => ({
    name: limit.scope && limit.scope !== "book" ? `${limit.name}: ${limit.scope}` : limit.name, usage: limit.usage,
    told: limit.usage === null ? "unknown" : percent(limit.usage, 0) + (limit.usage >= 1 ? " breached" : ""),
  })), "no limits are set");
}

function showRegimes(regimes) {
  const rows = Object.entries(regimes).map(([lens, said]) => {
    const shown = typeof said === "object" && said !== null ? said : { label: said };
    return [lens, String(shown.label ?? "–"), ...(shown.probability === undefined ? [] : [percent(shown.probability, 0)])];
  });
  const sure = rows.some((row) => row.length > 2);
  const place = node("table");
  place.id = "lens-table";
  $("lenses").replaceChildren(rows.length ? place : node("p", "no regimes were named that day", "note"));
  if (rows.length) table("lens-table", [["Lens", "words"], ["Regime", "words"], ...(sure ? [["Probability"]] : [])], rows);
}

function showSchedule(orders, slots, slices) {
  const cost = orders.parents.reduce((sum, p) => sum + (p.expected_cost ?? 0), 0);
  const algorithms = new Map();
  for (const p of orders.parents) algorithms.set(p.algorithm, (algorithms.get(p.algorithm) ?? 0) + 1);
  facts("orders", [["Orders", number(orders.total)], ["Slices", number(slices.total)], ["Expected cost", number(cost)],
    ["By", [...algorithms].map(([name, count]) => `${name} ${count}`).join(", ") || "–"]]);
  const points = slots.slots, width = 720, height = 150, all = points.reduce((sum, p) => sum + p.bought + p.sold, 0);
  const up = Math.max(...points.map((p) => p.bought), 0), down = Math.max(...points.map((p) => p.sold), 0), scale = height / (up + down || 1), zero = up * scale;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height + 18}`, role: "img", "aria-label": points.map((p) => `${p.time.slice(11, 16)}: ${number(p.bought)} bought, ${number(p.sold)} sold`).join("; ") });
  points.forEach((p, i) => {
    const x = i * width / points.length, wide = Math.max(width / points.length - 2, 1), both = drawn("g", {});
    both.append(drawn("title", {}, `${p.time.slice(11, 16)} UTC: ${number(p.bought)} bought, ${number(p.sold)} sold, ${percent((p.bought + p.sold) / all, 1)} of all`),
      drawn("rect", { x, width: wide, y: zero - p.bought * scale, height: p.bought * scale, fill: "var(--up)" }),
      drawn("rect", { x, width: wide, y: zero, height: p.sold * scale, fill: "var(--down)" }));
    svg.append(both);
    if (i % Math.ceil(points.length / 8) === 0) svg.append(drawn("text", { class: "soft", x, y: height + 14 }, (i && p.time.slice(0, 10) !== points[0].time.slice(0, 10) ? p.time.slice(5, 10) + " " : "") + p.time.slice(11, 16)));
  });
  svg.append(drawn("line", { x1: 0, x2: width, y1: zero, y2: zero, stroke: "var(--soft)", "stroke-width": 0.7 }));
  $("slices").replaceChildren(points.length ? svg : node("p", "nothing is traded", "note"));
  table("parents", [["Order", "words"], ["Symbol", "words"], ["Shares"], ["Algorithm", "words"], ["Cost"], ["bp"]],
    orders.parents.slice(0, MOST).map((p) => [p.parent, p.symbol, { text: (p.shares > 0 ? "+" : "") + number(p.shares), kind: p.shares > 0 ? "up" : "down" },
      p.algorithm, number(p.expected_cost), number(p.expected_cost_bps, 1)]));
}

async function showHistory(books) {
  // Small documents, a few at a time, so that a long history neither waits nor crowds.
  const some = books.slice(-60), told = [];
  for (let i = 0; i < some.length; i += 8)
    told.push(...await Promise.all(some.slice(i, i + 8).map((each) => read("/v1/attribution/" + each.as_of).catch(() => null))));
  const known = told.filter((each) => each !== null), points = known.map((each) => [each.as_of, each.content.nav]);
  const width = 560, height = 170, values = points.map((p) => p[1]), low = Math.min(...values), span = Math.max(...values) - low || 1;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height + 20}`, role: "img", "aria-label": "NAV over the published days" });
  const at = (i, value) => `${points.length > 1 ? i * (width - 110) / (points.length - 1) : 0},${height - (value - low) / span * (height - 16)}`;
  svg.append(drawn("polyline", { points: points.map(([, value], i) => at(i, value)).join(" "), fill: "none", stroke: "var(--first)", "stroke-width": 2 }));
  if (points.length) {
    svg.append(drawn("text", { class: "soft", x: 0, y: height + 16 }, points[0][0]), drawn("text", { class: "soft", x: width - 110, y: height + 16, "text-anchor": "end" }, points.at(-1)[0]),
      drawn("text", { x: width - 104, y: height - (points.at(-1)[1] - low) / span * (height - 16) + 4 }, number(points.at(-1)[1])));
  }
  $("nav").replaceChildren(points.length > 1 ? svg : node("p", "one book so far", "note"));
  const sums = new Map();
  for (const { content } of known) {
    for (const [sector, value] of Object.entries(content.sectors ?? {})) sums.set(sector || "no sector", (sums.get(sector || "no sector") ?? 0) + value);
    if (content.costs) sums.set("trading costs", (sums.get("trading costs") ?? 0) + content.costs);
  }
  bars("earned", [...sums].sort((a, b) => b[1] - a[1]).map(([name, value]) => ({ name, values: [value] })), { form: signed });
}

async function showHealth() {
  const health = await read("/health/ready").catch(() => ({ status: "not ready", problem: "the service does not answer" }));
  const age = health.age_hours === null || health.age_hours === undefined ? "" : `, ${aged(health.age_hours)}`;
  $("state").textContent = health.status === "ok" ? `book of ${health.as_of}${age}${health.problem ? ": " + health.problem : ""}` : `not ready: ${health.problem}`;
  $("state").className = health.status !== "ok" ? "bad" : health.problem ? "warn" : "good";
  return health;
}

let shown = "";
async function show(day) {
  const of = day ? "/" + day : "";
  const book = await read("/v1/portfolio" + of);
  showBook(book);
  shown = book.version;
  const schedule = (table, limit) => read(`/v1/schedule/${book.as_of}?table=${table}&limit=${limit}`);
  const [risk, regimes, orders, slots, slices] = await Promise.all([read("/v1/risk/" + book.as_of), read("/v1/regimes/" + book.as_of),
    schedule("parents", 10000), schedule("slots", 10000), schedule("children", 1)]);
  showRisk(risk.content);
  showRegimes(regimes.content);
  showSchedule(orders, slots, slices);
}

async function begin() {
  await showHealth();
  try {
    await show("");
    const books = (await read("/v1/history")).books;
    $("day").replaceChildren(...[...books].reverse().map((each) => { const made = node("option", each.as_of); made.value = each.as_of; return made; }));
    for (const part of ["content", "parts", "days"]) $(part).hidden = false;
    for (const part of ["door", "nothing"]) $(part).hidden = true;
    await showHistory(books);
  } catch (error) {
    for (const part of ["content", "parts", "days"]) $(part).hidden = true;
    $("nothing").hidden = Boolean(error.key);
    if (error.key) {
      $("door").hidden = false;
      $("refused").textContent = key ? "That key does not open this service." : "";
    } else {
      $("state").textContent = "not ready: " + error.message;
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
$("find").addEventListener("input", showPositions);
$("day").addEventListener("change", () => show($("day").value).catch((error) => { $("state").textContent = error.message; }));
// A new book takes the place of the one that is shown, unless somebody looks at an earlier day.
setInterval(async () => {
  const health = await showHealth();
  const latest = $("day").selectedIndex <= 0;
  if (health.version && health.version !== shown && latest && $("door").hidden) await begin();
}, 30000);
begin();
