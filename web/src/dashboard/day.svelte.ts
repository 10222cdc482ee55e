// The state behind the dashboard: one day's figures, kept current by live events and reloads.
import { get, query } from '../api/client';
import type { AttendanceDay } from '../api/contract';
import { applyMarked, mergeDay, type TopicEvent } from '../live/day';
import { LiveTopic } from '../live/topic.svelte';

const SUBSCRIBE_WAIT_MS = 2_500;
const RELOAD_DELAY_MS = 800;
const HIGHLIGHT_MS = 2_400;

export class DayState {
  readonly date: string | null;
  day = $state.raw<AttendanceDay | undefined>();
  error = $state.raw<unknown>(null);
  /** Ids of classes that changed a moment ago, to be shown with a calm glow. */
  changed = $state.raw<ReadonlySet<string>>(new Set());
  live: LiveTopic;
  #reloadTimer: ReturnType<typeof setTimeout> | undefined;
  #businessDate: string;
  #request = 0;

  constructor(date: string | null, businessDate: string) {
    this.date = date;
    this.#businessDate = businessDate;
    this.live = new LiveTopic('school.attendance', { onevent: (event) => this.#apply(event), onreload: () => void this.load() });
  }

  /** Subscribes first and fetches second; a network without a live connection still shows the day. */
  open(): void {
    void this.live.open().catch(() => undefined);
    const patience = setTimeout(() => void this.load(), SUBSCRIBE_WAIT_MS);
    void this.live.subscribed.then(() => clearTimeout(patience));
  }

  close(): void {
    clearTimeout(this.#reloadTimer);
    this.live.close();
  }

  async load(): Promise<void> {
    const mine = ++this.#request;
    try {
      const fetched = await get<AttendanceDay>(`/school/v1/attendance-days/${this.date ?? this.#businessDate}${query({ roll_call: 'morning' })}`);
      if (mine !== this.#request) return;
      const before = this.day;
      this.day = mergeDay(before, fetched);
      this.error = null;
      if (before) this.#glow(before, this.day);
    } catch (error) {
      if (mine === this.#request) this.error = error;
    }
  }

  #apply(message: TopicEvent): void {
    if (!this.day || message.event.type !== 'school.attendance.marked.v1') return;
    const before = this.day;
    this.day = applyMarked(before, message.event.data);
    if (this.day !== before) this.#glow(before, this.day);
    // The event has figures but no names; the list of absentees follows by a reload that many events share.
    clearTimeout(this.#reloadTimer);
    this.#reloadTimer = setTimeout(() => void this.load(), RELOAD_DELAY_MS);
  }

  #glow(before: AttendanceDay, after: AttendanceDay): void {
    const old = new Map(before.streams.map((row) => [row.stream.id, row.version]));
    const changed = after.streams.filter((row) => old.get(row.stream.id) !== row.version).map((row) => row.stream.id);
    if (changed.length === 0) return;
    const glowing = new Set([...this.changed, ...changed]);
    this.changed = glowing;
    setTimeout(() => this.changed === glowing && (this.changed = new Set()), HIGHLIGHT_MS);
  }
}
