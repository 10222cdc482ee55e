// fetch with a time limit, because a patchy network often leaves a request hanging instead of refusing it.
import { NetworkError } from './problem';

const DEFAULT_LIMIT_MS = 20_000;

export async function fetchWithin(path: string, init: RequestInit, limit_ms = DEFAULT_LIMIT_MS): Promise<Response> {
  const abort = new AbortController();
  const stop = () => abort.abort();
  const timer = setTimeout(stop, limit_ms);
  init.signal?.addEventListener('abort', stop);
  try {
    return await fetch(path, { ...init, signal: abort.signal });
  } catch (error) {
    throw new NetworkError(error);
  } finally {
    clearTimeout(timer);
  }
}
