// The golden path in a real browser: an organisation signs up, imports its class list, invites people, a teacher marks a
// register on a phone, with and without a network, and the head teacher sees it live. Nothing is prepared by hand.
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { MISTAKES, PUPILS, STREAMS, classList } from './class-list.mjs';
import { api, check, done, mailTo, operatorToken, origin, same, steps, until } from './platform.mjs';
import { openTunnel } from './tunnel.mjs';

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 860 };
const PASSWORDS = { owner: 'twiga mrefu hula majani', other: 'nyota ndogo juu angani', invited: 'chui mweusi hulala mchana' };
const OWNER = 'wanjiku@uhuru.example';
const TEACHER = 'mary@uhuru.example';
const HEAD = 'daniel@uhuru.example';
const GUARDIAN = 'parent241@families.example'; // of U0241, the first pupil of 7 East
const pictures = process.env.SCREENSHOTS;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

// ---- what every page is watched for ----------------------------------------------------------------------------

const faults = [];
let passwordsTyped = 0;
const people = [];

/** A person with a browser of their own; every request and every error of it is looked at. */
async function person(name, viewport, { tunnel, ...more } = {}) {
  const phone = viewport === PHONE;
  const context = await browser.newContext({
    viewport, isMobile: phone, hasTouch: phone, locale: 'en-GB', ...more,
    ...(tunnel ? { proxy: { server: tunnel.address, bypass: '<-loopback>' } } : {}),
  });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const one = { name, context, page, viewport, posts: [], expectTrouble: false };
  context.on('request', (request) => noPassword(name, request));
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/attendance-registers')) one.posts.push(request);
  });
  page.on('pageerror', (error) => faults.push(`${name}: ${error.message}`));
  page.on('console', (message) => {
    // A refused or failed request is written there by the browser itself.
    const expected = /Failed to load resource|WebSocket connection to|net::ERR_/.test(message.text());
    if (message.type() === 'error' && !expected) faults.push(`${name}: ${message.text()}`);
  });
  people.push(one);
  return one;
}

/** Passwords go to the provider's own pages as form posts of whole documents, and nowhere else. */
function noPassword(name, request) {
  const text = decodeURIComponent(`${request.url()} ${request.postData() ?? ''}`.replaceAll('+', ' ').replace(/%(?![0-9a-f]{2})/gi, '%25'));
  if (!Object.values(PASSWORDS).some((password) => text.includes(password))) return;
  const hosted = /^\/(sign-up|sign-in|invitations\/[\w-]+)$/.test(new URL(request.url()).pathname);
  if (hosted && request.isNavigationRequest() && request.method() === 'POST') {
    passwordsTyped += 1;
  } else {
    faults.push(`${name}: a password is in ${request.method()} ${request.url()}`);
  }
}

/** Everything that outlives a page: no token may be there. */
async function nothingSecretKept(page) {
  const kept = await page.evaluate(async () => {
    const rows = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise((open) => (indexedDB.open(name).onsuccess = (event) => open(event.target.result)));
      for (const store of database.objectStoreNames) {
        const all = database.transaction(store).objectStore(store).getAll();
        rows.push(await new Promise((read) => (all.onsuccess = () => read(all.result))));
      }
      database.close();
    }
    const cached = [];
    for (const name of await caches.keys()) {
      for (const request of await (await caches.open(name)).keys()) cached.push(new URL(request.url).pathname);
    }
    return { text: JSON.stringify([{ ...localStorage }, { ...sessionStorage }, rows]), cookies: document.cookie, cached };
  });
  check(!/eyJ[\w-]+\.[\w-]+\./.test(kept.text), `a token is kept in the browser: ${kept.text.slice(0, 400)}`);
  same(kept.cookies, '', 'cookies that scripts can read');
  const beyond = kept.cached.filter((path) => /\/v\d+\/|^\/(oauth|callback|sign|invitations)/.test(path));
  same(beyond, [], 'answers kept by the service worker');
}

