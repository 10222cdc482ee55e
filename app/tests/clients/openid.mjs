// npm openid-client speaks to a provider: code flow, PAR, DPoP, machines, devices, introspection, revocation, sign-out.
import { createServer } from 'node:http';
import * as jose from 'jose';
import * as client from 'openid-client';
import { FormBrowser } from './hosted.mjs';
import { TEST_KEY } from './keys.mjs';
import { mustBeAnnounced, needs, opens, ourOwn, person, signOut } from './op.mjs';
import { api, check, origin, ours, refused, same, steps, until } from './platform.mjs';

const [EMAIL, PASSWORD] = ['wanjiku@uhuru.example', 'twiga mrefu hula majani'];
const CALLBACK = 'http://localhost:9/callback';
const AFTER = 'http://localhost:9/bye';
const SCOPE = 'openid profile email hitaji';

const discover = (id, secret, authentication) =>
  client.discovery(new URL(origin), id, secret, authentication, { execute: [client.allowInsecureRequests] });
const said = (...codes) => (error) => codes.includes(error.error) || codes.includes(error.cause?.error);

/** An authorisation request, and what is needed to check its answer. */
async function begin(config, more = {}, build = client.buildAuthorizationUrl) {
  const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()];
  const url = await build(config, {
    redirect_uri: CALLBACK, scope: SCOPE, state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
  });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true } };
}

/** In a browser of its own, unless one is given: a provider may see all answers in one browser as one grant. */
async function signIn(config, browser = new FormBrowser(), more, build) {
  const { url, checks } = await begin(config, more, build);
  const back = await browser.authorize(url, EMAIL, PASSWORD);
  return { url, back, checks, tokens: await client.authorizationCodeGrant(config, back, checks) };
}

/** One proof of possession, for as many requests as one likes. */
async function proof({ privateKey, publicKey }, method, url, token) {
  const ath = jose.base64url.encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))));
  const claims = { jti: crypto.randomUUID(), htm: method, htu: url, ath };
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: await jose.exportJWK(publicKey) };
  return new jose.SignJWT(claims).setProtectedHeader(header).setIssuedAt().sign(privateKey);
}

/** What the provider posts to the client at HITAJI_CLIENT_PORT. */
async function listen(posted) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    posted.push({ path: request.url, type: request.headers['content-type'], form: new URLSearchParams(body) });
    response.end();
  });
  await new Promise((done, fail) => server.on('error', fail).listen(process.env.HITAJI_CLIENT_PORT, 'localhost', done));
}

let web, browser, first;

