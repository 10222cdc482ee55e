// What can go wrong with a request, as two kinds of error: the server said no, or nobody answered.
import type { FieldError, ProblemBody } from './contract';

/** The server answered with problem+json (RFC 9457). */
export class Problem extends Error {
  constructor(readonly body: ProblemBody, readonly retryAfterSeconds: number | null = null) {
    super(body.detail || body.title || `HTTP ${body.status}`);
    this.name = 'Problem';
  }
  get status(): number { return this.body.status }
  get code(): string { return this.body.code }

  /** Messages by top-level field name, from JSON pointers such as /room or /records/3/status. */
  fieldErrors(): Record<string, string> {
    return fieldErrors(this.body.errors);
  }
}

/** No answer: no network, a time-out, or a connection cut half way. The request may or may not have arrived. */
export class NetworkError extends Error {
  constructor(cause?: unknown) {
    super('network', { cause });
    this.name = 'NetworkError';
  }
}

export function fieldErrors(errors: FieldError[] | undefined): Record<string, string> {
  const byField: Record<string, string> = {};
  for (const error of errors ?? []) {
    const field = error.pointer.split('/')[1] ?? '';
    byField[field] = byField[field] ? `${byField[field]} ${error.message}` : error.message;
  }
  return byField;
}
