// The shapes that only the people who run the platform see.
import type { Organisation } from '../api/contract';
import type { components } from '../api/schema';

type Schemas = components['schemas'];
export type Measures = Required<Schemas['Measures']>;
export type OrganisationDetail = Organisation & { measures: Measures };
export type AuditLine = Required<Schemas['AuditLine']>;
export type Action = 'suspend' | 'resume' | 'archive';

export const STATES = ['active', 'suspended', 'archived', 'provisioning', 'erasing', 'erased'] as const;
export type State = (typeof STATES)[number];

/** What may be done to an organisation in this state. */
export function actionsOf(state: string): Action[] {
  if (state === 'active') return ['suspend', 'archive'];
  if (state === 'suspended') return ['resume', 'archive'];
  return state === 'archived' ? ['resume'] : [];
}

/** The colour of a state. */
export function tone(state: string): string {
  if (state === 'active' || state === 'granted') return 'present';
  if (state === 'suspended' || state === 'requested') return 'late';
  return state === 'archived' || state === 'erasing' ? 'absent' : '';
}
