import { PublicKey } from '@commongrid/crypto';
import type { GridCode, IdentityCode, WalletCode } from '../errors.ts';
import type { BotId, Hash, NodeId, SharedAccountId } from '../fields.ts';
import { recordTypes } from '../record-types.ts';
import type { RecordOf, RecordUrl } from '../record-types.ts';
import type { Presence } from '../records/presence.ts';
import type { Slice } from '../records/slice.ts';
import { sliceHash } from './derive-slice.ts';
import type { GridObjects } from './desired.ts';
import { isGridUrl, judgeGrid } from './grid-rules.ts';
import type { GridUrl } from './grid-rules.ts';
import type { ContractState, GridState, WorkloadState } from './grid-state.ts';
import { isIdentityUrl, judgeIdentity } from './identity.ts';
import type { IdentityUrl } from './identity.ts';
import { IdentityMemory, setEntry } from './identity-memory.ts';
import type { Undo } from './identity-memory.ts';
import type { IdentityView, JudgedRecord } from './identity-view.ts';
import { keyProofDomain, maySpeak } from './keys.ts';
import type { Posting } from './wallet-ledger.ts';
import { attend } from './wallet-metering.ts';
import { isWalletUrl, judgeWallet } from './wallet-rules.ts';
import type { WalletUrl } from './wallet-rules.ts';
import type { WalletState, WalletStateOf } from './wallet-state.ts';

/** A record with its place, as a reader has it: envelope, signature and proof were checked. */
export interface GridRecord {
  readonly seq: number;
  /** Log time there, milliseconds since 1970. */
  readonly at: number;
  /** Key that signed it. */
  readonly author: string;
  readonly url: string;
  readonly obj: string;
  readonly op: 'put' | 'del' | 'erase';
  readonly value: unknown;
}

export interface GridFoldOptions {
  /** Hash of the genesis. */
  readonly log: string;
  readonly releaseKeys: readonly string[];
  /** Whose records these are; without one, all of the log are expected. */
  readonly reader?: BotId | NodeId | SharedAccountId;
  /** Tests have keys that cannot sign. */
  readonly isProof?: IdentityView['isProof'];
}

/** A record that moved money: postings that sum to zero for each currency. */
export interface LedgerEntry {
  readonly seq: number;
  /** Log time, milliseconds since 1970. */
  readonly at: number;
  readonly url: string;
  readonly obj: string;
  readonly value: unknown;
  readonly postings: readonly Posting[];
}

/** Why a record has no effect. */
export type Refusal = GridCode | IdentityCode | WalletCode | 'MODEL_RECORD_INVALID';

/**
 * What records of the grid come to, in memory: identities, contracts, and the current version of each
 * object. Records come in any order and more than once; the view is that of their order in the log.
 * Whatever a rule refuses has no effect. Types that this release does not know are left out.
 */
export class GridFold extends IdentityMemory implements GridObjects {
  readonly log: string;
  readonly releaseKeys: readonly string[];
  readonly reader: BotId | NodeId | SharedAccountId | undefined;
  readonly isProof: IdentityView['isProof'];
  /** By place in the log, each with what it changed. */
  readonly #taken: { readonly record: GridRecord; readonly undo: Undo[] }[] = [];
  readonly #known = new Set<number>();
  readonly #refusals = new Map<number, Refusal>();
  readonly #objects = new Map<string, Map<string, unknown>>();
  /** By kind and id. */
  readonly #states = new Map<string, GridState | WalletState>();
  readonly #entries = new Map<number, LedgerEntry>();
  /** All slices ever accepted, by what placements name them by. */
  readonly #slices = new Map<Hash, Slice>();
  readonly #watchers = new Set<(record: GridRecord) => void>();

  constructor({ log, releaseKeys, reader, isProof = isKeyProof }: GridFoldOptions) {
    super();
    this.log = log;
    this.releaseKeys = releaseKeys;
    this.reader = reader;
    this.isProof = isProof;
  }

