// Passkeys in a real browser with Chromium's virtual authenticator: added on the account's pages, then used instead of the
// password, after the password, and from the list of addresses that the browser fills in.
import { chromium } from 'playwright-core';
import { check, origin, same, signUp, steps } from './platform.mjs';

const PASSWORD = 'twiga mrefu hula majani';
const OWNER = 'wanjiku@uhuru.example';
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

/** A browser of its own; `device` holds its passkeys, and `copy` those of another device. */
async function person(copy = []) {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, locale: 'en-GB' });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  const device = await context.newCDPSession(page);
  await device.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId } = await device.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  for (const credential of copy) await device.send('WebAuthn.addCredential', { authenticatorId, credential });
  const credentials = async () => (await device.send('WebAuthn.getCredentials', { authenticatorId })).credentials;
  return { page, credentials };
}

async function password(page) {
  await page.goto(`${origin}/sign-in?continue=/account`);
  await page.fill('input[name=email]', OWNER);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('form[action="/sign-in"] button');
}

const first = await person();
let credentials;

await steps(
  {
    'a person adds a passkey': async () => {
      await signUp('Uhuru Academy', OWNER, PASSWORD);
      await password(first.page);
      await first.page.waitForURL('**/account');
      await first.page.goto(`${origin}/account/security`);
      await first.page.fill('[data-passkey=register] input[name=name]', 'My phone');
      await first.page.click('[data-passkey=register] button');
      await first.page.locator('code').first().waitFor();
      same(await first.page.locator('code').count(), 10, 'recovery codes');
      credentials = await first.credentials();
      same(credentials.map((one) => [one.rpId, one.isResidentCredential]), [[new URL(origin).hostname, true]], 'passkeys');
    },
    'it signs in without a password': async () => {
      const { page } = await person(credentials);
      await page.goto(`${origin}/sign-in?continue=/account/security`);
      // The virtual authenticator answers the offer to fill in by itself, or the button's question: both are the passkey.
      await page.click('[data-passkey=sign_in] button', { timeout: 3000 }).catch(() => {});
      await page.waitForURL('**/account/security');
      await page.getByText('My phone', { exact: true }).waitFor();
      [credentials] = [(await first.credentials()).map((one) => ({ ...one, signCount: one.signCount + 50 }))];
    },
    'it is the second factor after the password': async () => {
      const { page } = await person(credentials);
      await page.goto(`${origin}/sign-in`);
      // Without the script nobody fills in anything by itself.
      await page.route('**/passkeys/options', (route) => (page.url().includes('/factor') ? route.continue() : route.abort()));
      await password(page);
      await page.waitForURL('**/sign-in/factor');
      await page.click('[data-passkey=prove] button');
      await page.waitForURL('**/account');
    },
    'nothing went wrong on the pages': async () => {
      const real = faults.filter((fault) => !/ERR_FAILED/.test(fault));
      check(real.length === 0, real.join('\n'));
    },
  },
  { always: () => browser.close() },
);
