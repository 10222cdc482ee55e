// The operators' page in a real browser: an operator added by the command line suspends and resumes an organisation, asks
// for access, and works in it for as long as its owner lets them.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { check, mailTo, origin, same, signUp, steps, until } from './platform.mjs';

const run = promisify(execFile);
const PASSWORD = 'twiga mrefu hula majani';
const [OPERATOR, OWNER] = ['amina@hitaji.example', 'wanjiku@uhuru.example'];
const faults = [];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
const hitaji = (...words) => run(process.env.HITAJI_BIN, ['--data-dir', process.env.HITAJI_DATA_DIR, ...words]);

async function person() {
  const context = await browser.newContext({ viewport: { width: 360, height: 740 }, locale: 'en-GB' });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  return page;
}

async function signIn(page, path, email) {
  await page.goto(origin + path);
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', PASSWORD);
  await page.click('button[type=submit]');
}

async function confirm(page, action) {
  await page.click(`[data-testid=${action}]`);
  check(await page.isDisabled('[data-testid=confirm]'), 'nothing is confirmed before the short name is typed');
  await page.fill('dialog textarea', `${action}, to try it`);
  await page.fill('dialog input', 'uhuru-academy');
  await page.click('[data-testid=confirm]');
}

const [operator, owner] = [await person(), await person()];

await steps(
  {
    'an operator is added by the command line and sets a password': async () => {
      await signUp('Uhuru Academy', OWNER, PASSWORD);
      await hitaji('operator', 'add', OPERATOR, '--role', 'operator', '--name', 'Amina Abdi');
      const mail = await mailTo(OPERATOR);
      await operator.goto(mail.links[0]);
      await operator.fill('input[name=password]', PASSWORD);
      await operator.click('button[type=submit]');
      await operator.waitForURL((url) => !url.pathname.startsWith('/reset-password'));
    },
    'nobody else gets in': async () => {
      await signIn(owner, '/console', OWNER);
      await owner.getByText('This page is for the people who run the platform').waitFor();
    },
    'the organisation is found, suspended and resumed': async () => {
      await operator.goto(`${origin}/console`);
      await operator.fill('input[type=search]', 'uhuru');
      await operator.click('[data-testid=organisation-uhuru-academy]');
      await confirm(operator, 'suspend');
      await operator.getByTestId('resume').waitFor();
      const { stdout } = await hitaji('tenant', 'list', '--state', 'suspended');
      check(stdout.includes('uhuru-academy'), stdout);
      await confirm(operator, 'resume');
      await operator.getByTestId('suspend').waitFor();
      await operator.getByTestId('audit').getByText('resume, to try it').waitFor();
    },
    'a backup is made, proven and restored': async () => {
      for (const action of ['back-up', 'prove', 'restore']) {
        await operator.click(`[data-testid=${action}]`);
        await operator.fill('dialog textarea', `${action}, to try it`);
        if (action === 'restore') await operator.fill('dialog form input', 'uhuru-academy');
        await operator.click('[data-testid=confirm]');
        await operator.getByTestId('audit').getByText(`${action}, to try it`).waitFor();
        await operator.waitForSelector('[data-testid=running]', { state: 'detached' });
      }
      await operator.getByTestId('storage').getByText('Proven', { exact: true }).waitFor();
      check(await operator.getByTestId('erase').isHidden(), 'only an owner of the platform erases');
    },
    'the owner takes everything along': async () => {
      await owner.goto(`${origin}/settings`);
      await owner.click('[data-testid=make-export]');
      const [file] = await Promise.all([owner.waitForEvent('download'), owner.click('[data-testid=download] >> nth=0')]);
      check(/^uhuru-academy-[\d-]+\.tar\.zst$/.test(file.suggestedFilename()), file.suggestedFilename());
    },
    'the owner is asked and lets the operator in': async () => {
      await operator.click('[data-testid=ask-access]');
      await operator.fill('textarea', 'The class list does not import');
      await operator.click('[data-testid=send-request]');
      await owner.goto(`${origin}/settings`);
      await owner.getByTestId('support-requested').getByText('The class list does not import').waitFor();
      await owner.click('[data-testid=support-requested] button.button');
      await owner.getByTestId('support-granted').waitFor();
    },
    'the operator works inside, and it is shown': async () => {
      await operator.reload();
      await operator.click('[data-testid=enter]');
      await operator.getByTestId('support-strip').waitFor();
      await operator.goto(`${origin}/people`);
      await operator.getByText(OWNER).waitFor();
      const kept = await operator.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
      check(!/eyJ[\w-]+\.[\w-]+\./.test(kept), 'a token is kept in the browser');
    },
    'the owner ends it, and the operator is outside': async () => {
      await owner.click('[data-testid=support-granted] button');
      await owner.getByTestId('support-granted').waitFor({ state: 'detached' });
      await until('the operator is outside', async () => {
        await operator.goto(`${origin}/`).catch(() => undefined);
        await operator.waitForTimeout(500);
        return new URL(operator.url()).pathname.startsWith('/console');
      });
      same(faults, [], 'faults of the pages');
    },
  },
  { always: () => browser.close() },
);
