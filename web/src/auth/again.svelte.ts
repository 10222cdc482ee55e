// A change that asks for a recent sign-in (RFC 9470): the person is asked, signs in again, and the change is sent.
import type { Options } from '../api/client';
import type { Profile } from './profile';

const KEY = 'hitaji.again';
/** What is asked for is a sign-in of the last 15 minutes; who took longer starts over. */
const KEPT_MS = 15 * 60_000;

/** A request that waits in this tab while its person signs in; it goes to nobody else's account or organisation. */
export interface Kept {
  path: string;
  options: Pick<Options, 'method' | 'body' | 'ifMatch' | 'idempotencyKey'>;
  subject: string;
  organisation: string;
  at: number;
}

class Again {
  /** The question that is open. */
  question = $state.raw<((go: boolean) => void) | null>(null);

  /** True when the person wants to sign in again now. */
  ask(): Promise<boolean> {
    this.question?.(false);
    return new Promise((resolve) => {
      this.question = (go) => {
        this.question = null;
        resolve(go);
      };
    });
  }

  keep(kept: Kept): void {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  }

  /** Takes what was kept, if it is this person's and still fresh. It is there once. */
  take(profile: Profile | null, now: number): Kept | null {
    const text = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    const kept = text ? (JSON.parse(text) as Kept) : null;
    const fits = kept && profile && kept.subject === profile.subject && kept.organisation === profile.organisation;
    return fits && now - kept.at < KEPT_MS ? kept : null;
  }
}

export const again = new Again();
