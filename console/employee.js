// The employee's own page: no account, only the token of the link. `#invitation=…` asks, `#withdrawal=…` takes back.

import { EmployeeApi } from "./api.js";
import { Laptop } from "./laptop.js";
import { at, day, el, facts, fill, onPress, refusal } from "./dom.js";

const [, kind, token] = location.hash.match(/^#(invitation|withdrawal)=([\w-]+)$/) ?? [];
// Out of the address bar and the history: from here on it is in memory only.
history.replaceState(null, "", location.pathname);

let api = null;

async function start() {
  if (!token) return show(el("p", {}, "This page is opened by the link that you got."));
  api = new EmployeeApi((await new Laptop().settings()).api_url, token);
  await (kind === "invitation" ? invitation() : withdrawal());
}

function show(...content) {
  fill(at("content"), Math.random(), () => content);
  at("content").querySelector("h2")?.focus();
}

function heading(text) {
  return el("h2", { tabindex: "-1" }, text);
}

async function attempt(act) {
  try {
    await act();
  } catch (problem) {
    at("status").textContent = "";
    show(heading("This did not work"), refusal(problem));
  }
}

function pressed(label, kind, act) {
  const button = el("button", { type: "button", class: kind }, label);
  onPress(button, () => attempt(act));
  return button;
}

async function invitation() {
  const asked = await api.invitation();
  at("greeting").textContent = `${asked.employee_name}, ${asked.organization_name ?? "your employer"} asks you.`;
  if (asked.status === "answered") return show(heading("This link was answered"), answered(asked.answered));
  const { statement } = asked;
  show(
    heading("May a copy of your voice be made?"),
    el("div", { class: "purposes-asked" }, asked.purposes.map((purpose) =>
      el("div", {}, el("h3", {}, purpose), el("p", {}, statement.purpose_descriptions[purpose])))),
    el("div", { class: "statement", tabindex: "0", role: "region", "aria-label": "The statement" },
      statement.text.split(/\n\n+/).map((paragraph) => el("p", {}, paragraph))),
    facts([["It would hold until", day(asked.consent_expires_at)], ["This link works until", day(asked.expires_at)],
      ["Statement", `${statement.version} (${statement.locale}), SHA-256 ${statement.sha256.slice(0, 12)}…`]]),
    el("div", { class: "choice" }, pressed("Yes, I agree", "primary", () => answer(true)), pressed("No", "", () => answer(false))));
}

async function answer(granted) {
  const said = await api.answer(granted);
  at("status").textContent = granted ? "You have agreed." : "You have refused.";
  if (!said.withdrawal_token) return show(heading("You have refused"), el("p", {}, "No copy of your voice is made. You can close this window."));
  const href = `${location.origin}${location.pathname}#withdrawal=${said.withdrawal_token}`;
  show(
    heading(granted ? "You have agreed" : "You have refused"),
    el("p", {}, granted
      ? "You can take it back at any time, asking nobody. Keep this link: it is the only one, and it is yours alone."
      : "An earlier consent lives all the same. With this link you end it."),
    el("p", { class: "link" }, el("a", { href, id: "withdrawal-link" }, "My link to withdraw")));
}

async function withdrawal() {
  const { consent } = await api.withdrawal();
  if (!consent) return show(heading("There is nothing to withdraw"), el("p", {}, "No consent of yours lives, and no copy of your voice may be used."));
  show(
    heading("You have agreed to this"),
    facts([["For", consent.purposes.join(", ")], ["Since", day(consent.recorded_at)], ["Until", day(consent.expires_at)]]),
    answered(consent.answered),
    el("p", {}, "When you withdraw, your voice may not be used any more, at once. Then every copy is deleted: "
      + "at the voice provider, at the telephone provider, and in your employer's storage."),
    el("div", { class: "choice" }, pressed("Withdraw", "danger", async () => {
      await api.withdraw();
      at("status").textContent = "You have withdrawn.";
      show(heading("You have withdrawn"), el("p", {}, "Your voice may not be used any more. Every copy is being deleted. You can close this window."));
    })));
}

function answered(answer) {
  return answer && el("p", { class: "note" },
    `Answered on ${day(answer.at)} from ${answer.address ?? "an unknown address"}. If that was not you, tell your employer.`);
}

// A link of the same page changes the fragment only.
window.addEventListener("hashchange", () => location.reload());
attempt(start);
