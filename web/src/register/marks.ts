// The marks of one register while a teacher works on it: starting state, the tap cycle, counts, body, and merge.
import type { Code, Counts, Exception, RegisterBody, Sheet, SheetPupil } from '../api/contract';

export interface Mark { code: Code; reason: string }
export type Marks = Record<string, Mark>;

const CYCLE: Record<Code, Code> = { present: 'absent', absent: 'late', late: 'present', excused: 'present' };
export const nextCode = (code: Code): Code => CYCLE[code];

/** What the sheet says now: a mark where there is one, approved leave as excused, everybody else present. */
export function sheetMark(pupil: SheetPupil): Mark {
  if (pupil.code) return { code: pupil.code, reason: pupil.reason ?? '' };
  if (pupil.planned) return { code: pupil.planned, reason: pupil.planned_reason ?? '' };
  return { code: 'present', reason: '' };
}

export function startMarks(sheet: Sheet, saved?: Marks): Marks {
  return Object.fromEntries(sheet.pupils.map((pupil) => [pupil.student_id, saved?.[pupil.student_id] ?? sheetMark(pupil)]));
}

export function countMarks(pupils: SheetPupil[], marks: Marks): Counts {
  const counts: Counts = { enrolled: pupils.length, present: 0, absent: 0, late: 0, excused: 0 };
  for (const pupil of pupils) counts[marks[pupil.student_id]?.code ?? 'present'] += 1;
  return counts;
}

/** Everything but plain presence is named; a pupil on approved leave is always named, present or not. */
export function exceptionsOf(pupils: SheetPupil[], marks: Marks): Exception[] {
  return pupils.flatMap((pupil) => {
    const mark = marks[pupil.student_id] ?? sheetMark(pupil);
    if (mark.code === 'present' && !pupil.planned) return [];
    const reason = mark.code === 'present' ? '' : mark.reason.trim();
    return [{ student_id: pupil.student_id, code: mark.code, ...(reason ? { reason } : {}) }];
  });
}

/** `base_version` is the version the marks were made upon, which may be older than the sheet on screen. */
export function registerBody(sheet: Sheet, marks: Marks, base_version: number, id: string | null): RegisterBody {
  return {
    ...(id ? { id } : {}),
    stream_id: sheet.stream.id, date: sheet.date, roll_call: sheet.roll_call,
    default: 'present', exceptions: exceptionsOf(sheet.pupils, marks), base_version,
  };
}

/** The marks that a queued body stands for. */
export function marksOfBody(sheet: Sheet, body: RegisterBody): Marks {
  const named = new Map(body.exceptions.map((exception) => [exception.student_id, exception]));
  return Object.fromEntries(
    sheet.pupils.map((pupil) => {
      const exception = named.get(pupil.student_id);
      return [pupil.student_id, { code: exception?.code ?? body.default, reason: exception?.reason ?? '' }];
    }),
  );
}

export interface Difference { pupil: SheetPupil; mine: Mark; theirs: Mark }

/** The pupils for whom the saved register and mine disagree; only these need a decision. */
export function differences(current: Sheet, mine: Marks): Difference[] {
  return current.pupils.flatMap((pupil) => {
    const own = mine[pupil.student_id];
    const theirs = sheetMark(pupil);
    const same = !own || (own.code === theirs.code && (own.code === 'present' || own.reason.trim() === theirs.reason.trim()));
    return same ? [] : [{ pupil, mine: own, theirs }];
  });
}

/** A mark that I did not change since I began is theirs to change; one that I did change is proposed as mine. */
export function proposeMine(difference: Difference, before: Marks): boolean {
  const began = before[difference.pupil.student_id];
  return !began || began.code !== difference.mine.code || began.reason.trim() !== difference.mine.reason.trim();
}

/** Theirs everywhere, mine where chosen. */
export function merge(current: Sheet, mine: Marks, keepMine: Set<string>): Marks {
  return Object.fromEntries(
    current.pupils.map((pupil) => {
      const own = mine[pupil.student_id];
      return [pupil.student_id, own && keepMine.has(pupil.student_id) ? own : sheetMark(pupil)];
    }),
  );
}
