// What a resource's metadata means for the screens: titles, shown values, list addresses, and what changed in a form.
import { get, query } from '../api/client';
import type { Code, FieldMeta, FieldValue, List, Ref, ResourceMeta, ResourceRecord } from '../api/contract';
import { i18n, label, t } from '../i18n/index.svelte';
import { formatDate, formatInstant } from '../lib/format';

export const resourcesQuery = () => ({
  queryKey: ['resources'],
  queryFn: () => get<List<ResourceMeta>>('/school/v1/resources').then((answer) => answer.data),
  staleTime: 10 * 60_000,
});

export function titleOf(meta: ResourceMeta, record: ResourceRecord): string {
  const parts = meta.title.map((field) => text(record[field])).filter(Boolean);
  return parts.join(' ') || label({ label: meta.label_one });
}

const text = (value: FieldValue): string => (isRef(value) ? value.title : value === null || value === undefined ? '' : String(value));
export const isRef = (value: FieldValue): value is Ref => typeof value === 'object' && value !== null;

/** A field's value in words, in the chosen language. */
export function show(field: FieldMeta, value: FieldValue): string {
  if (value === null || value === undefined || value === '') return '–';
  if (isRef(value)) return value.title;
  switch (field.type) {
    case 'boolean': return t(value ? 'yes' : 'no');
    case 'date': return formatDate(String(value), i18n.locale);
    case 'instant': return formatInstant(String(value), i18n.locale);
    case 'choice': {
      const choice = field.choices?.find((one) => one.value === value);
      return choice ? label(choice) : String(value);
    }
    default: return String(value);
  }
}

export const isCode = (value: FieldValue): value is Code =>
  value === 'present' || value === 'absent' || value === 'late' || value === 'excused';

export interface ListState { q: string; sort: string; filters: Record<string, string> }

export function listPath(meta: ResourceMeta, state: ListState, cursor: string | null): string {
  return meta.path + query({ limit: 50, count: cursor ? undefined : true, sort: state.sort, q: state.q, ...state.filters, cursor });
}

/** The value of a form field as a request wants it: links are bare ids, empty texts are null. */
export function forRequest(value: FieldValue): string | number | boolean | null {
  if (isRef(value)) return value.id;
  return value === undefined || value === '' ? null : value;
}

/** RFC 7396: only what differs from the record that was opened. */
export function changes(meta: ResourceMeta, before: ResourceRecord, form: Record<string, FieldValue>): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const field of meta.fields.filter((one) => !one.read_only)) {
    const value = forRequest(form[field.name]);
    if (value !== forRequest(before[field.name])) patch[field.name] = value;
  }
  return patch;
}

/** What somebody else changed since the record was opened. */
export function changedMeanwhile(meta: ResourceMeta, before: ResourceRecord, now: ResourceRecord): FieldMeta[] {
  return meta.fields.filter((field) => forRequest(before[field.name]) !== forRequest(now[field.name]));
}
