// The offline queue's rules as pure functions: whose an item is, what may be sent when, and what an answer means.
import type { ProblemBody, RegisterBody, RegisterResult, Sheet } from '../api/contract';
import type { Marks } from '../register/marks';

/** waiting: not yet answered · sent · stale: somebody else saved first · rejected: the server named a mistake. */
export type ItemState = 'waiting' | 'sent' | 'stale' | 'rejected';

export interface QueueItem {
  /** UUIDv7; also the order in which items are sent. */
  id: string;
  idempotency_key: string;
  organisation: string;
  subject: string;
  register: RegisterName;
  /** Fixed from the first attempt on: the key must always go with the same body. */
  body: RegisterBody;
  /** The marks that the work began with, for the proposals of a merge. */
  before: Marks;
  state: ItemState;
  created_at: string;
  attempts: number;
  next_attempt_ms: number;
  last_problem: ProblemBody | null;
  current: Sheet | null;
  result: RegisterResult | null;
  finished_at: string | null;
}
export interface RegisterName { stream_id: string; title: string; date: string; roll_call: 'morning' | 'afternoon' }
export interface Owner { organisation: string; subject: string }

export type Outcome =
  | { kind: 'answered'; result: RegisterResult }
  | { kind: 'problem'; problem: ProblemBody; retry_after_s: number | null }
  | { kind: 'no_answer' };

const BACK_OFF_FIRST_MS = 2_000;
const BACK_OFF_MAX_MS = 5 * 60_000;
const KEEP_SENT_MS = 2 * 24 * 3_600_000;

export function newItem(
  owner: Owner, register: RegisterName, body: RegisterBody, before: Marks, now_ms: number, makeId: () => string,
): QueueItem {
  return {
    id: makeId(), idempotency_key: makeId(), ...owner, register, body, before,
    state: 'waiting', created_at: new Date(now_ms).toISOString(), attempts: 0, next_attempt_ms: 0,
    last_problem: null, current: null, result: null, finished_at: null,
  };
}

export const isOwn = (item: QueueItem, owner: Owner): boolean =>
  item.organisation === owner.organisation && item.subject === owner.subject;

const sameRegister = (a: RegisterName, b: RegisterName): boolean =>
  a.stream_id === b.stream_id && a.date === b.date && a.roll_call === b.roll_call;

/**
 * Adds a saved register. Items of the same register that surely had no effect (never tried, stale, rejected) give way;
 * one that was tried may have arrived, so it stays and goes first.
 */
export function enqueue(items: QueueItem[], item: QueueItem): { add: QueueItem; drop: string[] } {
  const drop = items
    .filter((old) => isOwn(old, item) && sameRegister(old.register, item.register))
    .filter((old) => old.state === 'stale' || old.state === 'rejected' || (old.state === 'waiting' && old.attempts === 0))
    .map((old) => old.id);
  return { add: item, drop };
}

/** The next item that this owner may send now: oldest first, and never past an earlier one of the same register. */
export function nextToSend(items: QueueItem[], owner: Owner, now_ms: number): QueueItem | null {
  const own = byAge(items.filter((item) => isOwn(item, owner) && item.state === 'waiting'));
  return (
    own.find(
      (item, index) =>
        item.next_attempt_ms <= now_ms && !own.slice(0, index).some((earlier) => sameRegister(earlier.register, item.register)),
    ) ?? null
  );
}

/** Milliseconds until something can be tried again, or null when nothing of this owner waits. */
export function nextAttemptIn(items: QueueItem[], owner: Owner, now_ms: number): number | null {
  const times = items.filter((item) => isOwn(item, owner) && item.state === 'waiting').map((item) => item.next_attempt_ms);
  return times.length === 0 ? null : Math.max(0, Math.min(...times) - now_ms);
}

/** Counted and stored before the request leaves, so that a crash in between is known as "may have arrived". */
export function beginAttempt(item: QueueItem, now_ms: number): QueueItem {
  const attempts = item.attempts + 1;
  const wait_ms = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** (attempts - 1));
  return { ...item, attempts, next_attempt_ms: now_ms + wait_ms };
}

export function applyOutcome(item: QueueItem, outcome: Outcome, now_ms: number): QueueItem {
  const finished_at = new Date(now_ms).toISOString();
  if (outcome.kind === 'answered') {
    return { ...item, state: 'sent', result: outcome.result, last_problem: null, current: null, finished_at };
  }
  if (outcome.kind === 'no_answer') return { ...item, last_problem: null };
  const { problem, retry_after_s } = outcome;
  if (isTemporary(problem)) {
    const asked_ms = retry_after_s === null ? 0 : now_ms + retry_after_s * 1000;
    return { ...item, last_problem: problem, next_attempt_ms: Math.max(item.next_attempt_ms, asked_ms) };
  }
  const state = problem.status === 412 ? 'stale' : 'rejected';
  return { ...item, state, last_problem: problem, current: (problem.current as Sheet | undefined) ?? null, finished_at };
}

/** A later save of the same register, never tried yet, goes on from the version that the earlier one made. */
export function followers(items: QueueItem[], sent: QueueItem): QueueItem[] {
  if (sent.state !== 'sent' || !sent.result) return [];
  const { id, version } = sent.result;
  return items
    .filter((item) => item.id > sent.id && isOwn(item, sent) && item.state === 'waiting' && item.attempts === 0)
    .filter((item) => sameRegister(item.register, sent.register))
    .map((item) => ({ ...item, body: { ...item.body, id, base_version: version } }));
}

/** "Try again" by hand: a rejected request gets a new key, because its old one answers with the stored refusal. */
export function retryNow(item: QueueItem, makeId: () => string): QueueItem {
  if (item.state === 'sent' || item.state === 'stale') return item;
  const renewed = item.state === 'rejected' ? { idempotency_key: makeId(), attempts: 0 } : {};
  return { ...item, ...renewed, state: 'waiting', next_attempt_ms: 0, last_problem: null, finished_at: null };
}

export function expired(items: QueueItem[], now_ms: number): string[] {
  return items
    .filter((item) => item.state === 'sent' && now_ms - Date.parse(item.finished_at ?? item.created_at) > KEEP_SENT_MS)
    .map((item) => item.id);
}

/** The newest item of a register, which is what its screen shows. */
export function latestOf(items: QueueItem[], owner: Owner, register: RegisterName): QueueItem | null {
  return byAge(items.filter((item) => isOwn(item, owner) && sameRegister(item.register, register))).at(-1) ?? null;
}

export const byAge = (items: QueueItem[]): QueueItem[] => [...items].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));

/** Still running (409 with the same key), too many requests, no valid token, or the server is away: all pass by themselves. */
function isTemporary(problem: ProblemBody): boolean {
  return problem.status === 401 || problem.status === 408 || problem.status === 409 || problem.status === 429 || problem.status >= 500;
}
