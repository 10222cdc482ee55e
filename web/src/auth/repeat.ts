// Sends the change for whose sake the person signed in again.
import { request } from '../api/client';
import { t } from '../i18n/index.svelte';
import { explain } from '../lib/explain';
import { toast } from '../ui/toast.svelte';
import { again } from './again.svelte';
import { session } from './session.svelte';

export async function repeatKept(): Promise<void> {
  const kept = session.status === 'signed_in' ? again.take(session.profile, Date.now()) : null;
  if (!kept) return;
  try {
    await request(kept.path, kept.options);
    toast.show(t('again_done'));
  } catch (error) {
    const words = explain(error);
    toast.show([words.title, words.advice, ...words.fields].filter(Boolean).join(' · '));
  }
}
