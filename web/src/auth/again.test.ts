import { beforeEach, describe, expect, it, vi } from 'vitest';
import { again, type Kept } from './again.svelte';
import type { Profile } from './profile';

const profile = { subject: 'a', organisation: 'o' } as Profile;
const kept: Kept = { path: '/x', options: { method: 'POST', body: { reason: 'lost' } }, subject: 'a', organisation: 'o', at: 1_000 };

describe('a change that waits for a sign-in', () => {
  beforeEach(() => {
    const store = new Map<string, string>();
    vi.stubGlobal('sessionStorage', {
      getItem: (key: string) => store.get(key) ?? null,
      setItem: (key: string, value: string) => store.set(key, value),
      removeItem: (key: string) => store.delete(key),
    });
  });

  it('is there once', () => {
    again.keep(kept);
    expect(again.take(profile, 2_000)).toEqual(kept);
    expect(again.take(profile, 2_000)).toBeNull();
  });

  it('is sent in nobody else’s name, and not when it is old', () => {
    again.keep(kept);
    expect(again.take({ ...profile, subject: 'b' }, 2_000)).toBeNull();
    again.keep(kept);
    expect(again.take({ ...profile, organisation: 'p' }, 2_000)).toBeNull();
    again.keep(kept);
    expect(again.take(profile, 1_000 + 15 * 60_000)).toBeNull();
  });

  it('asks one question at a time', async () => {
    const first = again.ask();
    const second = again.ask();
    again.question?.(true);
    expect([await first, await second, again.question]).toEqual([false, true, null]);
  });
});
