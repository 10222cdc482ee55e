// The queue is never sent as somebody else, keeps its key, and sends once in order.
import { describe, expect, it } from 'vitest';
import type { RegisterBody, RegisterResult } from '../api/contract';
import {
  applyOutcome, beginAttempt, enqueue, expired, followers, latestOf, newItem, nextAttemptIn, nextToSend, retryNow, type QueueItem,
} from './queue';

const teacher = { organisation: 'org-1', subject: 'amina' };
const register = { stream_id: 's7e', title: '7 East', date: '2026-05-12', roll_call: 'morning' as const };
const body: RegisterBody = {
  id: 'r1', stream_id: 's7e', date: '2026-05-12', roll_call: 'morning', default: 'present',
  exceptions: [{ student_id: 'p1', code: 'absent' }], base_version: 0,
};
const result: RegisterResult = {
  id: 'r-server', stream: { id: 's7e', title: '7 East' }, date: register.date, roll_call: 'morning', version: 3,
  counts: { enrolled: 40, present: 39, absent: 1, late: 0, excused: 0 }, rate: '97.50', changed: 40,
  taken_at: '2026-05-12T05:14:00Z', taken_by: 'Amina',
};
let counter = 0;
const makeId = () => `id-${String(++counter).padStart(4, '0')}`;
const item = (owner = teacher, of = register) => newItem(owner, of, body, {}, 1_000, makeId);

describe('ownership', () => {
  it('sends only what belongs to this subject in this organisation', () => {
    const mine = item();
    const items = [item({ organisation: 'org-1', subject: 'juma' }), item({ organisation: 'org-2', subject: 'amina' }), mine];
    expect(nextToSend(items, teacher, 2_000)).toBe(mine);
    expect(nextToSend(items.slice(0, 2), teacher, 2_000)).toBeNull();
    expect(nextAttemptIn(items.slice(0, 2), teacher, 2_000)).toBeNull();
  });
  it("does not replace another subject's save of the same register", () => {
    expect(enqueue([item({ organisation: 'org-1', subject: 'juma' })], item()).drop).toEqual([]);
  });
});

describe('sending', () => {
  it('keeps key and body over every attempt', () => {
    let current = item();
    const { idempotency_key } = current;
    for (let attempt = 1; attempt <= 4; attempt++) {
      current = applyOutcome(beginAttempt(current, 0), { kind: 'no_answer' }, 0);
      expect(current).toMatchObject({ idempotency_key, body, state: 'waiting', attempts: attempt });
    }
  });
  it('is not sent again once answered', () => {
    const sent = applyOutcome(beginAttempt(item(), 0), { kind: 'answered', result }, 5);
    expect(sent.state).toBe('sent');
    expect(nextToSend([sent], teacher, 1e12)).toBeNull();
    expect(retryNow(sent, makeId)).toBe(sent);
  });
  it('backs off 2 s, 4 s, 8 s … up to five minutes', () => {
    let current = item();
    const waits = Array.from({ length: 12 }, () => (current = beginAttempt(current, 0)).next_attempt_ms);
    expect(waits.slice(0, 3)).toEqual([2_000, 4_000, 8_000]);
    expect(Math.max(...waits)).toBe(300_000);
    expect(nextToSend([current], teacher, 299_999)).toBeNull();
    expect(nextToSend([current], teacher, 300_000)).toBe(current);
  });
  it('honours Retry-After when it is longer', () => {
    const problem = { status: 503, code: 'unavailable' };
    const waiting = applyOutcome(beginAttempt(item(), 0), { kind: 'problem', problem, retry_after_s: 60 }, 0);
    expect(waiting).toMatchObject({ state: 'waiting', next_attempt_ms: 60_000 });
  });
  it.each([[401, 'waiting'], [409, 'waiting'], [429, 'waiting'], [500, 'waiting'], [412, 'stale'], [422, 'rejected'], [403, 'rejected'], [404, 'rejected']])(
    'answer %i makes it %s', (status, state) => {
      const outcome = { kind: 'problem' as const, problem: { status, code: 'x' }, retry_after_s: null };
      expect(applyOutcome(beginAttempt(item(), 0), outcome, 0).state).toBe(state);
    });
});

describe('two saves of one register', () => {
  it('replaces a save that was never tried', () => {
    const first = item();
    expect(enqueue([first], item()).drop).toEqual([first.id]);
  });
  it('keeps a save that may have arrived, and sends it first', () => {
    const tried = beginAttempt(item(), 0);
    const second = item();
    expect(enqueue([tried], second).drop).toEqual([]);
    expect(nextToSend([second, tried], teacher, 1_000)).toBeNull();
    expect(nextToSend([second, tried], teacher, 2_000)).toBe(tried);
  });
  it('bases the later save on the version the earlier one made', () => {
    const sent = applyOutcome(beginAttempt(item(), 0), { kind: 'answered', result }, 0);
    const second = item();
    const other = item(teacher, { ...register, date: '2026-05-13' });
    const changed = followers([sent, second, other], sent);
    expect(changed.map((i: QueueItem) => i.id)).toEqual([second.id]);
    expect(changed[0]!.body).toMatchObject({ id: 'r-server', base_version: 3 });
  });
  it('never changes the body of a save that was tried', () => {
    const first = item();
    const second = beginAttempt(item(), 0);
    const sent = applyOutcome(first, { kind: 'answered', result }, 0);
    expect(followers([sent, second], sent)).toEqual([]);
  });
  it('shows the newest', () => {
    const first = item();
    const second = item();
    expect(latestOf([second, first], teacher, register)).toBe(second);
  });
});

describe('by hand', () => {
  it('gives a rejected save a new key but keeps the key of one that only waits', () => {
    const waiting = beginAttempt(item(), 0);
    expect(retryNow(waiting, makeId)).toMatchObject({ idempotency_key: waiting.idempotency_key, next_attempt_ms: 0 });
    const refusal = { kind: 'problem' as const, problem: { status: 422, code: 'closed_day' }, retry_after_s: null };
    const rejected = applyOutcome(waiting, refusal, 0);
    expect(retryNow(rejected, makeId).idempotency_key).not.toBe(rejected.idempotency_key);
  });
  it('forgets sent items after two days and waiting ones never', () => {
    const sent = applyOutcome(item(), { kind: 'answered', result }, 0);
    expect(expired([sent, item()], 49 * 3_600_000)).toEqual([sent.id]);
  });
});
