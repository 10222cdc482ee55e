// The offline queue at work: keeps items in the browser's database and sends each once, from one tab at a time.
import { request } from '../api/client';
import { NetworkError, Problem } from '../api/problem';
import type { RegisterBody, RegisterResult } from '../api/contract';
import { session } from '../auth/session.svelte';
import { idb } from '../lib/idb';
import { uuidv7 } from '../lib/uuid';
import type { Marks } from '../register/marks';
import {
  applyOutcome, beginAttempt, byAge, enqueue, expired, followers, isOwn, latestOf, newItem, nextAttemptIn, nextToSend, retryNow,
  type Outcome, type Owner, type QueueItem, type RegisterName,
} from './queue';

class Outbox {
  items = $state.raw<QueueItem[]>([]);
  sendingId = $state<string | null>(null);
  #channel = new BroadcastChannel('hitaji-queue');
  #timer: ReturnType<typeof setTimeout> | undefined;

  get owner(): Owner | null { return session.profile }
  get own(): QueueItem[] { return this.owner ? byAge(this.items.filter((item) => isOwn(item, this.owner!))).reverse() : [] }
  get unfinished(): QueueItem[] { return this.own.filter((item) => item.state !== 'sent') }
  /** Another person's saves wait on this phone for that person to sign in. */
  get foreignCount(): number {
    return this.items.filter((item) => item.state !== 'sent' && (!this.owner || !isOwn(item, this.owner))).length;
  }

  async start(): Promise<void> {
    this.#channel.onmessage = () => void this.#read();
    session.onToken(() => void this.flush());
    window.addEventListener('online', () => void this.flush({ hurry: true }));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void this.flush();
    });
    await this.#read();
    for (const id of expired(this.items, Date.now())) await this.#remove(id);
    await this.flush();
  }

  latest(register: RegisterName): QueueItem | null {
    return this.owner ? latestOf(this.items, this.owner, register) : null;
  }

  /** Resolves when the save is safe on the phone; sending goes on by itself. */
  async save(register: RegisterName, body: RegisterBody, before: Marks): Promise<void> {
    const profile = session.profile;
    if (!profile) throw new Error('Nobody is signed in.');
    const { organisation, subject } = profile;
    const { add, drop } = enqueue(this.items, newItem({ organisation, subject }, register, body, before, Date.now(), uuidv7));
    await idb.put('queue', add.id, add);
    for (const id of drop) await idb.remove('queue', id);
    await this.#changed();
    void this.flush();
  }

  async retry(id: string): Promise<void> {
    const item = this.items.find((one) => one.id === id);
    if (item) await this.#put(retryNow(item, uuidv7));
    await this.flush();
  }

  async remove(id: string): Promise<void> {
    await this.#remove(id);
  }

  /** Sends what may be sent now; `hurry` does not wait for the back-off, because the network has just come back. */
  async flush(options: { hurry?: boolean } = {}): Promise<void> {
    clearTimeout(this.#timer);
    if (session.status === 'signed_in') {
      // Another tab that holds the lock is sending already and will tell this one.
      await withLock(() => this.#sendAll(options.hurry ? Number.MAX_SAFE_INTEGER : null));
    }
    const wait_ms = this.owner ? nextAttemptIn(this.items, this.owner, Date.now()) : null;
    if (wait_ms !== null) this.#timer = setTimeout(() => void this.flush(), Math.max(wait_ms, 1_000));
  }

  async #sendAll(pretend_now_ms: number | null): Promise<void> {
    const tried = new Set<string>();
    for (;;) {
      await this.#read();
      if (session.status !== 'signed_in' || !session.profile) return;
      const item = nextToSend(this.items, session.profile, pretend_now_ms ?? Date.now());
      if (!item || tried.has(item.id)) return;
      tried.add(item.id);
      await this.#send(item);
    }
  }

  async #send(item: QueueItem): Promise<void> {
    const begun = beginAttempt(item, Date.now());
    await this.#put(begun);
    this.sendingId = item.id;
    try {
      const after = applyOutcome(begun, await answerTo(begun), Date.now());
      await this.#put(after);
      for (const follower of followers(this.items, after)) await this.#put(follower);
    } finally {
      this.sendingId = null;
    }
  }

  async #put(item: QueueItem): Promise<void> {
    await idb.put('queue', item.id, item);
    await this.#changed();
  }

  async #remove(id: string): Promise<void> {
    await idb.remove('queue', id);
    await this.#changed();
  }

  async #changed(): Promise<void> {
    this.#channel.postMessage('changed');
    await this.#read();
  }

  async #read(): Promise<void> {
    this.items = await idb.all<QueueItem>('queue');
  }
}

async function answerTo(item: QueueItem): Promise<Outcome> {
  try {
    const answer = await request<RegisterResult>('/school/v1/attendance-registers', {
      method: 'POST', body: item.body, idempotencyKey: item.idempotency_key,
    });
    return { kind: 'answered', result: answer.body };
  } catch (error) {
    if (error instanceof Problem) return { kind: 'problem', problem: error.body, retry_after_s: error.retryAfterSeconds };
    if (error instanceof NetworkError) return { kind: 'no_answer' };
    throw error;
  }
}

async function withLock(work: () => Promise<void>): Promise<void> {
  await navigator.locks.request('hitaji-queue', { ifAvailable: true }, (lock) => (lock ? work() : undefined));
}

export const outbox = new Outbox();
