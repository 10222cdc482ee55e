// Starts the application: appearance and language first, then sign-in, with the screens drawn meanwhile.
import './ui/app.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { session, supportOfThisTab } from './auth/session.svelte';
import { i18n } from './i18n/index.svelte';
import { connection } from './lib/connection.svelte';
import { router } from './lib/router.svelte';
import { forgetOldSheets } from './offline/pages';
import { outbox } from './offline/outbox.svelte';
import { startTheme } from './ui/theme';

async function start(): Promise<void> {
  startTheme();
  await i18n.start();
  router.start();
  connection.start();
  // The page of the people who run the platform is an application of its own, with a sign-in of its own.
  if (/^\/console(\/|$)/.test(location.pathname)) return (await import('./console/start')).start();
  mount(App, { target: document.getElementById('app')! });
  // Before the sign-in, which may take long on a bad network: a register shows what waits to be sent.
  await outbox.start();
  const support = supportOfThisTab.get();
  const cameBack = location.pathname === '/callback';
  await (support ? (await import('./console/inside')).enter(support) : session.start());
  if (cameBack) await (await import('./auth/repeat')).repeatKept();
  await forgetOldSheets(Date.now());
  // Without the person's consent the browser may clear kept registers when the phone is full; asking costs nothing.
  await navigator.storage?.persist?.();
}

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  window.addEventListener('load', () => void navigator.serviceWorker.register('/sw.js'));
}
// Served for the renewal frame's address too, should the server answer it with this page.
if (location.pathname === '/silent-callback') void import('./auth/silent-callback');
else void start();
