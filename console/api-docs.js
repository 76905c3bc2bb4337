// The contract with a form for each request. Swagger UI asks the API itself, from this origin, with the chosen user's token.

import { Laptop } from "./laptop.js";

const laptop = new Laptop();
const select = document.getElementById("user");
const status = document.getElementById("status");

const ui = SwaggerUIBundle({
  url: "/api-docs/openapi.json",
  dom_id: "#contract",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null, // else the contract's address is sent to swagger.io
  onComplete: signIn,
});

async function signIn() {
  if (!select.options.length) {
    const { users } = await laptop.settings();
    select.append(...users.map(({ id, role, organization }) => new Option(`${role} · ${organization}`, id)));
  }
  ui.preauthorizeApiKey("supabase", await laptop.signIn(select.value));
  status.textContent = `Signed in as ${select.selectedOptions[0].label}.`;
}

select.addEventListener("change", signIn);
