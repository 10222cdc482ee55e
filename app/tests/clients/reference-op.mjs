// npm oidc-provider, a certified OpenID provider, with the clients of clients.toml: what fails here is the script's fault.
// Started as `node reference-op.mjs READY_FILE CLIENT_PORT`; ends when it is killed.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';
import { parse } from 'smol-toml';

URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null); // Node 22 has it, 20 has not

const [readyFile, clientPort] = process.argv.slice(2);
const ACCESS_S = 300;
const SCOPES = ['openid', 'offline_access', 'hitaji'];

/** A client of our configuration in the words of OpenID Connect Registration. */
function registration(client) {
  const grants = [...(client.grants ?? ['authorization_code']), ...(client.refresh ? ['refresh_token'] : [])];
  const withSecret = grants.includes('client_credentials') ? 'client_secret_post' : 'client_secret_basic';
  return {
    client_id: client.id,
    ...(client.name ? { client_name: client.name } : {}),
    ...(client.secret ? { client_secret: client.secret } : {}),
    redirect_uris: client.redirect_uris ?? [],
    post_logout_redirect_uris: client.post_logout_redirect_uris ?? [],
    response_types: grants.includes('authorization_code') ? ['code'] : [],
    grant_types: grants,
    token_endpoint_auth_method: client.secret ? withSecret : client.jwks ? 'private_key_jwt' : 'none',
    ...(client.jwks ? { jwks: client.jwks, token_endpoint_auth_signing_alg: 'ES256' } : {}),
    ...(client.dpop ? { dpop_bound_access_tokens: true } : {}),
    ...(client.backchannel_logout_uri
      ? { backchannel_logout_uri: client.backchannel_logout_uri, backchannel_logout_session_required: true }
      : {}),
  };
}

function signingKey(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg };
}

const configuration = (origin) => ({
  clients: parse(readFileSync(new URL('clients.toml', import.meta.url), 'utf8').replaceAll('{port}', clientPort)).identity.clients.map(registration),
  jwks: { keys: [signingKey('rsa', { modulusLength: 2048 }, 'RS256'), signingKey('ec', { namedCurve: 'P-256' }, 'ES256')] },
  cookies: { keys: ['made up for this test'] },
  scopes: SCOPES,
  responseTypes: ['code'],
  claims: { openid: ['sub'], profile: ['name', 'locale'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // as we do: what the scopes open stands in the ID token too
  // Anybody may sign in, with any password: the login is the address.
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true, name: 'Wanjiku Kamau', locale: 'en' }) }),
  pkce: { required: () => true },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  clientBasedCORS: () => true,
  fetch: (url, { dispatcher: _none, ...options }) => fetch(url, options), // its own dispatcher refuses loopback addresses
  ttl: { AccessToken: ACCESS_S, ClientCredentials: ACCESS_S, IdToken: ACCESS_S, AuthorizationCode: 60, DeviceCode: 600, Grant: 86_400, Interaction: 600, RefreshToken: 86_400, Session: 86_400 },
  features: {
    backchannelLogout: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!doctype html>${form.replace('</form>', '<button type="submit" name="logout" value="yes">Sign out</button></form>')}`;
      },
    },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => {
        if (resource !== origin) throw new errors.InvalidTarget();
        return { scope: 'hitaji school.student:read', audience: origin, accessTokenTTL: ACCESS_S, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
      },
    },
  },
});

const server = createServer();
server.listen(0, 'localhost', () => {
  const origin = `http://localhost:${server.address().port}`;
  const provider = new Provider(origin, configuration(origin));
  for (const event of ['server_error', 'backchannel.error']) provider.on(event, (_ctx, error) => console.error(event, error));
  server.on('request', provider.callback());
  writeFileSync(`${readyFile}.part`, JSON.stringify({ address: origin, kind: 'reference' }));
  renameSync(`${readyFile}.part`, readyFile);
});