async function picture(one, title) {
  if (!pictures) return;
  const { page } = one;
  for (const [size, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${pictures}/${title}-${size}-${colorScheme}.png`, animations: 'disabled' });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(one.viewport);
}

// ---- words for what people do -----------------------------------------------------------------------------------

const text = async (page, id) => (await page.getByTestId(id).textContent())?.trim();
const shows = (page, id, wanted) => until(`${id} shows ${wanted}`, async () => {
  const found = await text(page, id);
  check(found === wanted, found);
  return true;
});
const state = (page, id, wanted) => page.locator(`[data-testid="${id}"][data-state="${wanted}"]`).waitFor({ state: 'attached' });
const signedIn = (page) => state(page, 'connection-state', 'online');

async function signUp(one, organisation, name, email, password) {
  const { page } = one;
  await page.goto(`${origin}/sign-up`);
  await page.locator('[name=organisation]').fill(organisation);
  await page.locator('[name=country]').selectOption('KE');
  await page.locator('[name=currency]').selectOption('KES');
  await page.locator('[name=time_zone]').selectOption('Africa/Nairobi');
  await page.locator('[name=products][value=school]').setChecked(true);
  await page.locator('[name=name]').fill(name);
  await page.locator('[name=email]').fill(email);
  await page.locator('[name=password]').fill(password);
}

async function invite(page, name, email, role) {
  await page.getByTestId('invite-name').fill(name);
  await page.getByTestId('invite-email').fill(email);
  await page.getByTestId('invite-role').selectOption(role);
  await page.getByTestId('invite-submit').click();
  await page.getByTestId(`invitation-${email}`).waitFor();
}

/** Opens the link of the invitation's mail and sets a password; ends signed in. */
async function accept(one, name, email) {
  const mail = await mailTo(email);
  const link = mail.links.find((found) => new URL(found).pathname.startsWith('/invitations/'));
  check(link, `the mail has no link: ${mail.text}`);
  check(new URL(link).origin === origin, `the link leads elsewhere: ${link}`);
  await one.page.goto(link);
  await one.page.locator('[name=name]').fill(name);
  await one.page.locator('[name=password]').fill(PASSWORDS.invited);
  await picture(one, `04-invitation-${one.name}`);
  await one.page.locator('form [type=submit]').first().click();
  await signedIn(one.page);
}

const pupil = (page, number) => page.getByTestId(`register-pupil-${number}`);
async function tap(page, number, wanted) {
  await pupil(page, number).tap();
  await page.locator(`[data-testid="register-pupil-${number}"][data-code="${wanted}"]`).waitFor();
}

/** The sheet as the server has it. */
const sheetOf = (rollCall) => done(ownerToken, `/school/v1/register-sheets/${sevenEast}?roll_call=${rollCall}`);

const owner = await person('owner', DESKTOP);
const teacher = await person('teacher', PHONE);
const tunnel = await openTunnel();
const head = await person('head', DESKTOP, { tunnel });
const guardian = await person('guardian', PHONE);
const stranger = await person('stranger', DESKTOP);
let ownerToken, sevenEast, sevenWest, dashboardFrames;
if (pictures) mkdirSync(pictures, { recursive: true });

await steps({
  '1 Uhuru Academy signs up and is in the app, signed in by OpenID Connect': async () => {
    const { page } = owner;
    const answers = [];
    page.on('response', (response) => answers.push(`${response.request().method()} ${new URL(response.url()).pathname}`));
    await signUp(owner, 'Uhuru Academy', 'Wanjiku Kamau', OWNER, 'kurz');
    await page.locator('form [type=submit]').first().click();
    await page.locator('#password-error').waitFor();
    same(await page.locator('[name=organisation]').inputValue(), 'Uhuru Academy', 'what was typed before the mistake');
    await picture(owner, '01-sign-up-error');
    await page.locator('[name=password]').fill(PASSWORDS.owner);
    await picture(owner, '01-sign-up');
    const began = performance.now();
    await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST' && new URL(response.url()).pathname === '/sign-up'),
      page.locator('form [type=submit]').first().click(),
    ]);
    console.log(`        organisation made in ${Math.round(performance.now() - began)} ms`);
    await signedIn(page);
    check(answers.includes('GET /oauth/authorize') && answers.includes('POST /oauth/token'), 'the app did not sign in by OpenID Connect');
    await page.getByText('Uhuru Academy').first().waitFor();
    await page.getByText('Wanjiku').first().waitFor();
    await nothingSecretKept(page);
    await picture(owner, '02-home-owner');
    ownerToken = await operatorToken('uhuru-academy', OWNER);
    const organisation = await done(ownerToken, '/tenancy/v1/organisation');
    same(
      [organisation.country, organisation.currency, organisation.time_zone, organisation.products, organisation.state],
      ['KE', 'KES', 'Africa/Nairobi', ['school'], 'active'], 'the organisation',
    );
  },

  '2 they sign out and in again at the provider, with the password on its page only': async () => {
    const { page } = owner;
    await page.getByTestId('account-menu').click();
    await page.getByTestId('sign-out').click();
    await page.waitForURL((url) => url.pathname === '/sign-in');
    await page.locator('[name=email]').fill(OWNER);
    await page.locator('[name=password]').fill('nicht das richtige');
    await page.locator('form [type=submit]').first().click();
    await page.getByRole('alert').waitFor();
    await picture(owner, '02-sign-in-error');
    await page.locator('[name=password]').fill(PASSWORDS.owner);
    await page.locator('form [type=submit]').first().click();
    await signedIn(page);
  },

  '3 a class list of 400 pupils is previewed, corrected in place and applied once': async () => {
    const { page } = owner;
    await page.goto(`${origin}/import`);
    await page.getByTestId('import-file').setInputFiles({ name: 'uhuru.csv', mimeType: 'text/csv', buffer: Buffer.from(classList()) });
    await picture(owner, '03-import-start');
    await page.getByTestId('import-upload').click();
    await shows(page, 'import-invalid', '3');
    for (const number of Object.values(MISTAKES)) {
      await page.locator(`[data-testid="import-row-${number}"][data-action="invalid"] .field-error`).first().waitFor();
    }
    await picture(owner, '03-import-errors');
    check(await page.getByTestId('import-apply').isDisabled(), 'a list with mistakes can be applied');
    for (const [number, column, value] of [[MISTAKES.date, 'date_of_birth', '2017-02-28'], [MISTAKES.name, 'last_name', 'Wafula']]) {
      await page.getByTestId(`import-row-${number}-${column}`).fill(value);
      await page.getByTestId(`import-row-${number}-save`).click();
      await page.locator(`[data-testid="import-row-${number}"][data-action="create"]`).waitFor();
    }
    await shows(page, 'import-invalid', '1');
    same((await done(ownerToken, '/school/v1/students?limit=1')).data, [], 'pupils before applying');
    await page.getByTestId('import-skip').setChecked(true);
    await picture(owner, '03-import-corrected');
    await page.getByTestId('import-apply').dblclick();
    await page.getByTestId('import-result').waitFor();
    await picture(owner, '03-import-result');
    const students = await done(ownerToken, '/school/v1/students?limit=1&count=true');
    same(students.page.total, PUPILS - 1, 'pupils after applying');
    const streams = (await done(ownerToken, '/school/v1/streams?limit=50')).data;
    same(streams.length, STREAMS.length, 'classes');
    sevenEast = streams.find((stream) => stream.name === '7 East').id;
    sevenWest = streams.find((stream) => stream.name === '7 West').id;
    await page.reload();
    await page.getByTestId('import-result').waitFor();
    await page.goto(`${origin}/records/students`);
    await page.getByTestId('resource-search').fill('U0241');
    await page.locator('a[href^="/records/students/"]:visible').nth(1).waitFor();
    await picture(owner, '03-students');
  },

  '4 a teacher and a head teacher are invited and set their passwords by the link': async () => {
    const { page } = owner;
    await page.goto(`${origin}/people`);
    await invite(page, 'Mary Njeri', TEACHER, 'teacher');
    await invite(page, 'Daniel Ochieng', HEAD, 'head_teacher');
    await picture(owner, '04-people');
    await accept(teacher, 'Mary Njeri', TEACHER);
    await accept(head, 'Daniel Ochieng', HEAD);
    await nothingSecretKept(teacher.page);
    await nothingSecretKept(head.page);
    await picture(teacher, '04-home-teacher-no-class');
    await picture(head, '04-home-head');
    const spent = await fetch((await mailTo(TEACHER)).links[0], { redirect: 'manual' });
    check(spent.status >= 400, `an invitation's link works twice: ${spent.status}`);
  },

  '5 the teacher becomes class teacher of 7 East through the records': async () => {
    const { page } = owner;
    await page.goto(`${origin}/records`);
    await picture(owner, '05-records');
    await page.goto(`${origin}/records/staff`);
    await page.getByTestId('resource-new').click();
    await page.locator('[name=name]').fill('Mary Njeri');
    await page.locator('[name=email]').fill(TEACHER);
    await picture(owner, '05-staff-new');
    await page.getByTestId('resource-save').click();
    await page.waitForURL(`${origin}/records/staff`);
    await page.goto(`${origin}/records/streams`);
    await page.getByRole('link', { name: '7 East' }).filter({ visible: true }).click();
    const picker = page.getByRole('combobox', { name: 'Class teacher' });
    await picker.click();
    await picker.fill('Mary');
    await page.getByRole('option', { name: 'Mary Njeri' }).click();
    await picture(owner, '05-stream');
    await page.getByTestId('resource-save').click();
    await page.waitForURL(`${origin}/records/streams`);
    await picture(owner, '05-streams');
  },

  '6 the head teacher opens the dashboard': async () => {
    const { page } = head;
    dashboardFrames = [];
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => {
      if (String(payload).includes('school.attendance.marked')) dashboardFrames.push(String(payload));
    }));
    await page.goto(`${origin}/dashboard`);
    await state(page, 'dash-live', 'live');
    await shows(page, 'dash-registers-taken', `0/${STREAMS.length}`);
    await picture(head, '06-dashboard-empty');
    // The same document from here on: what it shows is written down as it changes.
    await page.evaluate(() => {
      window.absentShown = [];
      const look = () => {
        const found = document.querySelector('[data-testid="dash-absent"]')?.textContent?.trim();
        if (found !== undefined && found !== window.absentShown.at(-1)) window.absentShown.push(found);
      };
      look();
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
  },

  '7 the teacher marks the class on a phone and saves once': async () => {
    const { page } = teacher;
    await page.goto(origin);
    await page.getByTestId('register-card-7 East').waitFor();
    same(await page.locator('[data-testid^="register-card-"]').count(), 1, 'classes that the teacher sees');
    await picture(teacher, '07-home-teacher');
    await page.getByTestId('register-card-7 East').tap();
    await state(page, 'register-state', 'new');
    same(await page.locator('[data-testid^="register-pupil-"]').count(), 20, 'pupils of 7 East');
    await picture(teacher, '07-register-new');
    await tap(page, 'U0241', 'absent');
    await tap(page, 'U0242', 'absent');
    await tap(page, 'U0242', 'late');
    for (const code of ['absent', 'late', 'present']) await tap(page, 'U0243', code);
    await page.getByRole('listitem').filter({ has: pupil(page, 'U0244') }).getByRole('button').last().tap();
    await page.getByRole('radio', { name: 'Excused' }).check();
    await page.getByRole('dialog').getByRole('textbox').fill('Clinic');
    await picture(teacher, '07-register-more');
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).tap();
    await page.locator('[data-testid="register-counts"][data-present="17"][data-absent="1"][data-late="1"][data-excused="1"]').waitFor();
    await picture(teacher, '07-register-marked');
    await page.getByTestId('register-save').tap();
    await state(page, 'register-state', 'sent');
    await picture(teacher, '07-register-sent');
    same(teacher.posts.length, 1, 'requests for one save');
    const sheet = await sheetOf('morning');
    same([sheet.version, sheet.counts], [1, { enrolled: 20, present: 17, absent: 1, late: 1, excused: 1 }], 'the register on the server');
    same(sheet.taken_by, 'Mary Njeri', 'who took it');
  },

  '8 the dashboard shows it without a reload': async () => {
    const { page } = head;
    await shows(page, 'dash-registers-taken', `1/${STREAMS.length}`);
    await shows(page, 'dash-absent', '1');
    await shows(page, 'dash-late', '1');
    await shows(page, 'dash-excused', '1');
    await page.locator('[data-testid="dash-stream-7 East"][data-taken="yes"]').waitFor();
    same(await page.evaluate(() => window.absentShown), ['0', '1'], 'what the dashboard showed');
    same(dashboardFrames.length, 1, 'events that the dashboard received');
    await picture(head, '08-dashboard-live');
  },

  '9 without a network the teacher goes on, and a reload loses nothing': async () => {
    const { page, context } = teacher;
    await page.evaluate(() => navigator.serviceWorker.ready);
    await until('the service worker has the page', () => page.evaluate(() => navigator.serviceWorker.controller !== null));
    await context.setOffline(true);
    await state(page, 'connection-state', 'offline');
    await tap(page, 'U0245', 'absent');
    await page.getByTestId('register-save').tap();
    await state(page, 'register-state', 'waiting');
    await shows(page, 'queue-count', '1');
    await picture(teacher, '09-register-waiting');
    await page.reload();
    await state(page, 'register-state', 'waiting');
    await page.locator('[data-testid="register-pupil-U0245"][data-code="absent"]').waitFor();
    await page.locator('[data-testid="register-pupil-U0244"][data-code="excused"]').waitFor();
    await page.locator('header select').selectOption('afternoon');
    await state(page, 'register-state', 'new');
    await tap(page, 'U0246', 'absent');
    await page.getByTestId('register-save').tap();
    await state(page, 'register-state', 'waiting');
    await shows(page, 'queue-count', '2');
    await page.reload();
    await shows(page, 'queue-count', '2');
    await state(page, 'register-state', 'waiting');
    await picture(teacher, '09-afternoon-waiting');
    await page.goto(`${origin}/queue`);
    await page.locator('[data-testid="queue-item"][data-state="waiting"]').nth(1).waitFor();
    await picture(teacher, '09-queue');
    same((await sheetOf('morning')).version, 1, 'the register while the phone is offline');
  },

  '10 back in the network everything is sent once; the cut-off dashboard catches up and shows it once': async () => {
    const { page, context } = teacher;
    tunnel.cut();
    await state(head.page, 'dash-live', 'lost');
    await picture(head, '10-dashboard-lost');
    teacher.posts.length = 0;
    await context.setOffline(false);
    await page.locator('[data-testid="queue-item"][data-state="sent"]').nth(1).waitFor();
    await page.getByTestId('queue-count').waitFor({ state: 'detached' });
    await picture(teacher, '10-queue-sent');
    const keys = teacher.posts.map((request) => request.headers()['idempotency-key']);
    same([keys.length, new Set(keys).size], [2, 2], 'requests after the network came back');
    const [morning, afternoon] = [await sheetOf('morning'), await sheetOf('afternoon')];
    same([morning.version, morning.counts.absent], [2, 2], 'the morning register');
    same([afternoon.version, afternoon.counts.absent], [1, 1], 'the afternoon register');
    await shows(head.page, 'dash-absent', '1');
    dashboardFrames.length = 0;
    tunnel.mend();
    await state(head.page, 'dash-live', 'live');
    await shows(head.page, 'dash-absent', '2');
    await until('the list of absentees follows', async () => (await text(head.page, 'dash-absentees')).includes(nameOf(morning, 'U0245')));
    same(await head.page.evaluate(() => window.absentShown), ['0', '1', '2'], 'what the dashboard showed');
    await shows(head.page, 'dash-registers-taken', `1/${STREAMS.length}`);
    const caughtUp = dashboardFrames.map((frame) => /"sequence":(\d+)/.exec(frame)?.[1]);
    same(caughtUp.length, new Set(caughtUp).size, 'events received twice');
    await picture(head, '10-dashboard-caught-up');
  },

  '11 the teacher does not reach another class': async () => {
    const { page } = teacher;
    await page.goto(`${origin}/registers/${sevenWest}`);
    await page.getByRole('alert').filter({ hasText: 'This was not found' }).waitFor();
    same(await page.locator('[data-testid^="register-pupil-"]').count(), 0, 'pupils of another class on the screen');
    await picture(teacher, '11-other-class');
    const token = await operatorToken('uhuru-academy', TEACHER);
    same((await api(token, `/school/v1/register-sheets/${sevenWest}`)).status, 404, "another class's sheet");
    const body = { stream_id: sevenWest, date: (await sheetOf('morning')).date, default: 'present', exceptions: [] };
    const answer = await api(token, '/school/v1/attendance-registers', { method: 'POST', body, headers: { 'Idempotency-Key': '"another-class-1"' } });
    same(answer.status, 404, "taking another class's register");
    const students = await done(token, '/school/v1/students?limit=200');
    same(students.data.length, 20, 'pupils that the teacher can read');
    same((await api(token, `/school/v1/attendance-days/${body.date}`)).status, 403, "the whole school's day");
  },

  '12 a guardian sees only its own child': async () => {
    await owner.page.goto(`${origin}/people`);
    await invite(owner.page, 'Parent Njoroge', GUARDIAN, 'guardian');
    await accept(guardian, 'Parent Njoroge', GUARDIAN);
    await guardian.page.getByTestId('child-U0241').waitFor();
    same(await guardian.page.locator('[data-testid^="child-"]').count(), 1, 'children on the screen');
    await until('the child is absent today', async () => /absent/i.test(await text(guardian.page, 'child-U0241')));
    await picture(guardian, '12-home-guardian');
    const token = await operatorToken('uhuru-academy', GUARDIAN);
    const students = (await done(token, '/school/v1/students?limit=200')).data;
    same(students.map((student) => student.admission_number), ['U0241'], 'pupils that the guardian can read');
    const others = (await done(ownerToken, '/school/v1/students?limit=2&admission_number=U0242')).data;
    same((await api(token, `/school/v1/students/${others[0].id}`)).status, 404, "another family's child");
    same((await api(token, `/school/v1/attendance-marks?student=${others[0].id}`)).body.data ?? [], [], "another child's marks");
    const sheet = await api(token, `/school/v1/register-sheets/${sevenEast}`);
    check([403, 404].includes(sheet.status), `the class's register answers a guardian with ${sheet.status}`);
  },

  '13 the owner of another organisation sees nothing of it': async () => {
    const { page } = stranger;
    await signUp(stranger, 'Nyota Primary', 'Baraka Mushi', 'baraka@nyota.example', PASSWORDS.other);
    await page.locator('form [type=submit]').first().click();
    await signedIn(page);
    const student = (await done(ownerToken, '/school/v1/students?limit=1')).data[0];
    await page.goto(`${origin}/records/students/${student.id}`);
    await page.getByRole('alert').waitFor();
    check(!(await page.locator('main').textContent()).includes(student.admission_number), "another organisation's pupil is on the screen");
    await picture(stranger, '13-other-organisation');
    await page.goto(`${origin}/dashboard`);
    await shows(page, 'dash-registers-taken', '0/0');
    await picture(stranger, '13-dashboard-nothing');
    const token = await operatorToken('nyota-primary', 'baraka@nyota.example');
    same((await done(token, '/school/v1/students?limit=1')).data, [], 'pupils of the other organisation');
    for (const path of [`/school/v1/students/${student.id}`, `/school/v1/streams/${sevenEast}`, `/school/v1/register-sheets/${sevenEast}`]) {
      same((await api(token, path)).status, 404, path);
    }
  },

  '14 settings, the account menu and Swahili': async () => {
    const { page } = owner;
    await page.goto(`${origin}/settings`);
    await page.getByRole('button', { name: 'Save' }).waitFor();
    await picture(owner, '14-settings');
    await page.getByTestId('account-menu').click();
    await page.getByRole('button', { name: 'Kiswahili' }).click();
    await until('the page is in Swahili', () => page.evaluate(() => document.documentElement.lang === 'sw'));
    await picture(owner, '14-account-menu');
    await page.goto(`${origin}/dashboard`);
    await state(page, 'dash-live', 'live');
    await shows(page, 'dash-absent', '2');
    await picture(owner, '14-dashboard-swahili');
  },

  'nothing went wrong inside the pages': async () => {
    for (const { page } of people) await nothingSecretKept(page);
    same(faults, [], 'errors in the browsers');
    // Two organisations, one sign-in, three invitations: the watch over passwords did see them.
    same(passwordsTyped, 6, 'passwords sent to the provider');
  },
}, {
  onFailure: async () => {
    for (const { name, page } of people) {
      console.log(`--- ${name}: ${page.url()}`);
      console.log((await page.locator('body').innerText({ timeout: 1000 }).catch(() => '')).slice(0, 1500));
      if (pictures) await page.screenshot({ path: `${pictures}/failed-${name}.png` }).catch(() => undefined);
    }
    console.log(`--- errors in the browsers: ${JSON.stringify(faults, null, 1)}`);
  },
  always: async () => {
    tunnel.close();
    await browser.close();
  },
});

function nameOf(sheet, number) {
  return sheet.pupils.find((one) => one.admission_number === number).name;
}
