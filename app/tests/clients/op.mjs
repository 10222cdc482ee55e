// What differs between our provider and the reference one, so that the same script can ask both.
import { api, check, origin, ours, same, signUp } from './platform.mjs';

const metadata = await (await fetch(`${origin}/.well-known/openid-configuration`)).json();
const grant = (name) => metadata.grant_types_supported.includes(name);

/** How discovery announces what a step needs. */
const FEATURES = {
  par: () => metadata.pushed_authorization_request_endpoint !== undefined,
  form_post: () => metadata.response_modes_supported.includes('form_post'),
  client_credentials: () => grant('client_credentials'),
  introspection: () => metadata.introspection_endpoint !== undefined,
  device: () => metadata.device_authorization_endpoint !== undefined && grant('urn:ietf:params:oauth:grant-type:device_code'),
  dpop: () => metadata.dpop_signing_alg_values_supported?.includes('ES256'),
  private_key_jwt: () => metadata.token_endpoint_auth_methods_supported.includes('private_key_jwt'),
  backchannel_logout: () => metadata.backchannel_logout_supported === true,
  consent: () => isRegistered('test-stranger'), // which discovery has no word for
};

async function isRegistered(id) {
  const query = new URLSearchParams({ client_id: id, redirect_uri: 'http://localhost:9/callback', response_type: 'code' });
  return (await fetch(`${metadata.authorization_endpoint}?${query}`, { redirect: 'manual' })).status !== 400;
}

const missing = [];

/** A step that needs what discovery must announce first. */
export const needs = (feature, work) => async () => {
  if (await FEATURES[feature]()) return work();
  missing.push(feature);
  return 'not announced';
};

/** The last step of a script: nothing was left out. */
export async function mustBeAnnounced() {
  const list = [...new Set(missing)].join(', ');
  check(!list, `discovery does not announce: ${list}`);
}

/** A step about what only our provider has. */
export const ourOwn = (work) => async () => (ours ? work() : 'only ours');

/** Where the client test-machine of clients.toml works. */
const ORGANISATION_ID = '0199a000-7000-7000-8000-00000000a001';

/** Somebody who can sign in: with us by signing up, at the reference by merely saying so. */
export async function person(organisation, email, password) {
  if (ours) await signUp(organisation, email, password, ORGANISATION_ID);
}

/** Whether an access token still opens anything; with us, the API and userinfo must agree. */
export async function opens(token) {
  const { status } = await fetch(metadata.userinfo_endpoint, { headers: { Authorization: `Bearer ${token}` } });
  check(status === 200 || status === 401, `userinfo answers ${status}`);
  if (ours) same((await api(token, '/identity/v1/me')).status, status, 'the API and userinfo');
  return status === 200;
}

/** Signs out; the reference asks whether that is meant, and we need not when the ID token says who asks. */
export async function signOut(browser, url) {
  const left = await browser.open(url);
  return left || ours ? left : browser.submit();
}
