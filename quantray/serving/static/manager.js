"use strict";
// What a portfolio manager holds and trades; page.js comes before. Whose it is, the key says.

const SHOWN = 500, PARTS = 1000;
const OPEN = new Set(["RESERVED", "SENT", "ACKED", "PARTIAL"]);
const money = (value) => number(value, 2);
const marked = (value) => ({ text: (value > 0 ? "+" : "") + money(value), kind: value > 0 ? "up" : value < 0 ? "down" : "" });

let held = [];
function showHeld() {
  const asked = $("find").value.trim().toLowerCase();
  const fits = held.filter((it) => !asked || it.symbol.toLowerCase().includes(asked) || it.account.toLowerCase().includes(asked));
  table("held", [["Account", "words"], ["Symbol", "words"], ["Shares"], ["Buying"], ["Selling"], ["Price"], ["Value"]], fits.slice(0, SHOWN).map((it) => [it.account, it.symbol,
    { text: number(it.shares), kind: it.shares < 0 ? "down" : "" }, number(it.buying), number(it.selling), number(it.price, 2), money(it.value)]));
  $("shown").textContent = fits.length > SHOWN ? `the ${SHOWN} largest of ${number(fits.length)}; type to find others` : `${number(fits.length)} positions`;
}

function showPositions(found, gains) {
  $("name").textContent = found.pm;
  held = [...found.positions].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const cash = found.accounts.reduce((sum, it) => sum + it.cash, 0), value = found.accounts.reduce((sum, it) => sum + it.value, 0);
  facts("facts", [["NAV", number(cash + value)], ["Cash", number(cash)], ["Made by trading", marked(gains.gain).text], ["Accounts", number(found.accounts.length)], ["Positions", number(found.total)]]);
  showHeld();
  table("accounts", [["Account", "words"], ["Cash"], ["Shares' value"], ["NAV"]], found.accounts.map((it) => [it.account, money(it.cash), money(it.value), money(it.cash + it.value)]));
}

function showGains(gains) {
  const sums = (by) => {
    const found = new Map();
    for (const it of gains.gains) found.set(it[by], (found.get(it[by]) ?? 0) + it.gain);
    return [...found].filter((it) => it[1] !== 0).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, 14).sort((a, b) => b[1] - a[1]).map(([name, value]) => ({ name, values: [value] }));
  };
  bars("made", sums("symbol"), { form: (value) => marked(value).text });
  bars("whose", sums("account"), { form: (value) => marked(value).text });
}

function showOrders(orders) {
  const ending = (it) => act("Cancel", "Really cancel?", async () => { await send("DELETE", "/v1/manager/orders/" + encodeURI(it.id)); await again(); });
  table("list", [["Order", "words"], ["State", "words"], ["", "words"], ["Symbol", "words"], ["Side", "words"], ["Shares"], ["Filled"], ["Limit"]], orders.orders.map((it) => [it.id,
    { text: it.code ? `${it.state}: ${it.code}` : it.state, kind: it.code ? "words bad" : "words" }, OPEN.has(it.state) ? ending(it) : "", it.symbol, it.side,
    number(it.quantity), number(it.filled), number(it.limit, 2)]));
  $("many").textContent = orders.total > orders.orders.length ? `the first ${number(orders.orders.length)} of ${number(orders.total)} by id` : `${number(orders.total)} orders`;
}

function showLimits(limits) {
  const used = limits.filter((it) => it.usage !== null).sort((a, b) => b.usage - a.usage);
  gauges("limits", used.slice(0, 30).map((it) => ({ name: (it.scope === "account" ? it.key + " " : "") + it.name, usage: it.usage, told: `${percent(it.usage, 0)} of ${number(it.value)}` })), "no limits are set");
  $("others").textContent = [limits.filter((it) => it.usage === null).map((it) => `${it.name} ${number(it.value)}`).join(", "), "the firm's limits are not shown"].filter(Boolean).join("; ");
}

function showBlocks(blocks) {
  table("block-list", [["Block", "words"], ["Symbol", "words"], ["Side", "words"], ["Shares"], ["Filled"], ["Open orders"], ["Allocated", "words"]], blocks.blocks.map((it) => [it.id, it.symbol, it.side,
    number(it.quantity), number(it.filled), number(it.open), it.revision ? "yes" : "not yet"]));
  $("block-note").textContent = blocks.total ? "" : "no blocks yet";
  $("block-list").parentElement.hidden = !blocks.total;
}

async function whole(path, rows) {
  const first = await read(`${path}?limit=${PARTS}`);
  for (let offset = PARTS; offset < Math.min(first.total, 20 * PARTS); offset += PARTS)
    first[rows].push(...(await read(`${path}?limit=${PARTS}&offset=${offset}`))[rows]);
  return first;
}

const ordersPath = () => `/v1/manager/orders?limit=${SHOWN}` + ($("state-of").value ? "&state=" + $("state-of").value : "");
async function show() {
  const [positions, gains, orders, limits, blocks] = await Promise.all([whole("/v1/manager/positions", "positions"), whole("/v1/manager/gains", "gains"),
    read(ordersPath()), read("/v1/manager/limits"), read("/v1/manager/blocks?limit=200")]);
  showPositions(positions, gains);
  showGains(gains);
  showOrders(orders);
  showLimits(limits.limits);
  showBlocks(blocks);
}

$("find").addEventListener("input", showHeld);
$("state-of").addEventListener("change", async () => showOrders(await read(ordersPath())));
const again = keep(show, 15);
