// Consent: the admin invites, the employee answers in a window of their own.

import { at, day, el, facts, fill, onPress, pill } from "./dom.js";

const IN_WORDS = { live: "consents", none: "not asked", withdrawn: "withdrawn", expired: "expired" };
const KINDS = { live: "good", none: "soft", withdrawn: "bad", expired: "bad" };
const YEAR = 365 * 86_400_000;

// The invitation that was made last; its token is shown this once.
let invited = null;

export function start(app) {
  const boxes = app.statement.purposes.map((purpose) => el("label", { class: "check", title: app.statement.purpose_descriptions[purpose] },
    el("input", { type: "checkbox", name: "purpose", value: purpose, checked: true }), purpose));
  at("purposes").append(...boxes);
  onPress(at("invite"), () => app.attempt(() => invite(app)));
  onPress(at("withdraw"), () => app.attempt(async () => {
    await app.api.withdrawConsent(app.employee.id);
    app.say("The consent is withdrawn. There is no voice any more; the copies are going.");
    await app.look();
  }));
}

export function forget() {
  invited = null;
}

async function invite(app) {
  const chosen = [...document.querySelectorAll("[name=purpose]:checked")].map(({ value }) => value);
  if (chosen.length === 0) return app.say("Choose a purpose to invite to.");
  const { employee } = app;
  const { token, invitation_id: id } = await app.api.invite(employee.id, chosen, new Date(Date.now() + YEAR));
  // The fragment is sent to nobody: not to this server, not in a Referer.
  invited = { id, href: `${location.origin}/employee.html#invitation=${token}` };
  app.say(`The link for ${employee.full_name} is made.`);
  await app.look();
}

export function show(app) {
  const { consent } = app;
  const status = consent?.status ?? "none";
  const newest = consent?.consent;
  const last = consent?.invitations?.[0];
  at("consent").dataset.state = status === "live" ? "done" : status === "none" ? "" : "refused";
  fill(at("consent-state"), [status, newest, last], () => [
    facts([
      ["Employee", pill(KINDS[status], IN_WORDS[status])],
      status === "live" && ["Covers", newest.purposes.join(", ")],
      status === "live" && ["Until", day(newest.expires_at)],
      status === "live" && ["Answered", newest.method === "self_service" ? "by link" : newest.method],
      last && ["Invitation", last.state],
    ]),
    newest?.answered?.same_origin_as_admin && status === "live"
      ? el("p", { class: "note" }, "Answered from an address or a browser that an admin uses: on this laptop, both are yours.")
      : null,
  ]);
  // An invitation that is not in the list is newer than the list: the look at it began before.
  const listed = consent?.invitations?.find(({ id }) => id === invited?.id);
  if (listed && listed.state !== "open") invited = null;
  invited ? app.underWay.add("invitation") : app.underWay.delete("invitation");
  fill(at("invitation"), invited, () => invited && el("p", { class: "link" },
    el("a", { href: invited.href, target: "_blank", rel: "noopener" }, "Open as the employee"),
    copyButton(app, invited.href)));
  for (const id of ["invite", "purposes"]) at(id).hidden = !app.isAdmin() || status === "live";
  at("withdraw").hidden = !app.isAdmin() || status !== "live";
}

function copyButton(app, text) {
  const button = el("button", { type: "button", class: "quiet" }, "Copy");
  onPress(button, async () => {
    await navigator.clipboard.writeText(text);
    app.say("The link is copied.");
  });
  return button;
}
