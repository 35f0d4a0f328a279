export type DiagnosisLevel = 'ok' | 'warn' | 'fail';

/** What was found of one thing. */
export interface Diagnosis {
  readonly name: string;
  readonly level: DiagnosisLevel;
  /** What was found. */
  readonly says: string;
  /** What to do; only when it is not ok. */
  readonly next?: string;
  /** Code of the error, where there is one: `grid explain`. */
  readonly code?: string;
  /** Mends it without any harm; only where that can be done. */
  readonly repair?: () => Promise<unknown>;
}

export function fine(name: string, says: string): Diagnosis {
  return { name, level: 'ok', says };
}

export function doubtful(name: string, says: string, next: string): Diagnosis {
  return { name, level: 'warn', says, next };
}

export function bad(name: string, says: string, next: string): Diagnosis {
  return { name, level: 'fail', says, next };
}
