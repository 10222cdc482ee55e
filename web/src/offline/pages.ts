// Register sheets and unsaved marks kept on the phone, per organisation and subject, so that a register opens without a network.
import type { RollCall, Sheet, SheetSummary } from '../api/contract';
import { idb } from '../lib/idb';
import type { Marks } from '../register/marks';
import type { Owner } from './queue';

export interface KeptSheet extends Owner { sheet: Sheet; kept_at: string }
interface KeptList extends Owner { list: SheetSummary[]; date: string; kept_at: string }
/** `before` is what the marks began with, upon `base_version`. */
export interface Draft { marks: Marks; before: Marks; base_version: number }

const sheetKey = (owner: Owner, stream: string, date: string, rollCall: RollCall): string =>
  [owner.organisation, owner.subject, stream, date, rollCall].join('|');
const listKey = (owner: Owner): string => [owner.organisation, owner.subject, 'list'].join('|');

export function keepSheet(owner: Owner, sheet: Sheet): Promise<unknown> {
  const kept: KeptSheet = { ...pick(owner), sheet, kept_at: new Date().toISOString() };
  return idb.put('sheets', sheetKey(owner, sheet.stream.id, sheet.date, sheet.roll_call), kept);
}

/** The kept sheet of that day; else the class's newest one turned into an empty sheet of that day (`from` is its date). */
export async function loadSheet(
  owner: Owner, stream: string, date: string, rollCall: RollCall,
): Promise<{ sheet: Sheet; from: string | null } | null> {
  const exact = await idb.get<KeptSheet>('sheets', sheetKey(owner, stream, date, rollCall));
  if (exact) return { sheet: exact.sheet, from: null };
  const all = await idb.all<KeptSheet | KeptList>('sheets');
  const newest = all
    .filter((kept): kept is KeptSheet => 'sheet' in kept && kept.organisation === owner.organisation && kept.subject === owner.subject)
    .filter((kept) => kept.sheet.stream.id === stream)
    .sort((a, b) => b.sheet.date.localeCompare(a.sheet.date) || b.kept_at.localeCompare(a.kept_at))[0];
  return newest ? { sheet: emptySheet(newest.sheet, date, rollCall), from: newest.sheet.date } : null;
}

function emptySheet(sheet: Sheet, date: string, roll_call: RollCall): Sheet {
  const pupils = sheet.pupils.map((pupil) => ({ ...pupil, planned: null, planned_reason: null, code: null, reason: null }));
  return {
    ...sheet, date, roll_call, pupils, register_id: null, version: 0, closed: null, rate: null, taken_at: null, taken_by: null,
    counts: { enrolled: pupils.length, present: 0, absent: 0, late: 0, excused: 0 },
  };
}

export function keepList(owner: Owner, date: string, list: SheetSummary[]): Promise<unknown> {
  const kept: KeptList = { ...pick(owner), list, date, kept_at: new Date().toISOString() };
  return idb.put('sheets', listKey(owner), kept);
}

/** The classes of the last list; on another day their registers count as not taken. */
export async function loadList(owner: Owner, date: string): Promise<SheetSummary[] | null> {
  const kept = await idb.get<KeptList>('sheets', listKey(owner));
  if (!kept) return null;
  if (kept.date === date) return kept.list;
  return kept.list.map((row) => ({
    ...row, date, register_id: null, version: null, taken_at: null, taken_by: null, present: 0, absent: 0, late: 0, excused: 0,
  }));
}

export const drafts = {
  load: (owner: Owner, stream: string, date: string, rollCall: RollCall) =>
    idb.get<Draft>('drafts', sheetKey(owner, stream, date, rollCall)),
  save: (owner: Owner, stream: string, date: string, rollCall: RollCall, draft: Draft) =>
    idb.put('drafts', sheetKey(owner, stream, date, rollCall), draft),
  remove: (owner: Owner, stream: string, date: string, rollCall: RollCall) =>
    idb.remove('drafts', sheetKey(owner, stream, date, rollCall)),
};

/** Pupils' names of more than two weeks ago have no use on a phone. */
export async function forgetOldSheets(now_ms: number): Promise<void> {
  for (const kept of await idb.all<KeptSheet | KeptList>('sheets')) {
    if ('sheet' in kept && now_ms - Date.parse(kept.kept_at) > 14 * 24 * 3_600_000) {
      await idb.remove('sheets', sheetKey(kept, kept.sheet.stream.id, kept.sheet.date, kept.sheet.roll_call));
    }
  }
}

/** On sign-out: names leave the phone; the offline queue stays until its owner sends it. */
export async function forgetKeptPages(): Promise<void> {
  await Promise.all([idb.clear('sheets'), idb.clear('drafts')]);
}

const pick = ({ organisation, subject }: Owner): Owner => ({ organisation, subject });
