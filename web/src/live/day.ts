// Applies live attendance events to a day's figures: each event once, never an older state over a newer one.
import type { AttendanceDay, DayStream } from '../api/contract';
import { attendanceRate } from '../lib/format';

export interface Offset { epoch: string; sequence: number }
export interface MarkedData {
  register_id: string; stream_id: string; stream_name: string; date: string; roll_call: string; version: number;
  enrolled: number; present: number; absent: number; late: number; excused: number;
  taken_at: string | null; taken_by: string | null; rate: string | null;
}
export interface TopicEvent { topic: string; offset: Offset; event: { id: string; type: string; subject: string; data: MarkedData } }

export type Verdict = 'apply' | 'drop' | 'reload';

/** Sequences have gaps (they count all of the school's events), so only order and epoch are judged here. */
export function judge(last: Offset | null, next: Offset): Verdict {
  if (last && last.epoch !== next.epoch) return 'reload';
  return last && next.sequence <= last.sequence ? 'drop' : 'apply';
}

/** The day with the event in it, or the same object when the event changes nothing on this screen. */
export function applyMarked(day: AttendanceDay, data: MarkedData): AttendanceDay {
  if (data.date !== day.date || data.roll_call !== day.roll_call) return day;
  const index = day.streams.findIndex((row) => row.stream.id === data.stream_id);
  const row = day.streams[index];
  // An unknown class is new since the page was loaded; the reload that follows every event brings it.
  if (!row || data.version <= (row.version ?? 0)) return day;
  const { enrolled, present, absent, late, excused, register_id, version, taken_at, taken_by, rate } = data;
  const streams = [...day.streams];
  streams[index] = { ...row, enrolled, present, absent, late, excused, register_id, version, taken_at, taken_by, rate };
  return withTotals({ ...day, streams });
}

/** A fetched day may be older than events already applied, or newer: per class the greater version wins. */
export function mergeDay(shown: AttendanceDay | undefined, fetched: AttendanceDay): AttendanceDay {
  if (!shown || shown.date !== fetched.date || shown.roll_call !== fetched.roll_call) return fetched;
  const known = new Map(shown.streams.map((row) => [row.stream.id, row]));
  const streams = fetched.streams.map((row) => {
    const mine = known.get(row.stream.id);
    return mine && (mine.version ?? 0) > (row.version ?? 0) ? mine : row;
  });
  const ahead = streams.some((row, i) => row !== fetched.streams[i]);
  return ahead ? withTotals({ ...fetched, streams }) : fetched;
}

function withTotals(day: AttendanceDay): AttendanceDay {
  const taken = day.streams.filter((row) => row.version);
  const sum = (rows: DayStream[], field: 'enrolled' | 'present' | 'absent' | 'late' | 'excused') =>
    rows.reduce((total, row) => total + row[field], 0);
  const figures = { present: sum(taken, 'present'), absent: sum(taken, 'absent'), late: sum(taken, 'late'), excused: sum(taken, 'excused') };
  return {
    ...day,
    registers: { taken: taken.length, total: day.streams.length },
    counts: { enrolled: sum(day.streams, 'enrolled'), ...figures },
    // Classes without a register say nothing about attendance yet.
    rate: attendanceRate({ enrolled: sum(taken, 'enrolled'), ...figures }),
  };
}

/** Outstanding registers first, then by class name. */
export function outstandingFirst(streams: DayStream[]): DayStream[] {
  const name = new Intl.Collator('en', { numeric: true });
  return [...streams].sort((a, b) => Number(!!a.version) - Number(!!b.version) || name.compare(a.stream.title, b.stream.title));
}
