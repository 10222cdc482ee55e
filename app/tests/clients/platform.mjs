// The running platform, as the ready file of `hitaji up` names it, and what only its operator can do.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PATIENCE_MS = 30_000;
const STEP_MS = 90_000;

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; these scripts are started by app/tests/it`);
  return value;
}

const ready = JSON.parse(readFileSync(needed('HITAJI_READY'), 'utf8'));
export const origin = ready.address;
/** Whether this is our platform, and not the provider that the scripts are tried on first. */
export const ours = ready.kind !== 'reference';

export class Unmet extends Error {}
export function check(holds, message) {
  if (!holds) throw new Unmet(message);
}
export function same(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, `${what}: ${a} instead of ${b}`);
}

/** The work must fail, in a way that `as` accepts; answers the error. */
export async function refused(what, work, as) {
  try {
    await work();
  } catch (error) {
    check(as(error), `${what} was refused otherwise than it should be: ${error.error ?? ''} ${error.error_description ?? ''} ${error.stack ?? error}`);
    return error;
  }
  throw new Unmet(`${what} was not refused`);
}

/** Asks again until the answer is neither null nor false; never waits longer than it has to. */
export async function until(what, ask, patience_ms = PATIENCE_MS) {
  const end = Date.now() + patience_ms;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== null && answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      if (error instanceof Unmet === false && Date.now() > end) throw error;
      last = error.message;
    }
    check(Date.now() < end, `not within ${patience_ms / 1000} s: ${what} (last: ${last})`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

/**
 * Runs a script's steps one after the other, says how long each took, and ends the process with the outcome. A step
 * that had nothing to do answers why.
 */
export async function steps(all, { onFailure, always } = {}) {
  let failed = false;
  for (const [name, work] of Object.entries(all)) {
    const began = performance.now();
    try {
      const idle = await withinPatience(work());
      const took = `ok      ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s`;
      console.log(idle ? `${idle}: ${name}` : `${took}  ${name}`);
    } catch (error) {
      failed = true;
      console.log(`FAILED  ${name}\n${error.error ?? ''} ${error.error_description ?? ''} ${error.stack}`);
      await onFailure?.(name);
      break;
    }
  }
  await always?.();
  process.exit(failed ? 1 : 0);
}

/** A step that waits for what never comes fails with its name, before the whole test is ended without a word. */
function withinPatience(working) {
  let timer;
  const over = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Unmet(`this step did not end within ${STEP_MS / 1000} s`)), STEP_MS);
  });
  return Promise.race([working, over]).finally(() => clearTimeout(timer));
}

/** The newest mail to this address: to, subject, text, links. */
export function mailTo(email, subject = /./) {
  return until(`mail to ${email}`, async () => {
    const messages = await (await fetch(`${ready.mail_address}/messages`)).json();
    return messages.find((message) => message.to === email && subject.test(message.subject));
  });
}

/** A token by `hitaji token`: made by the same code as the token endpoint. */
export async function operatorToken(organisation, account, scope = '') {
  const { stdout } = await run(needed('HITAJI_BIN'), [
    '--data-dir', needed('HITAJI_DATA_DIR'), 'token', '--organisation', organisation, '--account', account, '--scope', scope,
  ]);
  return stdout.trim();
}

/** One request with a token: `{ status, body, headers }`. */
export async function api(token, path, { method = 'GET', body, headers = {}, type = 'application/json' } = {}) {
  const response = await fetch(origin + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': type }), ...headers },
    body: body === undefined ? undefined : type === 'text/csv' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null, headers: response.headers };
}

/** An organisation with its owner, by the public address for scripts; with this id, where one is given. */
export async function signUp(organisation, email, password, organisation_id) {
  const response = await fetch(`${origin}/identity/v1/sign-ups`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      organisation_id, organisation, email, password, name: 'Wanjiku Kamau', country: 'KE', currency: 'KES', time_zone: 'Africa/Nairobi', products: ['school'],
    }),
  });
  const body = await response.json();
  check(response.ok, `sign-up: ${response.status} ${JSON.stringify(body)}`);
  return body;
}

/** As `api`, and it must succeed. */
export async function done(token, path, options) {
  const answer = await api(token, path, options);
  check(answer.status < 300, `${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
