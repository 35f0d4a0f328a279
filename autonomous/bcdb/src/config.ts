import { join } from 'node:path';
import type { Clock, Logger } from '@commongrid/base';
import type { SigningKey } from '@commongrid/crypto';
import type { PostgresServers } from './ledger/open-ledger.ts';
import type { PresenceTimes } from './presence/presence.ts';

export interface BcdbOptions {
  /** Folder of the database; made when missing. */
  readonly dataDir: string;
  /** Key of the owner: admin of a log that is made, and in whose name `write` signs. */
  readonly owner: SigningKey;
  /** Keys that sign releases of the software; decided when the log is made. Default: none. */
  readonly releaseKeys?: readonly string[];
  /** Whether any key may create namespaces; decided when the log is made. Default false. */
  readonly isOpen?: boolean;
  /** PostgreSQL servers that keep the log; without them it is in files of the folder. */
  readonly postgres?: PostgresServers;
  /** When a silent node is suspect and gone. */
  readonly presence?: PresenceTimes;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/**
 * Where a database keeps what; all but `genesis`, `log`, `presence` and `sequencer.key` can be made
 * again.
 */
export class BcdbFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get genesis(): string {
    return join(this.path, 'genesis.json');
  }

  /** The sequencer's private key. */
  get sequencerKey(): string {
    return join(this.path, 'sequencer.key');
  }

  get log(): string {
    return join(this.path, 'log');
  }

  /** The log that a handover leaves, while it is being copied. */
  get nextLog(): string {
    return join(this.path, 'log.next');
  }

  /** A handover that was stated and not applied yet, with its private key. */
  get pendingHandover(): string {
    return join(this.path, 'handover.pending.json');
  }

  /** Says that a backup was restored, and how far it goes. */
  get restored(): string {
    return join(this.path, 'restored.json');
  }

  get tree(): string {
    return join(this.path, 'tree');
  }

  get state(): string {
    return join(this.path, 'state.sqlite');
  }

  get projection(): string {
    return join(this.path, 'projection');
  }

  /** All that follows from the log and is made again from it. */
  get derived(): readonly string[] {
    return [this.tree, this.erasures, ...this.judged];
  }

  /** What judging the records of the log gave. */
  get judged(): readonly string[] {
    const state = ['', '-wal', '-shm', '-journal'].map((end) => `${this.state}${end}`);
    return [this.projection, ...state];
  }

  /** Of a copy: there when payloads came into the log that it was judged without. */
  get stale(): string {
    return join(this.path, 'stale');
  }

  /** How far erasures were carried out. */
  get erasures(): string {
    return join(this.path, 'erasures.json');
  }

  /** Presence that no summary in the log tells yet. */
  get presence(): string {
    return join(this.path, 'presence.jsonl');
  }

  /** Of a copy: the newest head of the sequencer up to which it has all records, as a signed note. */
  get checkpoint(): string {
    return join(this.path, 'checkpoint');
  }

  get evidence(): string {
    return join(this.path, 'evidence');
  }
}
