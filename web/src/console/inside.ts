// An operator in an organisation that let them in: the organisations' own application, with tokens by the consent.
import { session, type Support } from '../auth/session.svelte';
import { operator, post } from './session.svelte';

export async function enter(support: Support): Promise<void> {
  await operator.start();
  if (operator.status !== 'signed_in') return session.leaveSupport();
  const source = () => post<{ access_token: string }>('/identity/v1/support-tokens', { grant_id: support.grant });
  await session.startSupport(support, async () => (await source()).access_token);
}
