import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { GridError } from '@commongrid/base';
import { type Files, readWhole, replaceFile } from '@commongrid/files';
import type { ZdbErrorCode } from '../errors.ts';
import { decodeTerms, type TermHistory } from './terms.ts';

/** What a folder remembers of its part in replication, beside the log. */
export interface ReplicationState {
  /** A replica does not take writes by being started without its master's address. */
  readonly role: 'master' | 'replica';
  /** Highest mastership that this folder has heard of. */
  readonly knownTerm: number;
  /** History that the source told; empty when there was none. */
  readonly sourceTerms: TermHistory;
  /** A later mastership that ended this one; 0 = none. */
  readonly fencedBy: number;
  /** The folder's content is to be put aside under this prefix; empty = no. */
  readonly setAsideAs: string;
}

const REPLICATION_NAME = 'replication';
const REPLICA_ID_NAME = 'replica-id';
const SCHEMA = 'zdb.replication.1';

const NEW_STATE: ReplicationState = {
  role: 'master',
  knownTerm: 0,
  sourceTerms: [],
  fencedBy: 0,
  setAsideAs: '',
};

/**
 * The file `replication` of a data folder. It is there once the folder takes part in replication, and is
 * written when something of it changes: at promotions, at first contact.
 */
export class StateFile {
  readonly #files: Files;
  readonly #path: string;
  #state: ReplicationState;

  private constructor(files: Files, file: string, state: ReplicationState) {
    this.#files = files;
    this.#path = file;
    this.#state = state;
  }

  /** @throws GridError ZDB_REPLICATION_STATE_INVALID */
  static load(files: Files, folder: string): StateFile {
    const file = path.join(folder, REPLICATION_NAME);
    const text = files.existsSync(file) ? readWhole(files, file).toString('utf8') : undefined;
    return new StateFile(files, file, text === undefined ? NEW_STATE : parseState(text, file));
  }

  get state(): ReplicationState {
    return this.#state;
  }

  /** Changes what differs; it is on disk when this returns. */
  change(changes: Partial<ReplicationState>): void {
    const next = { ...this.#state, ...changes };
    const text = encodeState(next);
    if (text === encodeState(this.#state)) return;
    replaceFile(this.#files, this.#path, Buffer.from(text));
    this.#state = next;
  }
}

function encodeState(state: ReplicationState): string {
  return `${JSON.stringify({ schema: SCHEMA, ...state })}\n`;
}

function parseState(text: string, file: string): ReplicationState {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isState(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw new GridError<ZdbErrorCode>('ZDB_REPLICATION_STATE_INVALID', `${file} makes no sense`, {
    hint: 'bring the file back from a copy; without it the folder may take writes that no master knows',
    details: { file },
  });
}

function isState(value: unknown): value is ReplicationState {
  if (typeof value !== 'object' || value === null) return false;
  const state = value as Partial<Record<keyof ReplicationState | 'schema', unknown>>;
  const terms = state.sourceTerms;
  return (
    state.schema === SCHEMA &&
    (state.role === 'master' || state.role === 'replica') &&
    Number.isSafeInteger(state.knownTerm) &&
    Number.isSafeInteger(state.fencedBy) &&
    typeof state.setAsideAs === 'string' &&
    Array.isArray(terms)
  );
}

/** The folder's own name among replicas of its log: 16 hex digits, made at first need. */
export function replicaId(files: Files, folder: string): string {
  const file = path.join(folder, REPLICA_ID_NAME);
  if (files.existsSync(file)) {
    const text = readWhole(files, file).toString('latin1').trim();
    if (isReplicaId(text)) return text;
  }
  const id = randomBytes(8).toString('hex');
  replaceFile(files, file, Buffer.from(`${id}\n`));
  return id;
}

export function isReplicaId(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

/** History that a text from the other side holds; undefined when it is none. */
export function parseHistory(text: string): TermHistory | undefined {
  return text === '' ? [] : decodeTerms(text);
}
