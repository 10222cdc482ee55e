// The day's registers that a person reaches, from the server or from the phone, and the sheets kept in advance.
import { get, query } from '../api/client';
import { NetworkError } from '../api/problem';
import type { List, RollCall, Sheet, SheetSummary } from '../api/contract';
import { session } from '../auth/session.svelte';
import { keepList, keepSheet, loadList } from '../offline/pages';

/** A teacher has one or two classes; a head teacher's whole school is not copied to the phone. */
const KEEP_AHEAD_AT_MOST = 4;

export interface DayRegisters { rows: SheetSummary[]; kept: boolean }

export async function dayRegisters(date: string, roll_call: RollCall): Promise<DayRegisters> {
  const owner = session.profile!;
  try {
    const answer = await get<List<SheetSummary>>(`/school/v1/register-sheets${query({ date, roll_call })}`);
    if (roll_call === 'morning') await keepList(owner, date, answer.data).catch(() => undefined);
    return { rows: answer.data, kept: false };
  } catch (error) {
    const kept = error instanceof NetworkError ? await loadList(owner, date).catch(() => null) : null;
    if (kept) return { rows: kept, kept: true };
    throw error;
  }
}

/** Keeps today's sheets of a teacher's classes, so that a register opens even if the network goes before it is opened. */
export async function keepAhead(rows: SheetSummary[]): Promise<void> {
  if (rows.length > KEEP_AHEAD_AT_MOST) return;
  for (const row of rows) {
    const path = `/school/v1/register-sheets/${row.stream.id}${query({ date: row.date, roll_call: row.roll_call })}`;
    await get<Sheet>(path).then((sheet) => keepSheet(session.profile!, sheet)).catch(() => undefined);
  }
}
