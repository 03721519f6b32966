// A certified OpenID provider for tests: `node oidc_provider.mjs '<clients as JSON>'` prints `LISTEN <port>` and serves on
// loopback until it is ended. Anybody can sign in, by any name, which becomes `sub`. Clients whose `require_pkce` is
// true have to send it; refresh tokens are rotated, and one that comes twice ends its grant.

import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const clients = JSON.parse(process.argv[2]);
const withPkce = new Set(clients.filter((client) => client.require_pkce).map((client) => client.client_id));
const registered = clients.map(({ require_pkce, ...client }) => ({
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  ...client,
}));

const hour = 3600;
const configuration = {
  clients: registered,
  cookies: { keys: ["of-a-test"] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "given_name", "family_name", "locale"] },
  features: { devInteractions: { enabled: true }, revocation: { enabled: true }, userinfo: { enabled: true } },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      email: `${id}@example.com`,
      email_verified: true,
      name: `${id} Lovelace`,
      given_name: id,
      family_name: "Lovelace",
      locale: "en",
    }),
  }),
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  pkce: { required: (ctx, client) => withPkce.has(client.clientId) },
  rotateRefreshToken: true,
  ttl: {
    AccessToken: hour, AuthorizationCode: 60, Grant: hour, IdToken: hour, Interaction: hour, RefreshToken: 24 * hour,
    Session: hour,
  },
};

const server = createServer((request, response) => serve(request, response));
let serve;
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  serve = new Provider(`http://127.0.0.1:${port}`, configuration).callback();
  console.log(`LISTEN ${port}`);
});
