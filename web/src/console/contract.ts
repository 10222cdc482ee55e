// The shapes that only the people who run the platform see.
import type { Organisation } from '../api/contract';
import type { components } from '../api/schema';

type Schemas = components['schemas'];
export type Measures = Required<Schemas['Measures']>;
export type OrganisationDetail = Organisation & { measures: Measures };
export type AuditLine = Required<Schemas['AuditLine']>;
type Filled<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };
export type Backup = Filled<Schemas['BackupOut']>;
export type Work = Filled<Schemas['OperationOut']>;
export type DatabaseRow = Filled<Schemas['DatabaseOut']>;
export type StorageOut = Omit<Filled<Schemas['Storage']>, 'databases' | 'backups' | 'operations'> & { databases: DatabaseRow[]; backups: Backup[]; operations: Work[] };
export type Action = 'suspend' | 'resume' | 'archive';

export const STATES = ['active', 'suspended', 'archived', 'provisioning', 'erasing', 'erased'] as const;
export type State = (typeof STATES)[number];

/** What may be done to an organisation in this state. */
export function actionsOf(state: string): Action[] {
  if (state === 'active') return ['suspend', 'archive'];
  if (state === 'suspended') return ['resume', 'archive'];
  return state === 'archived' ? ['resume'] : [];
}

export type StorageAction = 'back-up' | 'prove' | 'restore' | 'move' | 'erase';

/** What may be done to what is stored of an organisation. */
export function storageActions(seen: StorageOut, state: string, can: (permission: string) => boolean): StorageAction[] {
  if (!['active', 'suspended', 'archived'].includes(state)) return [];
  const all: StorageAction[] = [];
  if (can('tenancy.organisations:manage')) {
    all.push('back-up');
    if (seen.backups.length) all.push('prove', 'restore');
    if (otherClusters(seen).length) all.push('move');
  }
  if (can('tenancy.organisations:delete')) all.push('erase');
  return all;
}

export const otherClusters = (seen: StorageOut): string[] => {
  const here = seen.databases.find((one) => one.state === 'claimed' && one.service === null)?.cluster;
  return seen.clusters.filter((name) => name !== here);
};

/** What a signed certificate says, for reading; `GET /tenancy/v1/signature-keys` proves it. */
export function statementOf(signed: string): { erased_at: string; physical_copies_expire_at: string } | null {
  try {
    const text = atob(signed.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/'));
    return JSON.parse(text) as { erased_at: string; physical_copies_expire_at: string };
  } catch {
    return null;
  }
}

/** The colour of a state. */
export function tone(state: string): string {
  if (state === 'done' || state === 'claimed') return 'present';
  if (state === 'failed') return 'absent';
  if (state === 'running' || state === 'cancelled') return 'late';
  if (state === 'active' || state === 'granted') return 'present';
  if (state === 'suspended' || state === 'requested') return 'late';
  return state === 'archived' || state === 'erasing' ? 'absent' : '';
}
