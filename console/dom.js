// The few means with which the page is made. Data become text nodes and attributes, never markup.

/** An element. Properties are attributes; functions are listeners; false, null and undefined leave one out. */
export function el(name, properties = {}, ...children) {
  return dress(document.createElement(name), properties, children);
}

/** The same for SVG. */
export function svg(name, properties = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function dress(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The element with this id. */
export function at(id) {
  return document.getElementById(id);
}

const shown = new WeakMap();

/** Makes the content of a node anew, if what it depends on has changed: else focus and screen readers would lose their place. */
export function fill(node, depends, make) {
  const signature = JSON.stringify(depends);
  if (shown.get(node) === signature) return;
  shown.set(node, signature);
  // The focus stays on a button that is made anew with the same key.
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...[make()].flat().filter((child) => child !== null && child !== undefined && child !== false));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** A state as a coloured word. */
export function pill(kind, text) {
  return el("span", { class: `pill ${kind}` }, text);
}

/** A refusal, with what it says. */
export function refusal(problem) {
  const measured = problem.figure != null && problem.limit != null
    ? ` Measured: ${number(problem.figure)}, the limit is ${number(problem.limit)} ${problem.unit ?? ""}.`
    : "";
  return el("div", { class: "refusal" }, el("code", {}, problem.code ?? "error"), el("p", {}, `${problem.message ?? ""}${measured}`));
}

/** Terms and their descriptions. */
export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(Boolean).map(([term, ...value]) => el("div", {}, el("dt", {}, term), el("dd", {}, ...value))));
}

/** A button that is busy until what it does is done. */
export function onPress(button, act) {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-busy", "true");
    try {
      await act();
    } finally {
      button.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
    }
  });
}

export function number(value, digits = 1) {
  return value == null ? "–" : value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function day(text) {
  return new Date(text).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

export function clock(text) {
  return new Date(text).toLocaleTimeString("en", { hour12: false });
}

export function megabytes(bytes) {
  return `${number(bytes / 1e6)} MB`;
}

/** The beginning and the end of something long. */
export function short(text, keep = 6) {
  return text.length <= 2 * keep + 1 ? text : `${text.slice(0, keep)}…${text.slice(-4)}`;
}
