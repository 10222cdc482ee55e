// Story E1's register: counts, cycle, what is sent, and the merge after somebody else saved first.
import { describe, expect, it } from 'vitest';
import type { Sheet, SheetPupil } from '../api/contract';
import { attendanceRate } from '../lib/format';
import { countMarks, differences, exceptionsOf, marksOfBody, merge, nextCode, proposeMine, registerBody, startMarks } from './marks';

const pupil = (n: number, more: Partial<SheetPupil> = {}): SheetPupil => ({
  student_id: `p${n}`, admission_number: `A${n}`, name: `Pupil ${n}`, planned: null, planned_reason: null, code: null, reason: null, ...more,
});
const sheet = (pupils: SheetPupil[], version = 0): Sheet => ({
  stream: { id: 's', title: '7 East' }, date: '2026-05-12', business_date: '2026-05-12', roll_call: 'morning', register_id: null,
  version, closed: null, pupils, counts: { enrolled: pupils.length, present: 0, absent: 0, late: 0, excused: 0 }, rate: null,
  taken_at: null, taken_by: null,
});
const forty = sheet(Array.from({ length: 40 }, (_, i) => pupil(i + 1, i === 2 ? { planned: 'excused', planned_reason: 'Wedding' } : {})));

describe('marking', () => {
  it('cycles present, absent, late, present; a tap on excused means the pupil came', () => {
    expect(nextCode('present')).toBe('absent');
    expect(nextCode('absent')).toBe('late');
    expect(nextCode('late')).toBe('present');
    expect(nextCode('excused')).toBe('present');
  });
  it('starts with all present and approved leave excused', () => {
    expect(countMarks(forty.pupils, startMarks(forty))).toEqual({ enrolled: 40, present: 39, absent: 0, late: 0, excused: 1 });
  });
  it('gives the figures of story E1', () => {
    const marks = startMarks(forty);
    for (const id of ['p1', 'p2']) marks[id] = { code: 'absent', reason: '' };
    for (const id of ['p4', 'p5']) marks[id] = { code: 'late', reason: '' };
    const counts = countMarks(forty.pupils, marks);
    expect(counts).toEqual({ enrolled: 40, present: 35, absent: 2, late: 2, excused: 1 });
    expect(attendanceRate(counts)).toBe('94.87');
  });
  it('keeps saved marks over the sheet', () => {
    expect(startMarks(forty, { p1: { code: 'late', reason: 'Bus' } }).p1).toEqual({ code: 'late', reason: 'Bus' });
  });
});

describe('what is sent', () => {
  it('names exceptions, and a pupil on leave who came after all', () => {
    const marks = startMarks(forty);
    marks.p1 = { code: 'absent', reason: ' Sick ' };
    marks.p3 = { code: 'present', reason: 'Wedding' };
    expect(exceptionsOf(forty.pupils, marks)).toEqual([
      { student_id: 'p1', code: 'absent', reason: 'Sick' }, { student_id: 'p3', code: 'present' },
    ]);
  });
  it('can be read back into the same marks', () => {
    const marks = startMarks(forty);
    marks.p9 = { code: 'late', reason: 'Rain' };
    expect(marksOfBody(forty, registerBody(forty, marks, 0, 'id-1'))).toEqual(marks);
  });
  it('carries the version the marks were made upon', () => {
    expect(registerBody(sheet([pupil(1)], 5), {}, 4, null)).toMatchObject({ base_version: 4, exceptions: [] });
  });
});

describe('merge', () => {
  const current = sheet([pupil(1, { code: 'absent' }), pupil(2, { code: 'present' }), pupil(3, { code: 'late', reason: 'Bus' }), pupil(4, { code: 'present' })], 2);
  const mine = {
    p1: { code: 'present' as const, reason: '' }, p2: { code: 'late' as const, reason: '' },
    p3: { code: 'late' as const, reason: 'Bus ' }, p4: { code: 'present' as const, reason: 'typed and left' },
  };
  it('asks only about pupils that differ', () => {
    expect(differences(current, mine).map((d) => d.pupil.student_id)).toEqual(['p1', 'p2']);
  });
  it('takes theirs but where mine was chosen', () => {
    const merged = merge(current, mine, new Set(['p2']));
    expect(merged.p1!.code).toBe('absent');
    expect(merged.p2!.code).toBe('late');
    expect(differences(current, merged).map((d) => d.pupil.student_id)).toEqual(['p2']);
  });
  it('proposes mine only where I changed something since I began', () => {
    const before = { p1: { code: 'present' as const, reason: '' }, p2: { code: 'present' as const, reason: '' } };
    expect(differences(current, mine).map((one) => proposeMine(one, before))).toEqual([false, true]);
    expect(differences(current, mine).map((one) => proposeMine(one, {}))).toEqual([true, true]);
  });
  it('shows a pupil who joined the class meanwhile as theirs', () => {
    expect(merge(current, {}, new Set(['p1'])).p1!.code).toBe('absent');
  });
});
