// npm oidc-provider with its memory store and refresh tokens made beforehand, to be measured beside our own provider.
// Started by `bench h19` as `node reference-op.mjs READY_FILE FAMILIES`; it ends when it is killed.
import { generateKeyPairSync } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null); // Node 22 has it, 20 has not
const require = createRequire(new URL('../app/tests/clients/package.json', import.meta.url));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const [readyFile, families] = process.argv.slice(2);
const key = (type, options, alg) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg });
const server = createServer();
server.listen(0, '127.0.0.1', async () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(origin, {
    clients: [
      { client_id: 'bench-web', client_secret: 'bench-secret', redirect_uris: ['https://bench.example/cb'], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' },
      { client_id: 'bench-machine', client_secret: 'bench-secret', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_post' },
    ],
    jwks: { keys: [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')] },
    cookies: { keys: ['made up for this benchmark'] },
    scopes: ['openid', 'offline_access', 'school.student:read'],
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    rotateRefreshToken: true,
    ttl: { AccessToken: 300, ClientCredentials: 300, IdToken: 300, Grant: 86_400, RefreshToken: 86_400 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => origin,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'school.student:read', audience: origin, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  });
  server.on('request', provider.callback());
  const client = await provider.Client.find('bench-web');
  const tokens = [];
  for (let n = 0; n < Number(families); n += 1) {
    const grant = new provider.Grant({ accountId: `person${n}`, clientId: client.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(origin, 'school.student:read');
    const grantId = await grant.save();
    const token = new provider.RefreshToken({ accountId: `person${n}`, client, grantId, gty: 'authorization_code', scope: 'openid offline_access school.student:read', resource: origin, authTime: Math.floor(Date.now() / 1000) });
    tokens.push(await token.save());
  }
  writeFileSync(`${readyFile}.part`, JSON.stringify({ address: origin.replace('http://', ''), pid: process.pid, paths: { token: '/token', introspect: '/token/introspection' }, tokens }));
  renameSync(`${readyFile}.part`, readyFile);
});
