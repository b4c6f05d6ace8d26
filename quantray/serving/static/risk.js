"use strict";
// The firm for its risk officers; page.js comes before.

const SHOWN = 200;
const amount = (limit, value) => limit.unit === "money" ? number(value) : number(value, Number.isInteger(value) ? 0 : 2);
const named = (it) => [it.scope, it.key, it.name.replaceAll("_", " ")].filter(Boolean).join(" ");

function showFirm(names, managers, sectors) {
  const firm = names.firm;
  facts("facts", [["Gross", number(firm.gross)], ["Net", number(firm.net)], ["Long", number(firm.long)], ["Short", number(firm.short)],
    ["Names", number(names.total)], ["Managers", number(managers.total)]]);
  const most = (found) => found.exposures.slice(0, 12).map((it) => ({ name: it.name, values: [it.gross] }));
  const short = { form: (value) => number(value) };
  bars("managers", most(managers), short);
  bars("sectors", most(sectors), short);
  table("names", [["Name", "words"], ["Long"], ["Short"], ["Gross"], ["Net"], ["of the firm"]], names.exposures.map((it) => [it.name,
    number(it.long), number(it.short), number(it.gross), { text: number(it.net), kind: it.net < 0 ? "down" : "" }, percent(firm.gross ? it.gross / firm.gross : null, 1)]));
  $("shown").textContent = names.total > names.exposures.length ? `the ${SHOWN} largest of ${number(names.total)} names` : `${number(names.total)} names; gross and net at the worst that open orders may lead to`;
}

function showLimits(limits) {
  const used = limits.filter((it) => it.usage !== null && (it.scope !== "account" || it.used > 0)).sort((a, b) => b.usage - a.usage);
  gauges("limits", used.slice(0, 40).map((it) => ({ name: named(it), usage: it.usage, told: `${percent(it.usage, 0)} of ${amount(it, it.value)}` })), "no limits are set");
  $("others").textContent = `${number(limits.length)} limits; shown are those that are levels of what is held, the most used first` + (used.length > 40 ? ", 40 of " + number(used.length) : "");
  const chosen = $("limit").value;
  $("limit").replaceChildren(...limits.map((it) => {
    const made = node("option", `${named(it)} (now ${amount(it, it.value)})`);
    made.value = JSON.stringify([it.scope, it.key, it.name]);
    return made;
  }));
  if (chosen) $("limit").value = chosen;
}

function showSwitches(switches) {
  const rows = switches.map((it) => {
    const line = node("p", "", "row"), what = node("strong", `${it.scope} ${it.key}`.trim() + " is halted", "bad");
    line.append(what, act("Resume", "Really resume?", async () => { await send("PUT", "/v1/firm/switches", { ...it, on: false }); await again(); }));
    return line;
  });
  $("switches").replaceChildren(...(rows.length ? rows : [node("p", "nothing is halted", "note")]));
}

function showChanges(changes) {
  const word = (it, approve) => async () => { await send("POST", "/v1/firm/changes/" + it.id, { approve }); await again(); };
  table("changes", [["Limit", "words"], ["Was"], ["Wanted"], ["", "words"], ["By", "words"], ["Reason", "words wrap"], ["Expires", "words"]], changes.changes.map((it) => {
    const both = node("span", "", "row");
    both.append(act("Approve", "Really approve?", word(it, true)), act("Decline", "Really decline?", word(it, false)));
    return [named(it), it.before === null ? "–" : amount(it, it.before), amount(it, it.value), both, it.proposer, it.reason, it.expires.slice(0, 16).replace("T", " ")];
  }));
  $("waiting").textContent = changes.total ? `for a second officer: ${number(changes.total)}` : "nothing waits";
  $("changes").parentElement.hidden = !changes.total;
}

function showAlerts(alerts) {
  table("told", [["Time (UTC)", "words"], ["Kind", "words"], ["Of", "words"], ["What", "words wrap"]], alerts.map((it) => [it.time.slice(0, 19).replace("T", " "),
    { text: it.kind, kind: it.kind === "break" ? "words bad" : "words" }, it.entity, it.text]));
  const broken = alerts.filter((it) => it.kind === "break").length;
  $("quiet").textContent = alerts.length ? `the newest ${number(alerts.length)}; breaks with the venue among them: ${number(broken)}` : "nothing was told";
  $("told").parentElement.hidden = !alerts.length;
}

async function show() {
  const by = (name, limit) => read(`/v1/firm/exposures?by=${name}&limit=${limit}`);
  const [names, managers, sectors, limits, switches, changes, alerts] = await Promise.all([by("name", SHOWN), by("pm", 12), by("sector", 12),
    read("/v1/firm/limits"), read("/v1/firm/switches"), read("/v1/firm/changes?state=waiting"), read("/v1/firm/alerts?limit=100")]);
  showFirm(names, managers, sectors);
  showLimits(limits.limits);
  showSwitches(switches.switches);
  showChanges(changes);
  showAlerts(alerts.alerts);
}

$("scope").addEventListener("change", () => { $("whom").hidden = $("scope").value === "firm"; });
$("halt").append(act("Halt", "Really halt?", async () => {
  await send("PUT", "/v1/firm/switches", { scope: $("scope").value, key: $("scope").value === "firm" ? "" : $("named").value.trim(), on: true });
  await again();
}, "danger"));
$("proposal").append(act("Propose", "Really propose?", async () => {
  const [scope, key_, name] = JSON.parse($("limit").value);
  await send("POST", "/v1/firm/changes", { id: crypto.randomUUID(), scope, key: key_, name, value: $("value").value.trim(), reason: $("reason").value.trim() });
  for (const field of ["value", "reason"]) $(field).value = "";
  await again();
}));
const again = keep(show, 15);
