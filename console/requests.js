// Every request that the vendors got, newest first, from the journals of the stand-ins; and the callbacks that Twilio sent.

import { VENDORS } from "./laptop.js";
import { at, clock, el, fill, number, onPress } from "./dom.js";

// The name under which the laptop's server asks for itself, such as for audio to draw.
const OURS = "understudy-console";

const SHOWN = 80;
const KEPT = 2000;

let all = [];
const seen = Object.fromEntries(Object.keys(VENDORS).map((vendor) => [vendor, 0]));

/** The known requests, oldest first: {vendor, time, method, path, sent, outcome, seconds, fault}. */
export function entries() {
  return all;
}

/** Adds something that no journal has: callbacks and messages come to none of the vendors. `replay` does it once more. */
export function tell(entry) {
  add([entry]);
}

function add(more) {
  if (more.length) all = [...all, ...more].sort((one, other) => one.time.localeCompare(other.time)).slice(-KEPT);
}

/** Asks for what is new. Entries come when a request is over, so a long one may have a smaller id than what was seen: none is taken twice. */
export async function look(app) {
  const vendors = Object.keys(VENDORS);
  const lists = await Promise.all(vendors.map((vendor) => app.laptop.requests(vendor, Math.max(0, seen[vendor] - 50))));
  vendors.forEach((vendor, n) => {
    const known = new Set(all.filter((entry) => entry.vendor === vendor).map(({ id }) => id));
    const fresh = lists[n].filter(({ id }) => !known.has(id));
    seen[vendor] = Math.max(seen[vendor], ...fresh.map(({ id }) => id));
    add(fresh.map(({ id, time, method, path, sent, outcome, seconds, fault, headers }) =>
      ({ vendor, id, time, method, path, sent, outcome, seconds, fault, isOurs: headers["user-agent"] === OURS })));
  });
}

/** A queue may hand out a message twice; this does. */
export function replayMessage(app, queue) {
  const button = el("button", { type: "button", class: "quiet", "data-key": `replay-${queue}` }, `Replay the ${queue} message`);
  onPress(button, () => app.attempt(() => sendMessage(app, queue)));
  return button;
}

async function sendMessage(app, queue) {
  const { employee } = app;
  tellMessage(app, queue, await app.laptop.message(employee.id, queue));
  app.say(`The ${queue} message is in its queue once more. Nothing is done twice.`);
  await app.look();
}

/** Shows a message among the requests. */
export function tellMessage(app, queue, { at: time, message }) {
  const path = `${queue} ${Object.values(message).at(-1)}`;
  tell({ vendor: "queue", time, method: "SEND", path, sent: "queued", seconds: 0, replay: () => sendMessage(app, queue) });
}

export function start(app) {
  at("all-requests").addEventListener("change", () => show(app));
}

export function show(app) {
  const wantsAll = at("all-requests").checked;
  const shown = all.filter(({ path }) => wantsAll || !/^\/(rest|auth)\/v1\//.test(path)).slice(-SHOWN).reverse();
  fill(at("requests"), shown, () => shown.length === 0 ? el("p", { class: "empty" }, "None yet.") : el("table", { class: "requests" },
    el("thead", { class: "hidden" }, el("tr", {}, ["Time", "Vendor", "Request", "Answer", "Took"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, shown.map((entry) => row(app, entry)))));
}

function row(app, entry) {
  const { vendor, time, method, path, sent, outcome, seconds, fault, isCallback, isOurs } = entry;
  const answer = outcome === "reset" ? "no answer" : sent ?? "no answer";
  const isBad = answer === "no answer" || answer >= 400;
  const what = isCallback ? "callback" : "message";
  const name = { "data-key": `${what} ${time}`, "aria-label": `Replay the ${what} of ${clock(time)}` };
  const replay = entry.replay && el("button", { type: "button", class: "quiet", ...name }, "replay");
  if (replay) onPress(replay, () => app.attempt(entry.replay));
  return el("tr", { class: fault != null ? "hit" : isBad ? "bad" : null },
    el("td", {}, clock(time)),
    el("td", {}, el("span", { class: `vendor ${path.startsWith("/storage/") ? "storage" : vendor}` }, isCallback ? "Twilio sends" : nameOf(vendor, path))),
    el("td", { class: "path", title: `${method} ${path}` }, el("b", {}, method), ` ${shorter(path)}`, isOurs && el("small", {}, " by this page"), replay),
    el("td", {}, String(answer), fault != null && el("small", {}, " fault")),
    el("td", {}, `${number(seconds * 1000, 0)} ms`));
}

function nameOf(vendor, path) {
  return vendor === "queue" ? "Queue" : path.startsWith("/storage/") ? "Storage" : path.startsWith("/rest/") ? "Database" : VENDORS[vendor];
}

/** Without what is the same in all of them; ids by their beginning. */
function shorter(path) {
  return decodeURI(path)
    .replace(/^\/2010-04-01\/Accounts\/AC\w+/, "").replace(/^\/storage\/v1\/object/, "").replace(/^\/rest\/v1\/rpc/, "")
    .replace(/([0-9a-f]{8})-[0-9a-f-]{27}/g, "$1…").replace(/(RE|CA)([0-9a-f]{6})[0-9a-f]{26}/g, "$1$2…");
}
