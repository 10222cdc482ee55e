// Merge patches hold only what changed, and a conflict names only what somebody else changed.
import { describe, expect, it } from 'vitest';
import type { FieldMeta, ResourceMeta, ResourceRecord } from '../api/contract';
import { changedMeanwhile, changes, listPath } from './metadata';

const field = (name: string, more: Partial<FieldMeta> = {}): FieldMeta => ({
  name, label: name, type: 'text', required: false, read_only: false, list: true, filter: true, sort: true, max_length: null,
  choices: null, link: null, help: null, ...more,
});
const streams: ResourceMeta = {
  name: 'streams', path: '/school/v1/streams', label: 'Streams', label_one: 'Stream', title: ['name'], search: true,
  can: { create: true, update: true, delete: true }, if_match: 'required', default_sort: 'name',
  fields: [field('name'), field('room'), field('capacity', { type: 'integer' }), field('class_teacher', { type: 'link' }), field('code', { read_only: true })],
};
const before: ResourceRecord = {
  id: '1', version: 1, created_at: '', updated_at: '', name: '7 East', room: '12', capacity: null, class_teacher: { id: 't1', title: 'Amina' }, code: 'x',
};

describe('changes', () => {
  it('is empty when nothing was touched', () => expect(changes(streams, before, { ...before })).toEqual({}));
  it('sends bare ids, null for emptied fields, and no read-only field', () => {
    const form = { ...before, room: '', capacity: 40, class_teacher: { id: 't2', title: 'Juma' }, code: 'y' };
    expect(changes(streams, before, form)).toEqual({ room: null, capacity: 40, class_teacher: 't2' });
  });
  it('sees a link whose title alone changed as the same', () => {
    expect(changes(streams, before, { ...before, class_teacher: { id: 't1', title: 'Amina O.' } })).toEqual({});
  });
});

it('names what somebody else changed', () => {
  expect(changedMeanwhile(streams, before, { ...before, version: 2, room: '14' }).map((one) => one.name)).toEqual(['room']);
});

it('asks for the total on the first page only', () => {
  const state = { q: 'east', sort: 'name', filters: { 'capacity[gte]': '30' } };
  expect(listPath(streams, state, null)).toBe('/school/v1/streams?limit=50&count=true&sort=name&q=east&capacity%5Bgte%5D=30');
  expect(listPath(streams, state, 'abc')).not.toContain('count');
});
