// The state behind one open register: the sheet, the marks, what is kept on the phone, and what became of the last save.
import { get, query } from '../api/client';
import { NetworkError, Problem } from '../api/problem';
import type { Code, RollCall, Sheet } from '../api/contract';
import { session } from '../auth/session.svelte';
import { uuidv7 } from '../lib/uuid';
import { outbox } from '../offline/outbox.svelte';
import { drafts, keepSheet, loadSheet } from '../offline/pages';
import type { Owner, QueueItem } from '../offline/queue';
import { countMarks, exceptionsOf, marksOfBody, merge, nextCode, registerBody, startMarks, type Marks } from './marks';

export class RegisterState {
  sheet = $state.raw<Sheet | null>(null);
  marks = $state<Marks>({});
  error = $state.raw<unknown>(null);
  loading = $state(true);
  /** The sheet comes from the phone; `from` names the day of the class list when it is not this day's own. */
  kept = $state(false);
  from = $state<string | null>(null);

  #base = 0;
  #before: Marks = {};
  #baseline = $state('[]');

  readonly stream: string;
  readonly date: string;
  readonly rollCall: RollCall;

  constructor(stream: string, date: string, rollCall: RollCall) {
    this.stream = stream;
    this.date = date;
    this.rollCall = rollCall;
  }

  item = $derived.by<QueueItem | null>(() =>
    outbox.latest({ stream_id: this.stream, title: '', date: this.date, roll_call: this.rollCall }));
  counts = $derived(countMarks(this.sheet?.pupils ?? [], this.marks));
  dirty = $derived(this.#fingerprint() !== this.#baseline);
  taken = $derived((this.sheet?.version ?? 0) > 0);
  /** Worth saving: a register never taken, or marks that differ from what is saved or queued. */
  canSave = $derived(!!this.sheet && !this.sheet.closed && (this.dirty || (!this.taken && !this.item) || this.item?.state === 'rejected'));

  get #owner(): Owner { return session.profile! }

  /** Shows what the phone has at once, then what the server says. */
  async load(): Promise<void> {
    if (!this.sheet) {
      const found = await loadSheet(this.#owner, this.stream, this.date, this.rollCall).catch(() => null);
      if (found) await this.#show(found.sheet, found.from, true);
    }
    try {
      const path = `/school/v1/register-sheets/${this.stream}${query({ date: this.date, roll_call: this.rollCall })}`;
      const sheet = await get<Sheet>(path);
      await keepSheet(this.#owner, sheet).catch(() => undefined);
      await this.#show(sheet, null, false);
      this.error = null;
    } catch (error) {
      // Without an answer the kept sheet is good to work with; a refusal (not your class) hides it.
      this.error = error;
      if (error instanceof Problem && error.status < 500) this.sheet = null;
    } finally {
      this.loading = false;
    }
  }

  get offlineError(): boolean { return this.error instanceof NetworkError }

  tap(student: string): void {
    const mark = this.marks[student];
    if (mark) this.set(student, nextCode(mark.code), mark.code === 'excused' ? '' : mark.reason);
  }

  set(student: string, code: Code, reason: string): void {
    this.marks[student] = { code, reason: code === 'present' ? '' : reason };
    void this.#keepDraft();
  }

  async save(): Promise<void> {
    const sheet = this.sheet!;
    const body = registerBody(sheet, $state.snapshot(this.marks), this.#base, sheet.register_id ?? uuidv7());
    await outbox.save(this.#register(), body, this.#before);
    this.#baseline = this.#fingerprint();
    await drafts.remove(this.#owner, this.stream, this.date, this.rollCall);
  }

  /** After a merge: the same marks upon the version that the other person saved. */
  async saveMerged(current: Sheet, keepMine: Set<string>): Promise<void> {
    const mine = $state.snapshot(this.marks);
    this.sheet = current;
    this.#base = current.version;
    this.#before = startMarks(current);
    this.marks = merge(current, mine, keepMine);
    const theirs = JSON.stringify(exceptionsOf(current.pupils, startMarks(current)));
    if (this.#fingerprint() === theirs) return this.takeTheirs(current);
    await keepSheet(this.#owner, current).catch(() => undefined);
    await this.save();
  }

  async takeTheirs(current: Sheet): Promise<void> {
    if (this.item) await outbox.remove(this.item.id);
    await drafts.remove(this.#owner, this.stream, this.date, this.rollCall);
    await keepSheet(this.#owner, current).catch(() => undefined);
    await this.#show(current, null, false);
  }

  /** Runs whenever the queue changes: a save that arrived becomes the version that further marks build upon. */
  async settle(): Promise<void> {
    const item = this.item;
    if (!item || !this.sheet || item.state !== 'sent' || !item.result || item.result.version <= this.#base) return;
    const { result } = item;
    this.#base = result.version;
    this.#before = marksOfBody(this.sheet, item.body);
    this.sheet = { ...this.sheet, version: result.version, register_id: result.id, taken_at: result.taken_at, taken_by: result.taken_by };
    if (this.dirty) await this.#keepDraft();
    else await this.load();
  }

  async #show(sheet: Sheet, from: string | null, kept: boolean): Promise<void> {
    const touched = this.sheet !== null && this.dirty;
    const draft = await drafts.load(this.#owner, this.stream, this.date, this.rollCall).catch(() => undefined);
    const queued = this.item && this.item.state !== 'sent' ? this.item : null;
    const before = $state.snapshot(this.marks);
    this.sheet = sheet;
    this.kept = kept;
    this.from = from;
    const saved = queued ? marksOfBody(sheet, queued.body) : startMarks(sheet);
    this.marks = saved;
    this.#baseline = this.#fingerprint();
    if (touched) {
      // Marks made while the answer was on its way stay, upon the version they were made upon.
      this.marks = startMarks(sheet, before);
    } else if (draft) {
      this.marks = startMarks(sheet, draft.marks);
      this.#base = draft.base_version;
      this.#before = draft.before;
    } else {
      this.#base = queued ? (queued.body.base_version ?? 0) : sheet.version;
      this.#before = queued ? queued.before : startMarks(sheet);
    }
  }

  async #keepDraft(): Promise<void> {
    const marks = $state.snapshot(this.marks);
    await drafts.save(this.#owner, this.stream, this.date, this.rollCall, { marks, before: this.#before, base_version: this.#base }).catch(() => undefined);
  }

  #fingerprint(): string {
    return JSON.stringify(exceptionsOf(this.sheet?.pupils ?? [], this.marks));
  }

  #register() {
    return { stream_id: this.stream, title: this.sheet?.stream.title ?? '', date: this.date, roll_call: this.rollCall };
  }
}