  /**
   * Takes records in. Those behind the first new one are judged again.
   * @returns how many of them were new
   */
  add(records: Iterable<GridRecord>): number {
    const fresh: GridRecord[] = [];
    for (const record of records) {
      // Of a record and the proposal that it completed, which share a place, one is of the grid.
      if (!isOfGrid(record) || this.#known.has(record.seq)) continue;
      this.#known.add(record.seq);
      fresh.push(record);
    }
    const first = fresh.reduce((least, { seq }) => Math.min(least, seq), Infinity);
    const again: GridRecord[] = [];
    for (let last = this.#taken.at(-1); last !== undefined; last = this.#taken.at(-1)) {
      if (last.record.seq < first) break;
      for (const undo of last.undo.toReversed()) undo();
      this.#taken.pop();
      again.push(last.record);
    }
    const due = [...fresh, ...again].toSorted((a, b) => a.seq - b.seq);
    for (const record of due) this.#take(record);
    for (const watcher of this.#watchers) for (const record of due) watcher(record);
    return fresh.length;
  }

  /**
   * Tells of each record that is judged from now on, also where one that came late has it judged again.
   * @returns ends that
   */
  watch(watcher: (record: GridRecord) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Why records had no effect, by their place. */
  get refusals(): ReadonlyMap<number, Refusal> {
    return this.#refusals;
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  current(url: string, obj: string): unknown {
    return this.#objects.get(url)?.get(obj);
  }

  /** What an object has been, the first version first: those that the reader was told of. */
  versions<Url extends RecordUrl>(url: Url, obj: string): readonly RecordOf<Url>[] {
    return this.#taken.flatMap(({ record }) => {
      const isOne = record.url === url && record.obj === obj && record.op === 'put';
      return isOne && !this.#refusals.has(record.seq) ? [record.value as RecordOf<Url>] : [];
    });
  }

  objects<Url extends RecordUrl>(url: Url): Iterable<RecordOf<Url>> {
    return (this.#objects.get(url)?.values() ?? []) as Iterable<RecordOf<Url>>;
  }

  slice(hash: Hash): Slice | undefined {
    return this.#slices.get(hash);
  }

  contract(id: string): ContractState | undefined {
    return this.#states.get(`contract ${id}`) as ContractState | undefined;
  }

  workload(id: string): WorkloadState | undefined {
    return this.#states.get(`workload ${id}`) as WorkloadState | undefined;
  }

  money<Kind extends WalletState['kind']>(kind: Kind, id: string): WalletStateOf<Kind> | undefined {
    return this.#states.get(`${kind} ${id}`) as WalletStateOf<Kind> | undefined;
  }

  /** States of money of one kind, in any order. */
  *moneyOf<Kind extends WalletState['kind']>(kind: Kind): Generator<WalletStateOf<Kind>> {
    for (const state of this.#states.values()) {
      if (state.kind === kind) yield state as WalletStateOf<Kind>;
    }
  }

  /** What moved money, in the order of the log. */
  entries(): readonly LedgerEntry[] {
    return [...this.#entries.values()].toSorted((a, b) => a.seq - b.seq);
  }

  #take(record: GridRecord): void {
    const undo: Undo[] = [];
    this.#taken.push({ record, undo });
    const { seq, url, obj, op, value } = record;
    const code = this.#judge(record, undo);
    if (code !== undefined) {
      undo.push(setEntry(this.#refusals, seq, code));
      return;
    }
    let objects = this.#objects.get(url);
    if (objects === undefined) this.#objects.set(url, (objects = new Map()));
    undo.push(setEntry(objects, obj, op === 'put' ? value : undefined));
    if (url === 'grid.slice.1') {
      const slice = value as Slice;
      undo.push(setEntry(this.#slices, sliceHash(slice), slice));
    }
  }

  /** Judges a record and keeps the states that follow; gives the code of a refusal. */
  #judge(record: GridRecord, undo: Undo[]): Refusal | undefined {
    const { seq, at, author, url, obj, op, value } = record;
    const moment = { seq, at };
    if (op === 'put' && recordTypes.get(url)?.fits(value) !== true) return 'MODEL_RECORD_INVALID';
    if (!maySpeak(this, author, moment)) return 'KEY_ENDED';
    const judged = { url, obj, op, author, moment, value };
    if (isIdentityUrl(url)) {
      const verdict = judgeIdentity(this, judged as JudgedRecord<IdentityUrl>);
      if (!verdict.isAccepted) return verdict.code;
      undo.push(...this.keepIdentity(verdict.state));
    } else if (isGridUrl(url)) {
      const verdict = judgeGrid(this, judged as JudgedRecord<GridUrl>);
      if (!verdict.isAccepted) return verdict.code;
      this.#keep(verdict.states, undo);
    } else if (isWalletUrl(url)) {
      const verdict = judgeWallet(this, judged as JudgedRecord<WalletUrl>);
      if (!verdict.isAccepted) return verdict.code;
      this.#keep(verdict.states, undo);
      if (verdict.postings.length > 0) {
        const entry = { seq, at, url, obj, value, postings: verdict.postings };
        undo.push(setEntry(this.#entries, seq, entry));
      }
    } else if (url === 'grid.presence.1') {
      this.#keep([attend(this, value as Presence)], undo);
    }
    return undefined;
  }

  #keep(states: readonly (GridState | WalletState)[], undo: Undo[]): void {
    for (const state of states) {
      undo.push(setEntry(this.#states, `${state.kind} ${state.id}`, state));
    }
  }
}

/** Whether this release knows the type, and it is one of those that rules are about. */
function isOfGrid({ url }: GridRecord): boolean {
  const namespace = recordTypes.get(url)?.namespace;
  return namespace === 'grid' || namespace === 'wallet';
}

/** Whether a key made this Ed25519 signature (base64url) for `keyProofDomain`. */
export function isKeyProof(key: string, payload: Uint8Array, signature: string): boolean {
  const bytes = Uint8Array.fromBase64(signature, { alphabet: 'base64url' });
  return PublicKey.fromText(key).verify(keyProofDomain, payload, bytes);
}
