// The audit of the employee: what the database wrote down in the transactions in which it was done.

import { at, clock, el, fill } from "./dom.js";

let rows = null;
// The state for which the rows were asked; they are asked again when it has changed.
let asked = null;

export function forget() {
  [rows, asked] = [null, null];
}

export async function show(app) {
  const { employee, voice, consent, erasure } = app;
  if (!employee || !app.isAdmin()) {
    fill(at("audit"), [employee?.id, "members"], () => el("p", { class: "empty" }, employee ? "Only admins read the audit." : "Nobody is chosen."));
    return;
  }
  const depends = JSON.stringify([employee, voice, consent, erasure]);
  if (depends === asked) return;
  asked = depends;
  await app.attempt(async () => {
    rows = (await app.api.audit(employee.id)).rows;
    if (asked !== depends) return;
    fill(at("audit"), rows.map(({ seq }) => seq), () => rows.length === 0 ? el("p", { class: "empty" }, "Nothing was done yet.") : el("ol", { class: "audit" },
      rows.map(({ at: when, action, outcome, actor_id: actor, hash }) => el("li", { title: `hash ${hash}` },
        el("time", { datetime: when }, clock(when)), el("span", {}, el("b", {}, action), ` ${outcome}`), el("small", {}, actor ? "a user" : "no user")))));
  });
}
