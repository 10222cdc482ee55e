// Every hosted page as assistive technology meets it: axe finds nothing, the keyboard reaches everything in the order of the
// page, nothing is wider than a small phone; in three languages, light and dark. Pictures go to $PICTURES where that is set.
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { check, mailTo, origin, same, signUp, steps } from './platform.mjs';

const PASSWORD = 'twiga mrefu hula majani';
const OWNER = 'wanjiku@uhuru.example';
const PICTURES = process.env.PICTURES;
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
// Our pages allow no foreign script, so axe comes in past their policy.
const context = await browser.newContext({ viewport: { width: 320, height: 700 }, locale: 'en-GB', bypassCSP: true });
context.setDefaultTimeout(20_000);
const page = await context.newPage();
if (PICTURES) await mkdir(PICTURES, { recursive: true });

async function judge(name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const width of [320, 1280]) {
      await page.setViewportSize({ width, height: width === 320 ? 700 : 800 });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(over <= 0, `${name} is ${over} px wider than ${width} px`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run(document));
      const told = violations.map((one) => `${one.id}: ${one.help}\n    ${one.nodes.map((node) => node.html).join('\n    ')}`);
      check(told.length === 0, `${name}, ${colorScheme}, ${width} px:\n  ${told.join('\n  ')}`);
      if (PICTURES) await page.screenshot({ path: `${PICTURES}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 320, height: 700 });
  await keyboard(name);
}

/** Tab visits what can be used, in the order in which it stands on the page. */
async function keyboard(name) {
  const wanted = await page.evaluate(() => {
    document.activeElement?.blur();
    window.getSelection()?.removeAllRanges();
    const all = [...document.querySelectorAll('a[href], button, input, select, textarea')];
    const used = all.filter((one) => one.tabIndex >= 0 && one.type !== 'hidden' && !one.disabled && one.getClientRects().length > 0);
    used.forEach((one, place) => (one.dataset.place = place));
    return used.filter((one) => one.type !== 'radio').map((one) => Number(one.dataset.place));
  });
  await page.evaluate(() => { document.body.tabIndex = -1; document.body.focus(); });
  const seen = [];
  for (let step = 0; step < wanted.length; step += 1) {
    await page.keyboard.press('Tab');
    seen.push(await page.evaluate(() => Number(document.activeElement?.dataset.place ?? -1)));
  }
  same(seen.filter((place) => wanted.includes(place)), wanted, `${name}: the order of the keyboard`);
}

async function visit(name, path) {
  for (const lang of ['en', 'sw', 'fr']) {
    await page.goto(`${origin}${path}${path.includes('?') ? '&' : '?'}lang=${lang}`);
    same(await page.getAttribute('html', 'lang'), lang, `${name}: the language`);
    await judge(`${name}-${lang}`);
  }
  await page.goto(`${origin}${path}${path.includes('?') ? '&' : '?'}lang=en`);
}

async function send(form, values) {
  for (const [field, value] of Object.entries(values)) await page.fill(`${form} [name=${field}]`, value);
  await page.click(`${form} button[type=submit]`);
  await page.waitForLoadState();
}

await steps(
  {
    'pages for everybody': async () => {
      await signUp('Uhuru Academy', OWNER, PASSWORD);
      for (const [name, path] of [['sign-in', '/sign-in'], ['sign-up', '/sign-up'], ['forgot', '/forgot-password']]) await visit(name, path);
      await page.goto(`${origin}/sign-in`);
      await send('form[action="/sign-in"]', { email: 'x', password: '' });
      await judge('sign-in-errors');
      await page.goto(`${origin}/invitations/nothing`);
      await judge('error');
    },
    'the pages behind links': async () => {
      const proof = await mailTo(OWNER, /Confirm/);
      await visit('verify-email', new URL(proof.links[0]).pathname);
      await page.goto(`${origin}/forgot-password`);
      await send('form', { email: OWNER });
      await judge('forgot-sent');
      const reset = await mailTo(OWNER, /new password/i);
      await visit('reset', new URL(reset.links[0]).pathname);
    },
    'the account': async () => {
      await page.goto(`${origin}/sign-in?continue=/account`);
      await send('form[action="/sign-in"]', { email: OWNER, password: PASSWORD });
      for (const name of ['', '/security', '/app', '/sessions', '/data']) await visit(`account${name.replace('/', '-')}`, `/account${name}`);
      await page.goto(`${origin}/account/data`);
      await send('form[action="/account/delete"]', { confirm: OWNER });
      await judge('account-data-owner');
      await visit('organisations', '/sign-in/organisation');
      await visit('factor-lacking', '/sign-in/factor?level=urn:hitaji:acr:two&continue=/account');
    },
    'a half sign-in': async () => {
      await page.goto(`${origin}/account/app`);
      const secret = (await page.textContent('.secret')).replaceAll(' ', '');
      await send('form', { code: await code(secret) });
      await page.locator('code').first().waitFor();
      await judge('account-codes');
      await visit('account-security-on', '/account/security');
      await context.clearCookies();
      await page.goto(`${origin}/sign-in`);
      await send('form[action="/sign-in"]', { email: OWNER, password: PASSWORD });
      await page.waitForURL('**/sign-in/factor');
      await visit('factor', '/sign-in/factor');
      await send('form.stack', { code: '000000' });
      await judge('factor-wrong');
    },
  },
  {
    onFailure: async (name) => PICTURES && page.screenshot({ path: `${PICTURES}/failed-${name.replaceAll(' ', '-')}.png` }),
    always: () => browser.close(),
  },
);

/** RFC 6238 by Node's own HMAC. */
async function code(secret) {
  const { createHmac } = await import('node:crypto');
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((eight) => parseInt(eight, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
