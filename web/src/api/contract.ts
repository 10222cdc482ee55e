// The shapes of the HTTP contract that the screens use. Those of the server's OpenAPI document are taken from it
// (`npm run types`), narrowed where the document says less than the server promises.
import type { components } from './schema';

type Schemas = components['schemas'];
/** The server writes every field of an answer, as null where there is nothing. */
type Answer<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };
/** `T` with some fields known better. */
type With<T, Known> = Omit<Answer<T>, keyof Known> & Known;

export type Ref = Schemas['Named'];
export type Page = Schemas['Page'];
export interface List<T> { data: T[]; page: Page }

export type Me = With<Schemas['Me'], { account: With<Schemas['AccountOut'], { locale: 'en' | 'sw' }> }>;
export type Organisation = Schemas['OrganisationOut'];
export type SupportGrant = With<Schemas['SupportGrantOut'], { access: 'read' | 'write'; state: 'requested' | 'granted' | 'refused' | 'ended' | 'expired' }>;
export type QuotaKind = 'users' | 'storage' | 'requests' | 'messages';
export type PlanLimit = With<Schemas['LimitOut'], { kind: QuotaKind; period: 'now' | 'day' | 'month'; resets_at: string | null }>;
export type UsageDay = Answer<Schemas['DayOut']>;
export type Usage = With<Schemas['UsageOut'], { limits: PlanLimit[]; days: UsageDay[] }>;
export type Exports = With<Schemas['Exports'], { ready: Answer<Schemas['Export']>[] }>;
export type Role = Answer<Schemas['RoleOut']>;
export type Permission = Answer<Schemas['PermissionOut']>;
export type Member = Schemas['MemberOut'];
export type SignInEvent = With<Schemas['SignInEventOut'], { outcome: 'done' | 'refused' }>;
export type Invitation = With<Schemas['InvitationOut'], { status: 'pending' | 'accepted' | 'expired' | 'revoked' }>;

export type FieldType =
  'text' | 'long_text' | 'integer' | 'boolean' | 'date' | 'instant' | 'choice' | 'link' | 'email' | 'phone' | 'uuid';
export interface Choice { value: string; label: string; labels?: Record<string, string> }
export interface FieldMeta {
  name: string; label: string; labels?: Record<string, string>; type: FieldType;
  required: boolean; read_only: boolean; list: boolean; filter: boolean; sort: boolean;
  max_length: number | null; choices: Choice[] | null;
  link: { resource: string; path: string } | null; help: string | null;
}
export interface ResourceMeta {
  name: string; path: string; label: string; label_one: string; labels?: Record<string, string>;
  title: string[]; search: boolean; can: { create: boolean; update: boolean; delete: boolean };
  if_match: 'required' | 'optional'; default_sort: string; fields: FieldMeta[];
}
export type FieldValue = string | number | boolean | Ref | null | undefined;
export interface ResourceRecord { id: string; version: number; created_at: string; updated_at: string; [field: string]: FieldValue }

export type Code = Schemas['Code'];
export type RollCall = Schemas['RollCallName'];
export type Counts = Schemas['Counts'];
export type Closed = Schemas['Closed'];

export type SheetSummary = Answer<Schemas['SheetSummary']>;
export type SheetPupil = With<Schemas['SheetPupil'], { planned: 'excused' | null; code: Code | null }>;
export type Sheet = With<Schemas['Sheet'], { roll_call: RollCall; pupils: SheetPupil[] }>;
export type Exception = Schemas['Exception'];
export type RegisterBody = Omit<Schemas['RegisterIn'], 'roll_call' | 'default'> & { roll_call: RollCall; default: 'present' };
export type RegisterResult = Answer<Schemas['RegisterOut']>;

/** One mark of one pupil, as a guardian sees it. */
export type PupilMark = With<Schemas['MarkOut'], { code: Code; roll_call: RollCall }>;

export type DayStream = Answer<Schemas['StreamDay']>;
export type Absentee = With<
  Schemas['Absentee'],
  { code: 'absent' | 'late'; guardians: { name: string; phone: string | null }[] }
>;
export type AttendanceDay = With<
  Schemas['Day'],
  { streams: DayStream[]; absentees: Absentee[]; trend: Answer<Schemas['TrendPoint']>[] }
>;

export type Import = With<
  Schemas['ImportOut'],
  {
    status: 'preview' | 'applied' | 'discarded';
    result: null | {
      students_created: number; students_updated: number; guardians_created: number; enrolments_created: number; skipped: number;
    };
  }
>;
export type ImportRow = With<
  Schemas['RowOut'],
  { action: 'create' | 'update' | 'unchanged' | 'invalid'; errors: FieldError[] }
>;

export interface FieldError { pointer: string; code: string; message: string }
export interface ProblemBody {
  type?: string; title?: string; status: number; code: string; detail?: string;
  request_id?: string; errors?: FieldError[]; current?: unknown; max_age?: number; quota?: { kind: QuotaKind; plan: string; limit: number };
}