await steps({
  'set up': async () => {
    await person('Uhuru Academy', EMAIL, PASSWORD);
  },

  'discovery says what the provider is': async () => {
    web = await discover('test-web', 'nobody knows this', client.ClientSecretBasic('nobody knows this'));
    const metadata = web.serverMetadata();
    same(metadata.issuer, origin, 'the issuer');
    check(metadata.supportsPKCE(), 'PKCE is not announced');
    same(metadata.code_challenge_methods_supported, ['S256'], 'PKCE methods');
    check(metadata.authorization_response_iss_parameter_supported, 'iss in answers is not announced');
    for (const scope of ['openid', 'profile', 'email']) check(metadata.scopes_supported.includes(scope), `scope ${scope}`);
  },

  'a confidential client signs somebody in and checks the ID token': async () => {
    browser = new FormBrowser();
    first = await signIn(web, browser);
    const claims = first.tokens.claims();
    same([claims.iss, claims.aud, claims.email], [origin, 'test-web', EMAIL], 'the ID token');
    same(first.back.searchParams.get('iss'), origin, 'iss in the answer');
    const userinfo = await client.fetchUserInfo(web, first.tokens.access_token, claims.sub);
    same([userinfo.email, userinfo.name], [EMAIL, 'Wanjiku Kamau'], 'userinfo');
  },

  'its tokens name the organisation, and open the API': ourOwn(async () => {
    const claims = first.tokens.claims();
    const me = await api(first.tokens.access_token, '/identity/v1/me');
    same([claims.org_slug, me.status, me.body.organisation.slug], ['uhuru-academy', 200, 'uhuru-academy'], 'the organisation');
  }),

  'a code is good once, and who uses it again ends what came of it': async () => {
    const { back, checks, tokens } = await signIn(web);
    await refused('a used code', () => client.authorizationCodeGrant(web, back, checks), said('invalid_grant'));
    await refused('the tokens of that code', () => client.refreshTokenGrant(web, tokens.refresh_token), said('invalid_grant'));
  },

  'what does not fit is refused': async () => {
    const { url, checks } = await begin(web);
    const back = await browser.authorize(url, EMAIL, PASSWORD);
    await refused('another verifier', () => client.authorizationCodeGrant(web, back, { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() }), said('invalid_grant'));
    const other = await begin(web);
    const otherBack = await browser.authorize(other.url, EMAIL, PASSWORD);
    await refused('another nonce', () => client.authorizationCodeGrant(web, otherBack, { ...other.checks, expectedNonce: 'x' }), (error) => /nonce/.test(`${error.message} ${error.cause?.message}`));
    const liar = await discover('test-web', 'wrong', client.ClientSecretBasic('wrong'));
    await refused('a wrong secret', () => client.refreshTokenGrant(liar, first.tokens.refresh_token), (error) => error.status === 401 || said('invalid_client')(error));
    const without = new URL((await begin(web)).url);
    without.searchParams.delete('code_challenge');
    const answer = await browser.open(without);
    same(answer?.searchParams.get('error'), 'invalid_request', 'a request without PKCE');
    const elsewhere = await begin(web, { redirect_uri: 'http://localhost:9/other' });
    same(await browser.open(elsewhere.url), null, 'an unknown redirect address is followed');
    check(browser.status === 400, `an unknown redirect address is answered with ${browser.status}`);
  },

  'refresh tokens rotate, and a stolen one ends the family': async () => {
    const { tokens } = await signIn(web);
    const one = tokens.refresh_token;
    const two = (await client.refreshTokenGrant(web, one)).refresh_token;
    const third = await client.refreshTokenGrant(web, two);
    check(new Set([one, two, third.refresh_token]).size === 3, 'a refresh token was given twice');
    same(third.claims().sub, tokens.claims().sub, 'the person after two refreshes');
    check(await opens(third.access_token), 'the access token after two refreshes opens nothing');
    await refused('the first refresh token', () => client.refreshTokenGrant(web, one), said('invalid_grant'));
    await refused('the newest one of that family', () => client.refreshTokenGrant(web, third.refresh_token), said('invalid_grant'));
  },

  'a revoked refresh token is worth nothing': async () => {
    const { tokens } = await signIn(web);
    await client.tokenRevocation(web, tokens.refresh_token);
    await refused('a revoked refresh token', () => client.refreshTokenGrant(web, tokens.refresh_token), said('invalid_grant'));
    await client.tokenRevocation(web, 'never-given');
  },

  'a public client needs no secret, and sends none': async () => {
    const app = await discover('test-native', undefined, client.None());
    const { tokens } = await signIn(app, browser);
    same(tokens.claims().aud, 'test-native', 'the audience');
    check(tokens.refresh_token === undefined, 'a client without the right got a refresh token');
    await refused("another client's refresh token", async () => client.refreshTokenGrant(await discover('test-spa', undefined, client.None()), first.tokens.refresh_token), said('invalid_grant'));
  },

  'prompt and max_age are kept': async () => {
    const silent = await begin(web, { prompt: 'none' });
    check((await browser.open(silent.url))?.searchParams.has('code'), 'prompt=none with a session gives no code');
    const nobody = await begin(web, { prompt: 'none' });
    same((await new FormBrowser().open(nobody.url))?.searchParams.get('error'), 'login_required', 'prompt=none without a session');
    for (const more of [{ prompt: 'login' }, { max_age: '0' }]) {
      const again = await begin(web, more);
      same(await browser.open(again.url), null, `${JSON.stringify(more)} did not ask to sign in`);
      const back = await browser.goOn({ email: EMAIL, login: EMAIL, password: PASSWORD });
      const tokens = await client.authorizationCodeGrant(web, back, { ...again.checks, ...(more.max_age ? { maxAge: 60 } : {}) });
      check(typeof tokens.claims().auth_time === 'number', 'auth_time is missing');
    }
  },

  'signing out ends the session, its refresh tokens and its access tokens': async () => {
    const { tokens } = await signIn(web, browser);
    const url = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token, post_logout_redirect_uri: AFTER, state: 'farewell' });
    const left = await signOut(browser, url);
    same([left?.origin + left?.pathname, left?.searchParams.get('state')], [AFTER, 'farewell'], 'where signing out leads');
    same((await browser.open((await begin(web, { prompt: 'none' })).url))?.searchParams.get('error'), 'login_required', 'the session after signing out');
    await refused('a refresh token after signing out', () => client.refreshTokenGrant(web, tokens.refresh_token), said('invalid_grant'));
    check(!(await opens(tokens.access_token)), 'the access token opens something after signing out');
    const elsewhere = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token, post_logout_redirect_uri: 'http://localhost:9/other' });
    same(await browser.open(elsewhere), null, 'signing out leads to an unknown address');
  },

  'a pushed request works, once': needs('par', async () => {
    const { url, tokens } = await signIn(web, browser, {}, client.buildAuthorizationUrlWithPAR);
    same([...url.searchParams.keys()].sort(), ['client_id', 'request_uri'], 'what the browser carries');
    same(tokens.claims().aud, 'test-web', 'the audience');
    check(!(await browser.open(url))?.searchParams.has('code'), 'a used request_uri gives another code');
    const pushed = await begin(web, {}, client.buildAuthorizationUrlWithPAR);
    pushed.url.searchParams.set('client_id', 'test-native');
    check(!(await browser.open(pushed.url))?.searchParams.has('code'), "another client's request_uri gives a code");
    await refused('a pushed request with an unknown redirect address', () => begin(web, { redirect_uri: 'http://localhost:9/other' }, client.buildAuthorizationUrlWithPAR), (error) => error.status === 400);
  }),

  'the answer can come as a form': needs('form_post', async () => {
    const { back, tokens } = await signIn(web, browser, { response_mode: 'form_post' });
    same([back.method, back.url], ['POST', CALLBACK], 'the answer');
    same(tokens.claims().aud, 'test-web', 'the audience');
  }),

  'introspection tells who may ask what a token is worth': needs('introspection', async () => {
    const { tokens } = await signIn(web);
    const said = await client.tokenIntrospection(web, tokens.access_token);
    same([said.active, said.client_id, said.sub, said.iss], [true, 'test-web', tokens.claims().sub, origin], 'an access token');
    check(said.exp - said.iat <= 300 && said.scope.split(' ').includes('openid'), `an access token: ${JSON.stringify(said)}`);
    check((await client.tokenIntrospection(web, tokens.refresh_token)).active, 'a refresh token is not active');
    same(await client.tokenIntrospection(web, 'never-given'), { active: false }, 'an unknown token');
    const liar = await discover('test-web', 'wrong', client.ClientSecretBasic('wrong'));
    await refused('introspection with a wrong secret', () => client.tokenIntrospection(liar, tokens.access_token), (error) => error.status === 401);
  }),

  'a revoked access token is worth nothing, and neither is what came with a revoked refresh token': needs('introspection', async () => {
    const { tokens } = await signIn(web);
    await client.tokenRevocation(web, tokens.access_token);
    same(await client.tokenIntrospection(web, tokens.access_token), { active: false }, 'a revoked access token');
    check(!(await opens(tokens.access_token)), 'a revoked access token opens something');
    const other = await signIn(web);
    await client.tokenRevocation(web, other.tokens.refresh_token, { token_type_hint: 'refresh_token' });
    for (const token of [other.tokens.refresh_token, other.tokens.access_token]) {
      same(await client.tokenIntrospection(web, token), { active: false }, 'a token of a revoked grant');
    }
  }),

  'a machine gets a token of its own, for one resource': needs('client_credentials', async () => {
    const machine = await discover('test-machine', 'machines keep secrets', client.ClientSecretPost('machines keep secrets'));
    const scope = 'school.student:read';
    const tokens = await client.clientCredentialsGrant(machine, { scope, resource: origin });
    const [header, claims] = [jose.decodeProtectedHeader(tokens.access_token), jose.decodeJwt(tokens.access_token)];
    same([header.typ, claims.iss, claims.client_id, claims.scope], ['at+jwt', origin, 'test-machine', scope], 'its token');
    await jose.jwtVerify(tokens.access_token, jose.createRemoteJWKSet(new URL(machine.serverMetadata().jwks_uri)), { issuer: origin, typ: 'at+jwt' });
    check(claims.exp - claims.iat <= 300, 'its token lives too long');
    same([tokens.refresh_token, tokens.id_token], [undefined, undefined], 'what only people get');
    const more = client.clientCredentialsGrant(machine, { scope: `${scope} identity.member:manage`, resource: origin });
    const scopes = await more.then((given) => jose.decodeJwt(given.access_token).scope, (error) => error.error);
    check([scope, 'invalid_scope'].includes(scopes), `asking for more than it may have: ${scopes}`);
    await refused('a client without that right', () => client.clientCredentialsGrant(web, { scope, resource: origin }), said('unauthorized_client', 'invalid_request'));
    await refused('an unknown resource', () => client.clientCredentialsGrant(machine, { scope, resource: 'https://elsewhere.example/' }), said('invalid_target'));
  }),

  'somebody signs in on a device by a code typed elsewhere': needs('device', async () => {
    const device = await discover('test-device', undefined, client.None());
    const asked = await client.initiateDeviceAuthorization(device, { scope: SCOPE });
    check(asked.verification_uri.startsWith(origin) && asked.user_code && asked.expires_in > 0, JSON.stringify(asked));
    const redeem = () => client.genericGrantRequest(device, 'urn:ietf:params:oauth:grant-type:device_code', { device_code: asked.device_code });
    await refused('a code that nobody approved', redeem, said('authorization_pending'));
    same(await browser.open(asked.verification_uri), null, 'the page for the code');
    await browser.goOn({ user_code: asked.user_code, email: EMAIL, login: EMAIL, password: PASSWORD });
    const tokens = await client.pollDeviceAuthorizationGrant(device, asked);
    same([tokens.claims().aud, tokens.claims().email], ['test-device', EMAIL], 'the ID token');
    check((await client.refreshTokenGrant(device, tokens.refresh_token)).access_token, 'no refresh');
    await refused('a used device code', redeem, said('invalid_grant', 'expired_token'));
  }),

  'tokens can be bound to a key': needs('dpop', async () => {
    const app = await discover('test-dpop', undefined, client.None());
    const keys = await client.randomDPoPKeyPair('ES256', { extractable: true });
    const [DPoP, stranger] = [client.getDPoPHandle(app, keys), client.getDPoPHandle(app, await client.randomDPoPKeyPair('ES256'))];
    const answered = async (more) => {
      const { url, checks } = await begin(app, more);
      return [await browser.authorize(url, EMAIL, PASSWORD), checks];
    };
    const tokens = await client.authorizationCodeGrant(app, ...(await answered()), undefined, { DPoP });
    same(tokens.token_type, 'dpop', 'the type');
    const { sub } = tokens.claims();
    same((await client.fetchUserInfo(app, tokens.access_token, sub, { DPoP })).email, EMAIL, 'userinfo');
    check(!(await opens(tokens.access_token)), 'a bound token opens something without a proof');
    await refused("somebody else's proof", () => client.fetchUserInfo(app, tokens.access_token, sub, { DPoP: stranger }), (error) => error.status === 401 || error.cause?.[0]?.scheme === 'dpop');
    await refused('a client that must prove, without a proof', async () => client.authorizationCodeGrant(app, ...(await answered())), (error) => error.status === 400);
    const thumbprint = { dpop_jkt: await DPoP.calculateThumbprint() };
    await refused('a code for another key', async () => client.authorizationCodeGrant(app, ...(await answered(thumbprint)), undefined, { DPoP: stranger }), said('invalid_grant', 'invalid_dpop_proof'));
    await refused('a refresh token for another key', () => client.refreshTokenGrant(app, tokens.refresh_token, undefined, { DPoP: stranger }), said('invalid_grant', 'invalid_dpop_proof'));
    const renewed = await client.refreshTokenGrant(app, tokens.refresh_token, undefined, { DPoP });
    const url = app.serverMetadata().userinfo_endpoint;
    const headers = { Authorization: `DPoP ${renewed.access_token}`, DPoP: await proof(keys, 'GET', url, renewed.access_token) };
    const statuses = [(await fetch(url, { headers })).status, (await fetch(url, { headers })).status];
    same(statuses, [200, 401], 'one proof for two requests');
  }),

  'a client can sign who it is': needs('private_key_jwt', async () => {
    const key = await jose.importJWK(TEST_KEY, 'ES256');
    const signed = await discover('test-keys', undefined, client.PrivateKeyJwt({ key, kid: 'test' }));
    const { tokens } = await signIn(signed, browser);
    same(tokens.claims().aud, 'test-keys', 'the audience');
    await client.refreshTokenGrant(signed, tokens.refresh_token);
    const { privateKey } = await jose.generateKeyPair('ES256');
    const liar = await discover('test-keys', undefined, client.PrivateKeyJwt({ key: privateKey, kid: 'test' }));
    await refused('another key', () => client.tokenRevocation(liar, 'never-given'), (error) => error.status === 401 || said('invalid_client')(error));
    const assertion = await new jose.SignJWT({ jti: crypto.randomUUID() }).setProtectedHeader({ alg: 'ES256', kid: 'test' })
      .setIssuer('test-keys').setSubject('test-keys').setAudience(origin).setIssuedAt().setExpirationTime('1m').sign(key);
    const body = new URLSearchParams({ token: 'never-given', client_id: 'test-keys', client_assertion: assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' });
    const revoke = async () => (await fetch(signed.serverMetadata().revocation_endpoint, { method: 'POST', body })).status;
    same([await revoke(), await revoke()], [200, 401], 'one assertion for two requests');
  }),

  "somebody else's application gets nothing before the person agrees": needs('consent', async () => {
    const stranger = await discover('test-stranger', undefined, client.ClientSecretBasic("a stranger's secret"));
    await signIn(web, browser);
    const silent = await browser.open((await begin(stranger, { prompt: 'none' })).url);
    check(['consent_required', 'interaction_required'].includes(silent?.searchParams.get('error')), `prompt=none: ${silent}`);
    const { url, checks } = await begin(stranger);
    same(await browser.open(url), null, 'nobody was asked');
    check(!ours || browser.html.includes('Kisima Reports'), 'the page does not say who asks');
    const back = await browser.goOn({});
    same((await client.authorizationCodeGrant(stranger, back, checks)).claims().aud, 'test-stranger', 'the audience');
  }),

  'the end of a session is told to the clients that want to hear of it': needs('backchannel_logout', async () => {
    const posted = [];
    await listen(posted);
    const listener = await discover('test-listener', undefined, client.ClientSecretBasic('tell me when it ends'));
    const { tokens } = await signIn(listener, browser);
    const other = await signIn(web, browser);
    const { sub, sid } = tokens.claims();
    await signOut(browser, client.buildEndSessionUrl(web, { id_token_hint: other.tokens.id_token, post_logout_redirect_uri: AFTER }));
    const told = await until('a logout token', () => posted[0]);
    same([told.path, told.type.split(';')[0]], ['/backchannel', 'application/x-www-form-urlencoded'], 'how it is told');
    const keys = jose.createRemoteJWKSet(new URL(listener.serverMetadata().jwks_uri));
    const { payload } = await jose.jwtVerify(told.form.get('logout_token'), keys, { issuer: origin, audience: 'test-listener', typ: 'logout+jwt' });
    same([payload.sub, payload.sid], [sub, sid], 'who left');
    same(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} }, 'the event');
    check(payload.jti && payload.iat && payload.exp && payload.nonce === undefined, `the token: ${JSON.stringify(payload)}`);
    await refused('a refresh token after signing out', () => client.refreshTokenGrant(listener, tokens.refresh_token), (error) => error.error === 'invalid_grant');
  }),

  'nothing was left out': mustBeAnnounced,
});
