// Who looks after security, in a real browser: the sign-in history, a member signed out after a new sign-in, a form that
// survives that sign-in being refused.
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { check, mailTo, origin, same, signUp, steps, until } from './platform.mjs';

const PASSWORD = 'twiga mrefu hula majani';
const [OWNER, TEACHER] = ['wanjiku@uhuru.example', 'baraka@uhuru.example'];
const SCREENS = process.env.HITAJI_SCREENS;
if (SCREENS) mkdirSync(SCREENS, { recursive: true });
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

// A service worker would send requests past `page.route`.
async function person(options = {}) {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, locale: 'en-GB', serviceWorkers: 'block', ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  return page;
}

async function signIn(page, path, email, password = PASSWORD) {
  await page.goto(origin + path);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('button[type=submit]');
}

/** Pictures for people who look at a change, where somebody asked for them. */
async function picture(page, name) {
  if (!SCREENS) return;
  for (const [width, height] of [[360, 740], [1280, 860]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      check(!wide, `${name} is wider than a screen of ${width} px`);
      await page.screenshot({ path: `${SCREENS}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.setViewportSize({ width: 360, height: 740 });
}

const [owner, teacher] = [await person(), await person()];
const refuseOnce = (page, path) =>
  page.route(
    path,
    (route) =>
      route.fulfill({
        status: 401,
        contentType: 'application/problem+json',
        body: JSON.stringify({ status: 401, code: 'insufficient_user_authentication', title: 'Sign in again', detail: 'Sign in again', max_age: 900 }),
      }),
    { times: 1 },
  );

await steps(
  {
    'a teacher is invited and signs in': async () => {
      await signUp('Uhuru Academy', OWNER, PASSWORD);
      await signIn(owner, '/', OWNER);
      await owner.waitForURL(`${origin}/`);
      await owner.goto(`${origin}/people`);
      await owner.getByTestId('invite-name').fill('Baraka Otieno');
      await owner.getByTestId('invite-email').fill(TEACHER);
      await owner.getByTestId('invite-role').selectOption('teacher');
      await owner.getByTestId('invite-submit').click();
      const mail = await mailTo(TEACHER);
      await teacher.goto(mail.links[0]);
      await teacher.fill('input[name=password]', PASSWORD);
      await teacher.click('button[type=submit]');
      await teacher.getByRole('heading', { level: 1 }).waitFor();
    },
    'the owner sees who came and who was refused': async () => {
      const stranger = await person();
      await signIn(stranger, '/sign-in', TEACHER, 'a wild guess');
      await stranger.close();
      await owner.goto(`${origin}/settings`);
      await owner.getByTestId('open-sign-ins').click();
      await owner.getByTestId('event-sign_in-refused').waitFor();
      await owner.getByTestId('event-invitation_accepted-done').waitFor();
      await picture(owner, 'sign-ins');
    },
    'it is narrowed by what happened, how it ended and from where': async () => {
      await owner.getByTestId('events-filter').click();
      await owner.getByTestId('events-outcome').selectOption('refused');
      await owner.getByTestId('event-authorization-done').first().waitFor({ state: 'detached' });
      same(await owner.locator('[data-testid^=event-]').count(), 1, 'refused ones');
      await picture(owner, 'sign-ins-filtered');
      await owner.getByTestId('events-address').fill('192.0.2.0/24');
      await owner.getByText('Nothing fits.').waitFor();
      await owner.getByTestId('events-address').fill('');
      await owner.getByTestId('event-sign_in-refused').waitFor();
    },
    'a change that asks for a new sign-in can be left undone': async () => {
      await owner.goto(`${origin}/people`);
      await refuseOnce(owner, '**/sign-out');
      await owner.getByTestId(`sign-out-${TEACHER}`).click();
      await owner.locator('dialog input').fill('his phone was stolen');
      await picture(owner, 'sign-out-member');
      await owner.getByTestId('sign-out-member').click();
      await owner.getByTestId('sign-in-again').waitFor();
      await picture(owner, 'sign-in-again');
      await owner.keyboard.press('Escape');
      await owner.locator('dialog [role=alert]').waitFor();
      same(await owner.locator('dialog input').inputValue(), 'his phone was stolen', 'what was typed');
    },
    'or is done after it': async () => {
      await refuseOnce(owner, '**/sign-out');
      await owner.getByTestId('sign-out-member').click();
      await owner.getByTestId('sign-in-again').click();
      await owner.waitForURL(/\/sign-in\?/);
      await owner.fill('input[name=email]', OWNER);
      await owner.fill('input[name=password]', PASSWORD);
      await owner.click('button[type=submit]');
      await owner.waitForURL(`${origin}/people`);
      await owner.getByRole('status').getByText('Done').waitFor();
    },
    'and the teacher is out': async () => {
      await until('the teacher is asked to sign in', async () => {
        await teacher.goto(`${origin}/`);
        return teacher.waitForURL(/\/sign-in\?/, { timeout: 5_000 }).then(() => true, () => false);
      });
      await owner.goto(`${origin}/settings/sign-ins`);
      await owner.getByTestId('event-signed_out-done').waitFor();
      same(faults, [], 'faults in the pages');
    },
  },
  {
    onFailure: async (name) => {
      if (SCREENS) await owner.screenshot({ path: `${SCREENS}/failed.png`, fullPage: true });
      console.log(name, owner.url(), faults);
    },
    always: () => browser.close(),
  },
);
