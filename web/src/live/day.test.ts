// Live events are applied each once, in any order of arrival, and agree with what the server would answer.
import { describe, expect, it } from 'vitest';
import type { AttendanceDay, DayStream } from '../api/contract';
import { applyMarked, judge, mergeDay, outstandingFirst, type MarkedData } from './day';

const row = (id: string, more: Partial<DayStream> = {}): DayStream => ({
  stream: { id, title: id }, year_group: { id: 'y7', title: 'Grade 7' }, register_id: null, version: null, taken_at: null, taken_by: null,
  enrolled: 40, present: 0, absent: 0, late: 0, excused: 0, rate: null, ...more,
});
const day = (streams: DayStream[]): AttendanceDay => ({
  date: '2026-05-12', business_date: '2026-05-12', roll_call: 'morning', closed: null, registers: { taken: 0, total: streams.length },
  counts: { enrolled: 80, present: 0, absent: 0, late: 0, excused: 0 }, rate: null, streams, absentees: [], trend: [],
});
const marked = (stream_id: string, version: number, more: Partial<MarkedData> = {}): MarkedData => ({
  register_id: `r-${stream_id}`, stream_id, stream_name: stream_id, date: '2026-05-12', roll_call: 'morning', version,
  enrolled: 40, present: 35, absent: 2, late: 2, excused: 1, taken_at: '2026-05-12T05:00:00Z', taken_by: 'Amina', rate: '94.87', ...more,
});

describe('offsets', () => {
  it('drops what was applied, whatever the order of arrival', () => {
    const epoch = 'e1';
    expect(judge(null, { epoch, sequence: 1 })).toBe('apply');
    expect(judge({ epoch, sequence: 7 }, { epoch, sequence: 7 })).toBe('drop');
    expect(judge({ epoch, sequence: 7 }, { epoch, sequence: 3 })).toBe('drop');
    expect(judge({ epoch, sequence: 7 }, { epoch, sequence: 12 })).toBe('apply');
  });
  it('reloads when the numbering started anew', () => {
    expect(judge({ epoch: 'e1', sequence: 7 }, { epoch: 'e2', sequence: 8 })).toBe('reload');
  });
});

describe('a register is taken', () => {
  const start = day([row('7E'), row('7W')]);
  it('changes the class and the totals', () => {
    const after = applyMarked(start, marked('7E', 1));
    expect(after.registers).toEqual({ taken: 1, total: 2 });
    expect(after.counts).toEqual({ enrolled: 80, present: 35, absent: 2, late: 2, excused: 1 });
    expect(after.rate).toBe('94.87');
  });
  it('counts a replayed event once', () => {
    const once = applyMarked(start, marked('7E', 1));
    expect(applyMarked(once, marked('7E', 1))).toBe(once);
  });
  it('never puts an older version over a newer one', () => {
    const corrected = applyMarked(start, marked('7E', 2, { absent: 1, late: 3, rate: '97.44' }));
    expect(applyMarked(corrected, marked('7E', 1))).toBe(corrected);
    expect(corrected.rate).toBe('97.44');
  });
  it('ignores other days, roll calls and unknown classes', () => {
    expect(applyMarked(start, marked('7E', 1, { date: '2026-05-11' }))).toBe(start);
    expect(applyMarked(start, marked('7E', 1, { roll_call: 'afternoon' }))).toBe(start);
    expect(applyMarked(start, marked('8N', 1))).toBe(start);
  });
});

describe('a fetched day meets applied events', () => {
  it('keeps an event that the answer does not know yet', () => {
    const shown = applyMarked(day([row('7E'), row('7W')]), marked('7E', 1));
    const merged = mergeDay(shown, day([row('7E'), row('7W')]));
    expect(merged.registers.taken).toBe(1);
    expect(merged.counts.absent).toBe(2);
  });
  it('takes the answer where it is newer or equal', () => {
    const shown = applyMarked(day([row('7E')]), marked('7E', 1));
    const fetched = day([row('7E', { version: 2, absent: 5 })]);
    expect(mergeDay(shown, fetched)).toBe(fetched);
  });
  it('does not mix days', () => {
    const fetched = { ...day([row('7E')]), date: '2026-05-11' };
    expect(mergeDay(applyMarked(day([row('7E')]), marked('7E', 9)), fetched)).toBe(fetched);
  });
});

it('lists outstanding registers first, classes in human order', () => {
  const order = outstandingFirst([row('10 A', { version: 1 }), row('9 A'), row('2 B', { version: 3 }), row('10 B')]);
  expect(order.map((r) => r.stream.title)).toEqual(['9 A', '10 B', '2 B', '10 A']);
});
