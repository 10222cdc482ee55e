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
  // Taking over at once is safe because the version before is kept: an open page still finds its own parts in it.
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(files)).then(() => worker.skipWaiting()));
});

worker.addEventListener('activate', (event) => {
  // Names come in the order of creation; the last of the others is the version before.
  const old = (names: string[]) => names.filter((name) => name.startsWith('hitaji-') && name !== CACHE).slice(0, -1);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => worker.clients.claim()),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== worker.location.origin || SERVER.test(url.pathname)) return;
  if (request.mode === 'navigate') {
    event.respondWith(kept('/index.html', request));
  } else if (__PRECACHE__.includes(url.pathname) || url.pathname.startsWith('/assets/')) {
    event.respondWith(kept(url.pathname, request));
  }
});

/** This version's file, else an older version's (for a page that was open before), else the network's. */
async function kept(path: string, request: Request): Promise<Response> {
  const own = await (await caches.open(CACHE)).match(path);
  return own ?? (await caches.match(path)) ?? fetch(request);
}
