// Keeps the application's own files on the phone, so that it opens without a network; the API is never kept.
declare const __PRECACHE__: string[];
declare const __VERSION__: string;

// The compiler knows this file as a page's script; here it is the worker.
const worker = self as unknown as ServiceWorkerGlobalScope;

const CACHE = `hitaji-${__VERSION__}`;
// What the server answers itself; only the application's own addresses get its page. The renewal frame needs the
// server's own framing headers, and a network anyway.
const SERVER = /^\/(silent-callback|oauth|sign-|invitations|forgot-password|reset-password|\.well-known|docs|socket\.io|openapi\.json|livez|readyz|[a-z-]+\/v\d+\/|[a-z-]+\/openapi\.json)/;

worker.addEventListener('install', (event) => {
  // Straight from the server: a file name without a hash may be in the browser's own cache.
  const files = __PRECACHE__.map((file) => new Request(file, { cache: 'reload' }));
  // No skipWaiting: an open page keeps the version it started with.
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)));
});

worker.addEventListener('activate', (event) => {
  const old = (names: string[]) => names.filter((name) => name.startsWith('hitaji-') && name !== CACHE);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => worker.clients.claim()),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== worker.location.origin || SERVER.test(url.pathname)) return;
  if (request.mode === 'navigate') {
    event.respondWith(caches.match('/index.html').then((kept) => kept ?? fetch(request)));
  } else if (__PRECACHE__.includes(url.pathname)) {
    event.respondWith(caches.match(url.pathname).then((kept) => kept ?? fetch(request)));
  }
});
