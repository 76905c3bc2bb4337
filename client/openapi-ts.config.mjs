/** @type {import("@hey-api/openapi-ts").UserConfig} */
export default {
  input: "../openapi.yaml",
  output: { path: "src" },
  plugins: [{ name: "@hey-api/client-fetch", includeInEntry: true }, "@hey-api/typescript", "@hey-api/sdk"],
};
