// npm oidc-client-ts, the library of browser applications, signs in, refreshes, binds tokens and signs out, with CORS.
globalThis.window = globalThis; // it is written for browsers
const { InMemoryWebStorage, OidcClient, WebStorageStateStore } = await import('oidc-client-ts');
const { FormBrowser } = await import('./hosted.mjs');
const { mustBeAnnounced, needs, opens, ourOwn, person, signOut } = await import('./op.mjs');
const { check, origin, ours, refused, same, steps } = await import('./platform.mjs');

const [EMAIL, PASSWORD] = ['wanjiku@uhuru.example', 'twiga mrefu hula majani'];
const PAGE = 'http://localhost:9'; // the origin of the browser application
const AFTER = `${PAGE}/bye`;

/** Whom a page of that origin may read, by address: Node reads every answer, a browser only what CORS opens. */
const readers = new Map();
const plainFetch = globalThis.fetch;
function asInABrowser() {
  globalThis.fetch = async (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set('Origin', headers.get('Origin') ?? PAGE);
    const response = await plainFetch(url, { ...init, headers });
    readers.set(String(url), response.headers.get('access-control-allow-origin'));
    return response;
  };
}

const application = (more = {}) =>
  new OidcClient({
    authority: origin, client_id: 'test-spa', redirect_uri: `${PAGE}/callback`, post_logout_redirect_uri: AFTER,
    scope: 'openid profile email hitaji', loadUserInfo: true,
    stateStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }), ...more,
  });

async function answered(app, browser, more = {}) {
  const { url } = await app.createSigninRequest({ state: { page: '/class-list' }, ...more });
  return String(await browser.authorize(url, EMAIL, PASSWORD));
}

const memory = () => {
  const kept = new Map();
  return {
    set: async (key, value) => void kept.set(key, value),
    get: async (key) => kept.get(key),
    remove: async (key) => kept.delete(key),
    getAllKeys: async () => [...kept.keys()],
  };
};

const browser = new FormBrowser();
const app = application();
let user;

await steps({
  'set up': async () => {
    await person('Uhuru Academy', EMAIL, PASSWORD);
    asInABrowser();
  },

  'a browser application signs somebody in': async () => {
    user = await app.processSigninResponse(await answered(app, browser));
    same([user.profile.email, user.profile.name, user.userState], [EMAIL, 'Wanjiku Kamau', { page: '/class-list' }], 'who and where');
    check(user.expires_in > 0 && user.expires_in <= 300, `the token lives ${user.expires_in} s`);
    check(await opens(user.access_token), 'the access token opens nothing');
  },

  'the organisation stands in the profile': ourOwn(async () => {
    same(user.profile.org_slug, 'uhuru-academy', 'the organisation');
  }),

  'an answer is good once, and only for who asked': async () => {
    const back = await answered(app, browser);
    await app.processSigninResponse(back);
    await refused('the same answer again', () => app.processSigninResponse(back), (error) => /state/i.test(error.message));
    const foreign = await answered(application(), browser);
    await refused("another page's answer", () => app.processSigninResponse(foreign), (error) => /state/i.test(error.message));
  },

  'a refusal comes back as an error of OpenID Connect': async () => {
    const { url } = await app.createSigninRequest({ prompt: 'none' });
    const back = await new FormBrowser().open(url);
    await refused('a silent sign-in of nobody', () => app.processSigninResponse(String(back)), (error) => error.error === 'login_required');
  },

  'it refreshes, without a secret': async () => {
    const { profile, refresh_token, scope } = user;
    const state = { data: undefined, refresh_token, id_token: user.id_token, session_state: null, scope, profile };
    const renewed = await app.useRefreshToken({ state });
    check(renewed.refresh_token && renewed.refresh_token !== refresh_token, 'the refresh token was not rotated');
    check(await opens(renewed.access_token), 'the new access token opens nothing');
    user = { ...user, ...renewed, profile };
  },

  'its tokens can be bound to a key in the browser': needs('dpop', async () => {
    const store = memory();
    const bound = application({ client_id: 'test-dpop', loadUserInfo: false, dpop: { store, bind_authorization_code: true } });
    const found = await bound.processSigninResponse(await answered(bound, browser));
    same(found.token_type.toLowerCase(), 'dpop', 'the type');
    check(!(await opens(found.access_token)), 'a bound token opens something without a proof');
    const state = { refresh_token: found.refresh_token, id_token: found.id_token, scope: found.scope, profile: found.profile };
    check((await bound.useRefreshToken({ state })).access_token, 'no refresh');
    const headers = { Origin: PAGE, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'dpop' };
    const preflight = await plainFetch(await bound.metadataService.getTokenEndpoint(), { method: 'OPTIONS', headers });
    check(/\*|dpop/i.test(preflight.headers.get('access-control-allow-headers')), 'a browser may not send a proof');
    const thief = application({ client_id: 'test-dpop', loadUserInfo: false, dpop: { store: memory() } });
    await refused('a refresh token for another key', () => thief.useRefreshToken({ state }), (error) => /^invalid_(grant|dpop_proof)$/.test(error.error));
  }),

  'it revokes and signs out': async () => {
    const { refresh_token, id_token } = user;
    // RFC 7009 lets the client ignore the body; this one takes none but JSON, and the reference says OK in plain text.
    await app.revokeToken(refresh_token, 'refresh_token').catch((error) => check(!ours && /Content-Type/.test(error.message), error.stack));
    const state = { refresh_token, id_token, scope: user.scope, profile: user.profile };
    await refused('a revoked refresh token', () => app.useRefreshToken({ state }), (error) => error.error === 'invalid_grant');
    const { url } = await app.createSignoutRequest({ id_token_hint: id_token, state: { page: '/farewell' } });
    const left = await signOut(browser, url);
    check(String(left).startsWith(`${AFTER}?state=`), `signing out leads to ${left}`);
    same((await app.processSignoutResponse(String(left))).userState, { page: '/farewell' }, 'the state after signing out');
    const { url: again } = await app.createSigninRequest({ prompt: 'none' });
    same((await browser.open(again))?.searchParams.get('error'), 'login_required', 'the session after signing out');
  },

  'a browser lets the page read every answer': async () => {
    const metadata = await app.metadataService.getMetadata();
    const read = ['token_endpoint', 'userinfo_endpoint', 'revocation_endpoint'].map((name) => metadata[name]);
    for (const url of [`${origin}/.well-known/openid-configuration`, ...read]) {
      check(['*', PAGE].includes(readers.get(url)), `${url} may be read by ${readers.get(url)}`);
    }
  },

  'nothing was left out': mustBeAnnounced,
});
