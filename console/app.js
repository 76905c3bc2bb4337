// The console: who is signed in, which employee is looked at, and a loop that asks after both and shows the parts.

import { Api, Problem, statement } from "./api.js";
import { Laptop } from "./laptop.js";
import { at, el, fill, pill } from "./dom.js";
import * as call from "./call.js";
import * as consent from "./consent.js";
import * as voice from "./voice.js";
import * as use from "./use.js";
import * as erasure from "./erasure.js";
import * as sound from "./sound.js";
import * as vendors from "./vendors.js";
import * as requests from "./requests.js";
import * as audit from "./audit.js";

const PARTS = [call, consent, voice, use, erasure, sound, vendors, requests, audit];
// Milliseconds between two looks, while something is under way and while nothing is.
const SOON = 700;
const LATER = 3000;

/** The state that the parts share. `employee`, `voice`, `consent` and `erasure` are the last answers. */
const app = {
  laptop: new Laptop(),
  api: null,
  settings: null,
  statement: null,
  user: null,
  employees: [],
  employee: null,
  voice: null,
  consent: null,
  erasure: null,
  /** Parts add a name while they wait for something, so that it is looked after more often. */
  underWay: new Set(),

  isAdmin: () => app.user?.role === "admin",

  /** One sentence for everybody, also for those who listen. */
  say(text) {
    at("status").textContent = text;
  },

  /** Runs what may be refused, and says so if it is. */
  async attempt(act) {
    try {
      return await act();
    } catch (error) {
      app.say(error instanceof Problem ? `${error.code}: ${error.message}` : error.message);
      return null;
    }
  },

  /** Looks now, and shows what there is. */
  async look() {
    const looked = ++looks;
    const { employee, user } = app;
    const [employees, voiceState, consentState, erasureState] = await Promise.all([
      app.laptop.employees(),
      ...(employee ? [app.api.voice(employee.id), app.api.consent(employee.id), app.api.erasure(employee.id)] : []),
    ]);
    await requests.look(app);
    // Somebody else was chosen meanwhile, or a later look was faster.
    if (looked < shownLook || user !== app.user || employee?.id !== app.employee?.id) return;
    shownLook = looked;
    app.employees = employees;
    app.employee = employees.find(({ id }) => id === employee?.id) ?? null;
    Object.assign(app, { voice: voiceState, consent: consentState, erasure: erasureState });
    show();
  },
};
let looks = 0;
let shownLook = 0;

function show() {
  showEmployees();
  // The employee whose parts are shown, for styles and tests.
  document.body.dataset.employee = app.employee?.id ?? "";
  for (const part of PARTS) part.show?.(app);
  const who = app.employee?.full_name ?? "nobody";
  for (const node of document.querySelectorAll(".who")) node.textContent = who;
}

function showEmployees() {
  const { employees, employee } = app;
  fill(at("employees"), [employees, employee?.id], () => employees.map((each) => {
    const count = each.stored.length === 1 ? "1 recording" : `${each.stored.length} recordings`;
    const initials = each.full_name.split(/\s+/).map((word) => word[0]).slice(0, 2).join("");
    const choosing = { "data-key": each.id, "aria-pressed": String(each.id === employee?.id), click: () => choose(each.id) };
    return el("li", {}, el("button", { type: "button", ...choosing },
      el("span", { class: "face", "aria-hidden": "true" }, initials),
      el("span", {}, el("strong", {}, each.full_name), el("span", { class: "small" }, count)),
      each.has_voice ? pill("good", "voice") : each.has_consent ? pill("soft", "consent") : null));
  }));
}

async function choose(id) {
  if (id !== app.employee?.id) {
    app.employee = app.employees.find((each) => each.id === id) ?? null;
    Object.assign(app, { voice: null, consent: null, erasure: null });
    for (const part of PARTS) part.forget?.(app);
  }
  await app.attempt(app.look);
}

async function signIn(userId) {
  const token = await app.laptop.signIn(userId);
  app.user = app.settings.users.find(({ id }) => id === userId);
  app.api = new Api(app.settings.api_url, () => token);
  app.employee = null;
  document.body.dataset.role = app.user.role;
  for (const part of PARTS) part.forget?.(app);
  app.employees = await app.laptop.employees();
  app.employee = app.employees[0] ?? null;
  app.say(`Signed in: ${app.user.role} of ${app.user.organization}.`);
  await app.attempt(app.look);
}

/** Looks for ever; never twice at once, and not while nobody sees it. */
async function watch() {
  for (;;) {
    const isWaiting = app.underWay.size > 0 || app.voice?.status === "pending" || app.erasure?.status === "pending";
    await new Promise((resolve) => setTimeout(resolve, isWaiting ? SOON : LATER));
    if (!document.hidden) await app.attempt(app.look);
  }
}

async function start() {
  app.settings = await app.laptop.settings();
  app.statement = await statement(app.settings.api_url);
  fill(at("user"), app.settings.users, () =>
    app.settings.users.map(({ id, role, organization }) => el("option", { value: id }, `${role} · ${organization}`)));
  at("user").addEventListener("change", (event) => app.attempt(() => signIn(event.target.value)));
  document.addEventListener("visibilitychange", () => document.hidden || app.attempt(app.look));
  for (const part of PARTS) part.start?.(app);
  await signIn(app.settings.users[0].id);
  document.body.dataset.ready = "";
  watch();
}

app.attempt(start);
