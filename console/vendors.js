// Faults of the vendors' stand-ins, as switches.

import { VENDORS } from "./laptop.js";
import { at, el, fill, onPress } from "./dom.js";

// Only what the bundle asks for, and of ElevenLabs not the speech that the console has it say.
const PATHS = { twilio: "^/2010-04-01/", elevenlabs: "^/v[12]/voices", supabase: "^/storage/v1/" };
const NAMES = { twilio: "Twilio", elevenlabs: "ElevenLabs", supabase: "Storage" };
// "Lost answer": the work is done, and nobody hears of it. Once: everything that changes something is then asked for again.
const CHANGES = { twilio: "GET", elevenlabs: "POST", supabase: "POST" };
const FAULTS = {
  down: { label: "answers 503", fault: (vendor) => ({ path: PATHS[vendor], times: null, status: 503, body: { message: "Service Unavailable" } }) },
  lost: { label: "loses an answer", fault: (vendor) => ({ path: PATHS[vendor], method: CHANGES[vendor], times: 1, do_work: true, reset: true }) },
  slow: { label: "is slow", fault: (vendor) => ({ path: PATHS[vendor], times: null, delay: 2 }) },
};

// `${vendor} ${kind}` → the fault as the stand-in has it.
const broken = new Map();

export function start(app) {
  at("vendors").append(el("table", { class: "switches" },
    el("thead", {}, el("tr", {}, el("td", {}), Object.values(FAULTS).map(({ label }) => el("th", { scope: "col" }, label)))),
    el("tbody", {}, Object.keys(VENDORS).map((vendor) => el("tr", {}, el("th", { scope: "row" }, NAMES[vendor]),
      Object.entries(FAULTS).map(([kind, { label }]) => el("td", {}, makeSwitch(app, vendor, kind, `${NAMES[vendor]} ${label}`))))))));
  onPress(at("heal"), () => app.attempt(async () => {
    await Promise.all(Object.keys(VENDORS).map((vendor) => app.laptop.heal(vendor)));
    app.say("All vendors work.");
    await look(app);
  }));
}

function makeSwitch(app, vendor, kind, label) {
  const state = { role: "switch", "aria-checked": "false", "aria-label": label, id: `${vendor}-${kind}` };
  const button = el("button", { type: "button", ...state }, el("span", { class: "hits" }));
  onPress(button, () => app.attempt(async () => {
    const fault = broken.get(`${vendor} ${kind}`);
    if (fault) await app.laptop.heal(vendor, fault.id);
    else await app.laptop.breakIt(vendor, FAULTS[kind].fault(vendor));
    app.say(fault ? `No more: ${label}.` : `From now on: ${label}.`);
    await look(app);
  }));
  return button;
}

/** Reads the faults again, since another tab may have made some and others are used up. */
async function look(app) {
  const lists = await Promise.all(Object.keys(VENDORS).map((vendor) => app.laptop.faults(vendor)));
  broken.clear();
  Object.keys(VENDORS).forEach((vendor, n) => {
    for (const fault of lists[n]) {
      const isUsedUp = fault.times !== null && fault.hits >= (fault.times ?? 1);
      const kind = fault.status === 503 ? "down" : fault.reset ? "lost" : fault.delay ? "slow" : null;
      if (kind && !isUsedUp) broken.set(`${vendor} ${kind}`, fault);
    }
  });
  for (const vendor of Object.keys(VENDORS)) {
    for (const kind of Object.keys(FAULTS)) {
      const fault = broken.get(`${vendor} ${kind}`);
      at(`${vendor}-${kind}`).setAttribute("aria-checked", String(Boolean(fault)));
      at(`${vendor}-${kind}`).firstChild.textContent = fault?.hits || "";
    }
  }
  at("heal").classList.toggle("primary", broken.size > 0);
  broken.size ? app.underWay.add("faults") : app.underWay.delete("faults");
}

/** Called with each look at everything else; what it shows comes a moment later. */
export function show(app) {
  app.attempt(() => look(app));
}
