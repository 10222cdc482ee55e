// Turns an error into words for a person: what happened, and what they can do.
import { NetworkError, Problem } from '../api/problem';
import { t } from '../i18n/index.svelte';

export interface Explanation { title: string; advice: string; fields: string[]; reference: string | null; offline: boolean }

export function explain(error: unknown): Explanation {
  if (error instanceof NetworkError) {
    return { title: t('error_network'), advice: t('error_network_advice'), fields: [], reference: null, offline: true };
  }
  if (error instanceof Problem) {
    const server = error.status >= 500;
    return {
      title: titleOf(error),
      advice: adviceOf(error),
      // What a plan refuses is said in full above.
      fields: error.body.quota ? [] : (error.body.errors ?? []).map((one) => one.message),
      reference: server ? (error.body.request_id ?? null) : null,
      offline: false,
    };
  }
  return { title: t('error_unknown'), advice: t('error_unknown_advice'), fields: [], reference: null, offline: false };
}

function titleOf(problem: Problem): string {
  if (problem.code === 'organisation_inactive') return t('error_inactive');
  if (problem.body.quota) return t(`quota_${problem.body.quota.kind}`);
  switch (problem.status) {
    case 403: return t('error_forbidden');
    case 404: return t('error_missing');
    case 412: return t('error_stale');
    case 413: return t('error_too_large');
    case 415: return t('error_wrong_file');
    case 429: return t('error_busy');
    default: return problem.status >= 500 ? t('error_server') : (problem.body.title ?? t('error_unknown'));
  }
}

function adviceOf(problem: Problem): string {
  if (problem.body.quota) return t(`quota_${problem.body.quota.kind}_advice`);
  if (problem.status >= 500) return t('error_server_advice');
  if (problem.status === 429) return t('error_busy_advice', { seconds: problem.retryAfterSeconds ?? 30 });
  if (problem.code === 'organisation_inactive') return t('error_inactive_advice');
  if (problem.status === 403) return t('error_forbidden_advice');
  if (problem.status === 404) return t('error_missing_advice');
  return problem.body.detail ?? t('error_unknown_advice');
}
