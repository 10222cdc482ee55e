// The one door to the HTTP API: bearer token, time limit, one renewal on 401, problem+json as errors.
import { session } from '../auth/session.svelte';
import { fetchWithin } from './fetch-within';
import { NetworkError, Problem } from './problem';
import type { ProblemBody } from './contract';

const UPLOAD_TIMEOUT_MS = 180_000;

export interface Options {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** A value is sent as JSON; a Blob or text as it is, with `contentType`. */
  body?: unknown;
  contentType?: string;
  ifMatch?: number;
  idempotencyKey?: string;
  /** Files such as a CSV template are not JSON. */
  as?: 'json' | 'text';
  signal?: AbortSignal;
}
export interface Answer<T> { status: number; body: T }

/** In whose name requests are sent: somebody of an organisation, or somebody who runs the platform. */
export interface Authority {
  whenReady(): Promise<void>;
  token(): string | null;
  renew(): Promise<void>;
  /** For what asks for a fresh sign-in: leaves the page and comes back with the request sent, or resolves where the person would rather not. */
  signInAgain?(path: string, options: Options, maxAge_s: number): Promise<void>;
}

export const request = <T>(path: string, options: Options = {}): Promise<Answer<T>> => requestAs<T>(session, path, options);

export async function requestAs<T>(authority: Authority, path: string, options: Options = {}): Promise<Answer<T>> {
  const response = await respond(authority, path, options);
  const text = await readText(response);
  const body: unknown = options.as === 'text' ? text : text === '' ? null : JSON.parse(text);
  return { status: response.status, body: body as T };
}

/** The good answer, whose body nobody has read. */
export async function respond(authority: Authority, path: string, options: Options = {}): Promise<Response> {
  await authority.whenReady();
  let response = await attempt(path, options, authority.token());
  if (response.status === 401) {
    const refused = await problemOf(response);
    // What asks for a fresh sign-in of the person is not helped by a renewal (RFC 9470).
    if (refused.body.max_age !== undefined) {
      await authority.signInAgain?.(path, options, refused.body.max_age);
      throw refused;
    }
    // One renewal, one retry: a token may have expired while the phone slept.
    await authority.renew();
    response = await attempt(path, options, authority.token());
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

async function attempt(path: string, options: Options, token: string | null): Promise<Response> {
  const headers = new Headers({ Accept: options.as === 'text' ? '*/*' : 'application/json' });
  if (token) headers.set('Authorization', `Bearer ${token}`);
  if (options.ifMatch !== undefined) headers.set('If-Match', `"${options.ifMatch}"`);
  if (options.idempotencyKey) headers.set('Idempotency-Key', `"${options.idempotencyKey}"`);
  let body: BodyInit | undefined;
  if (options.contentType) {
    headers.set('Content-Type', options.contentType);
    body = options.body as BodyInit;
  } else if (options.body !== undefined) {
    const patch = options.method === 'PATCH';
    headers.set('Content-Type', patch ? 'application/merge-patch+json' : 'application/json');
    body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
  }
  const limit_ms = options.contentType ? UPLOAD_TIMEOUT_MS : undefined;
  return fetchWithin(path, { method: options.method ?? 'GET', headers, body, signal: options.signal, credentials: 'omit' }, limit_ms);
}

async function readText(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw new NetworkError(error);
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = Number(response.headers.get('Retry-After')) || null;
  const fallback: ProblemBody = { status: response.status, code: `http_${response.status}`, title: response.statusText };
  try {
    const body = JSON.parse(await response.text()) as ProblemBody;
    return new Problem({ ...fallback, ...body, status: response.status }, retryAfter);
  } catch {
    return new Problem(fallback, retryAfter);
  }
}

export const get = async <T>(path: string, signal?: AbortSignal): Promise<T> => (await request<T>(path, { signal })).body;
export const post = async <T>(path: string, body?: unknown, options: Options = {}): Promise<T> =>
  (await request<T>(path, { ...options, method: 'POST', body })).body;
export const patch = async <T>(path: string, body: unknown, ifMatch?: number): Promise<T> =>
  (await request<T>(path, { method: 'PATCH', body, ifMatch })).body;
export const remove = (path: string, ifMatch?: number): Promise<Answer<null>> =>
  request<null>(path, { method: 'DELETE', ifMatch });

/** `?a=1&b=2` of what is set; brackets of operators such as `date[gte]` stay readable. */
export function query(parameters: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}
