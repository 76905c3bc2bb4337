// The public HTTP API, as a product's frontend calls it: with the signed-in user's Supabase access token, from another
// origin. This file and nothing else is what you would copy; `openapi.yaml` is the contract.

/** A refusal: an RFC 9457 problem document. `code` is stable and for programs, `detail` is a sentence for people. */
export class Problem extends Error {
  constructor(status, document) {
    super(document?.detail ?? `The API answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.code = document?.code ?? (status === 429 ? "too_many_requests" : "unavailable");
    // Of a refused sample: what was measured, what it is held against, and how the sample came about.
    this.figure = document?.figure;
    this.limit = document?.limit;
    this.unit = document?.unit;
    this.report = document?.report;
  }
}

/** The requests of a signed-in user. `accessToken` is a function, since tokens are renewed: supabase.auth.getSession() has it. */
export class Api {
  #baseUrl;
  #accessToken;

  constructor(baseUrl, accessToken) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#accessToken = accessToken;
  }

  async #ask(method, path, { body, headers } = {}) {
    const token = await this.#accessToken();
    return send(this.#baseUrl, method, path, { body, headers: { Authorization: `Bearer ${token}`, ...headers } });
  }

  async #read(method, path, body) {
    return (await this.#ask(method, path, { body })).document;
  }

  /** The state of the voice: `status` is none, pending, ready or failed. */
  voice(employeeId) {
    return this.#read("GET", `/api/employees/${employeeId}/voice`);
  }

  /**
   * Asks for a clone and follows it to its end. The result is the voice's state, `ready` or `failed`; a refusal is a Problem.
   * `onPending` is called each time that it is still under way.
   */
  async clone(employeeId, { onPending = () => {}, signal } = {}) {
    const asked = await this.#ask("POST", `/api/employees/${employeeId}/clone-voice`, { headers: { Prefer: "respond-async" } });
    if (asked.status === 200) return asked.document;
    // `Location` is a path below the API's address, which may itself have a path.
    const { location } = asked;
    for (let retryAfter = asked.retryAfter; ; ) {
      onPending();
      await pause((retryAfter ?? 1) * 1000, signal);
      const answer = await this.#ask("GET", location);
      if (answer.document.status !== "pending") return answer.document;
      retryAfter = answer.retryAfter;
    }
  }

  /** Withdraws the consent, which lives no more, and erases the voice and every copy. */
  eraseVoice(employeeId) {
    return this.#read("DELETE", `/api/employees/${employeeId}/voice`);
  }

  /** Every copy of the newest erasure, and whether it is gone. */
  erasure(employeeId) {
    return this.#read("GET", `/api/employees/${employeeId}/voice/erasure`);
  }

  /** May the voice be used for this? Ask before every use. A no is a Problem. */
  authorize(employeeId, purpose) {
    return this.#read("POST", `/api/employees/${employeeId}/voice/authorize`, { purpose });
  }

  consent(employeeId) {
    return this.#read("GET", `/api/employees/${employeeId}/voice-consent`);
  }

  withdrawConsent(employeeId) {
    return this.#read("DELETE", `/api/employees/${employeeId}/voice-consent`);
  }

  /** A token for a link to the employee. It belongs into the link's fragment, which is sent to nobody. */
  invite(employeeId, purposes, consentExpiresAt) {
    const body = { purposes, consent_expires_at: consentExpiresAt.toISOString() };
    return this.#read("POST", `/api/employees/${employeeId}/voice-consent/invitation`, body);
  }

  /** The audit of an employee, newest first. */
  audit(employeeId, limit = 50) {
    return this.#read("GET", `/api/audit?employee_id=${employeeId}&limit=${limit}`);
  }
}

/** The requests of an employee without an account, with the token of a link. */
export class EmployeeApi {
  #baseUrl;
  #token;

  constructor(baseUrl, token) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#token = token;
  }

  async #read(method, path, body) {
    return (await send(this.#baseUrl, method, path, { body, headers: { "Consent-Token": this.#token } })).document;
  }

  invitation() {
    return this.#read("GET", "/api/voice-consent/invitation");
  }

  answer(granted) {
    return this.#read("POST", "/api/voice-consent/invitation", { granted });
  }

  withdrawal() {
    return this.#read("GET", "/api/voice-consent/withdrawal");
  }

  withdraw() {
    return this.#read("POST", "/api/voice-consent/withdrawal");
  }
}

/** The statement that people consent to: public. */
export async function statement(baseUrl, locale = "en") {
  return (await send(baseUrl, "GET", `/api/voice-consent-statement?locale=${encodeURIComponent(locale)}`)).document.statement;
}

async function send(baseUrl, method, path, { body, headers } = {}) {
  const response = await fetch(baseUrl + path, {
    method,
    headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
  }).catch(() => {
    throw new Problem(0, { code: "unreachable", detail: "The API cannot be reached." });
  });
  const isJson = /json/.test(response.headers.get("Content-Type") ?? "");
  const document = isJson ? await response.json() : null;
  if (!response.ok) throw new Problem(response.status, document);
  const retryAfter = response.headers.get("Retry-After");
  return { status: response.status, document, location: response.headers.get("Location"), retryAfter: retryAfter && Number(retryAfter) };
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
