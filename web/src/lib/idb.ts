// The browser's database: a few typed stores over IndexedDB, opened once.

export type StoreName = 'profile' | 'sheets' | 'drafts' | 'queue';
const STORES: StoreName[] = ['profile', 'sheets', 'drafts', 'queue'];

let opened: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  opened ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open('hitaji', 1);
    request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name));
    request.onsuccess = () => {
      // A newer version of the application in another tab may need to change the stores.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  opened.catch(() => (opened = null));
  return opened;
}

async function run<T>(name: StoreName, mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const transaction = (await open()).transaction(name, mode);
  const request = work(transaction.objectStore(name));
  return new Promise((resolve, reject) => {
    // Resolved when the transaction is complete, not when the request is: only then is a write safe.
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const idb = {
  get: <T>(store: StoreName, key: string) => run<T | undefined>(store, 'readonly', (s) => s.get(key)),
  all: <T>(store: StoreName) => run<T[]>(store, 'readonly', (s) => s.getAll()),
  // Svelte's reactive proxies cannot be cloned into the database; everything we keep is plain JSON.
  put: (store: StoreName, key: string, value: unknown) =>
    run(store, 'readwrite', (s) => s.put(JSON.parse(JSON.stringify(value)), key)),
  remove: (store: StoreName, key: string) => run(store, 'readwrite', (s) => s.delete(key)),
  clear: (store: StoreName) => run(store, 'readwrite', (s) => s.clear()),
};
