// The last known account and organisation, kept so that the installed application opens without a network.
import type { Me } from '../api/contract';
import { idb } from '../lib/idb';

/** Names and ids only: nothing in it lets anybody act. `subject` and `organisation` are the token's own claims. */
export interface Profile { subject: string; organisation: string; me: Me; saved_at: string }

export const profileStore = {
  load: () => idb.get<Profile>('profile', 'last').catch(() => undefined),
  save: (profile: Profile) => idb.put('profile', 'last', profile),
  clear: () => idb.remove('profile', 'last'),
};

/** The two claims of an access token (RFC 9068) that everything kept on the phone is bound to. */
export function tokenBinding(token: string): { subject: string; organisation: string } {
  const payload = token.split('.')[1] ?? '';
  const json = atob(payload.replace(/-/g, '+').replace(/_/g, '/'));
  const claims = JSON.parse(json) as { sub?: string; org_id?: string };
  if (!claims.sub || !claims.org_id) throw new Error('The access token names no subject or organisation.');
  return { subject: claims.sub, organisation: claims.org_id };
}
