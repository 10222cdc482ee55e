// npm openid-client speaks to our provider: code flow with PKCE, ID tokens, userinfo, rotation, revocation, sign-out.
import * as client from 'openid-client';
import { FormBrowser } from './hosted.mjs';
import { api, check, origin, refused, same, signUp, steps } from './platform.mjs';

const [EMAIL, PASSWORD] = ['wanjiku@uhuru.example', 'twiga mrefu hula majani'];
const CALLBACK = 'http://localhost:9/callback';
const AFTER = 'http://localhost:9/bye';
const SCOPE = 'openid profile email hitaji';

const discover = (id, secret, authentication) =>
  client.discovery(new URL(origin), id, secret, authentication, { execute: [client.allowInsecureRequests] });
const said = (code) => (error) => error.error === code || error.cause?.error === code;

/** An authorisation request, and what is needed to check its answer. */
async function begin(config, more = {}) {
  const [verifier, state, nonce] = [client.randomPKCECodeVerifier(), client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK, scope: SCOPE, state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...more,
  });
  return { url, checks: { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true } };
}

async function signIn(config, browser, more) {
  const { url, checks } = await begin(config, more);
  const back = await browser.authorize(url, EMAIL, PASSWORD);
  return { back, checks, tokens: await client.authorizationCodeGrant(config, back, checks) };
}

let web, browser, first;

await steps({
  'set up': async () => {
    await signUp('Uhuru Academy', EMAIL, PASSWORD);
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
    same([claims.iss, claims.aud, claims.org_slug, claims.email], [origin, 'test-web', 'uhuru-academy', EMAIL], 'the ID token');
    same(first.back.searchParams.get('iss'), origin, 'iss in the answer');
    const userinfo = await client.fetchUserInfo(web, first.tokens.access_token, claims.sub);
    same([userinfo.email, userinfo.name], [EMAIL, 'Wanjiku Kamau'], 'userinfo');
    const me = await api(first.tokens.access_token, '/identity/v1/me');
    same([me.status, me.body.organisation.slug], [200, 'uhuru-academy'], 'the API with this token');
  },

  'a code is good once, and who uses it again ends what came of it': async () => {
    const { back, checks, tokens } = await signIn(web, browser);
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
    const one = first.tokens.refresh_token;
    const two = (await client.refreshTokenGrant(web, one)).refresh_token;
    const third = await client.refreshTokenGrant(web, two);
    check(new Set([one, two, third.refresh_token]).size === 3, 'a refresh token was given twice');
    same(third.claims().sub, first.tokens.claims().sub, 'the person after two refreshes');
    same((await api(third.access_token, '/identity/v1/me')).status, 200, 'the API after two refreshes');
    await refused('the first refresh token', () => client.refreshTokenGrant(web, one), said('invalid_grant'));
    await refused('the newest one of that family', () => client.refreshTokenGrant(web, third.refresh_token), said('invalid_grant'));
  },

  'a revoked refresh token is worth nothing': async () => {
    const { tokens } = await signIn(web, browser);
    await client.tokenRevocation(web, tokens.refresh_token);
    await refused('a revoked refresh token', () => client.refreshTokenGrant(web, tokens.refresh_token), said('invalid_grant'));
    await client.tokenRevocation(web, 'never-given');
  },

  'a public client needs no secret, and sends none': async () => {
    const app = await discover('test-native', undefined, client.None());
    const { tokens } = await signIn(app, browser);
    same(tokens.claims().aud, 'test-native', 'the audience');
    check(tokens.refresh_token === undefined, 'a client without the right got a refresh token');
    await refused("another client's refresh token", () => client.refreshTokenGrant(app, first.tokens.refresh_token), said('invalid_grant'));
  },

  'prompt and max_age are kept': async () => {
    const silent = await begin(web, { prompt: 'none' });
    check((await browser.open(silent.url))?.searchParams.has('code'), 'prompt=none with a session gives no code');
    const nobody = await begin(web, { prompt: 'none' });
    same((await new FormBrowser().open(nobody.url))?.searchParams.get('error'), 'login_required', 'prompt=none without a session');
    for (const more of [{ prompt: 'login' }, { max_age: '0' }]) {
      const again = await begin(web, more);
      same(await browser.open(again.url), null, `${JSON.stringify(more)} did not ask to sign in`);
      const back = await browser.submit({ email: EMAIL, password: PASSWORD });
      const tokens = await client.authorizationCodeGrant(web, back, { ...again.checks, ...(more.max_age ? { maxAge: 60 } : {}) });
      check(typeof tokens.claims().auth_time === 'number', 'auth_time is missing');
    }
  },

  'signing out ends the session, its refresh tokens and its access tokens': async () => {
    const { tokens } = await signIn(web, browser);
    const url = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token, post_logout_redirect_uri: AFTER, state: 'farewell' });
    const left = await browser.open(url);
    same([left?.origin + left?.pathname, left?.searchParams.get('state')], [AFTER, 'farewell'], 'where signing out leads');
    same((await browser.open((await begin(web, { prompt: 'none' })).url))?.searchParams.get('error'), 'login_required', 'the session after signing out');
    await refused('a refresh token after signing out', () => client.refreshTokenGrant(web, tokens.refresh_token), said('invalid_grant'));
    same((await api(tokens.access_token, '/identity/v1/me')).status, 401, 'the access token after signing out');
    const elsewhere = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token, post_logout_redirect_uri: 'http://localhost:9/other' });
    same(await browser.open(elsewhere), null, 'signing out leads to an unknown address');
  },
});
