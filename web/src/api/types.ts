// The shapes of the HTTP contract that the screens use.

export interface Ref { id: string; title: string }
export interface Page { limit: number; next: string | null; total?: number }
export interface List<T> { data: T[]; page: Page }

export interface Me {
  account: { id: string; name: string; email: string; locale: 'en' | 'sw' };
  organisation: {
    id: string; slug: string; name: string; country: string; currency: string; time_zone: string; products: string[];
  };
  roles: string[];
  permissions: string[];
}

export interface Organisation {
  id: string; slug: string; name: string; country: string; currency: string;
  time_zone: string; products: string[]; state: string; version: number;
}

export interface Role { key: string; label: string; description: string }
export interface Member { id: string; account_id: string; name: string; email: string; roles: string[]; joined_at: string }
export interface Invitation {
  id: string; email: string; name: string; roles: string[];
  status: 'pending' | 'accepted' | 'expired' | 'revoked'; expires_at: string; version: number;
}

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

export type Code = 'present' | 'absent' | 'late' | 'excused';
export type RollCall = 'morning' | 'afternoon';
export interface Counts { enrolled: number; present: number; absent: number; late: number; excused: number }
export interface Closed { code: string; message: string }

export interface SheetSummary extends Counts {
  stream: Ref; date: string; roll_call: RollCall; register_id: string | null;
  version: number | null; taken_at: string | null; taken_by: string | null;
}
export interface SheetPupil {
  student_id: string; admission_number: string; name: string;
  planned: 'excused' | null; planned_reason: string | null; code: Code | null; reason: string | null;
}
export interface Sheet {
  stream: Ref; date: string; business_date: string; roll_call: RollCall; register_id: string | null;
  version: number; closed: Closed | null; pupils: SheetPupil[]; counts: Counts; rate: string | null;
  taken_at?: string | null; taken_by?: string | null;
}
export interface Exception { student_id: string; code: Code; reason?: string }
export interface RegisterBody {
  id?: string; stream_id: string; date: string; roll_call: RollCall;
  default: 'present'; exceptions: Exception[]; base_version?: number;
}
export interface RegisterResult {
  id: string; stream: Ref; date: string; roll_call: RollCall; version: number;
  counts: Counts; rate: string | null; changed: number; taken_at: string; taken_by: string;
}

export interface DayStream extends Counts {
  stream: Ref; year_group: Ref | null; register_id: string | null; version: number | null;
  taken_at: string | null; taken_by: string | null; rate: string | null;
}
export interface Absentee {
  student: Ref; stream: Ref; code: 'absent' | 'late'; reason: string | null;
  guardians: { name: string; phone: string | null }[];
}
export interface AttendanceDay {
  date: string; business_date: string; roll_call: RollCall; closed: Closed | null;
  registers: { taken: number; total: number }; counts: Counts; rate: string | null;
  streams: DayStream[]; absentees: Absentee[]; trend: { date: string; rate: string | null }[];
}

export interface Import {
  id: string; status: 'preview' | 'applied' | 'discarded'; file_name: string | null;
  counts: { rows: number; invalid: number; create: number; update: number; unchanged: number };
  columns: string[]; created_at: string; applied_at: string | null;
  result: null | {
    students_created: number; students_updated: number; guardians_created: number; enrolments_created: number; skipped: number;
  };
  version: number;
}
export interface ImportRow {
  row_number: number; action: 'create' | 'update' | 'unchanged' | 'invalid';
  values: Record<string, string>; errors: FieldError[];
}

export interface FieldError { pointer: string; code: string; message: string }
export interface ProblemBody {
  type?: string; title?: string; status: number; code: string; detail?: string;
  request_id?: string; errors?: FieldError[]; current?: unknown;
}
