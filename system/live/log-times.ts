/** A record of the log, and when its author signed it. */
export interface LoggedRecord {
  readonly seq: number;
  readonly url: string;
  readonly obj: string;
  /** By the author's clock, ms since 1970. */
  readonly signedMs: number;
  /** Undefined for a record without a payload, or with one that is sealed. */
  readonly value: Readonly<Record<string, unknown>> | undefined;
}

interface Line {
  readonly seq?: number;
  readonly envelope?: string;
  readonly body?: string;
}

/** Bytes of random salt that a payload has before it. */
const saltBytes = 16;

/** Records of a log that was exported, in their order. */
export function readLogTimes(exported: string): readonly LoggedRecord[] {
  return exported.split('\n').flatMap((text) => {
    if (text === '') return [];
    const { seq, envelope, body } = JSON.parse(text) as Line;
    if (seq === undefined || envelope === undefined) return [];
    const { url, obj, t } = JSON.parse(envelope) as { url: string; obj: string; t: number };
    return [{ seq, url, obj, signedMs: t, value: valueOf(body) }];
  });
}

function valueOf(body: string | undefined): LoggedRecord['value'] {
  if (body === undefined) return undefined;
  try {
    const payload = Uint8Array.fromBase64(body).subarray(saltBytes);
    return JSON.parse(new TextDecoder().decode(payload)) as LoggedRecord['value'];
  } catch {
    return undefined;
  }
}
