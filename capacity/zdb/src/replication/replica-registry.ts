import path from 'node:path';
import type { Clock } from '@commongrid/base';
import { type Files, readWhole, replaceFile } from '@commongrid/files';
import { isReplicaId } from './replication-state.ts';

/** What is remembered of a replica. */
export interface KnownReplica {
  readonly id: string;
  /** Host and port as last seen. */
  address: string;
  /** Everything up to here is on its disk. */
  acknowledged: number;
  /** Deletions up to here were dropped before its copy began: it cannot miss them. */
  readonly baseline: number;
  seenMs: number;
}

const REPLICAS_NAME = 'replicas';
/** More are not remembered: the one that was seen longest ago makes room. */
const REPLICAS_MAX = 64;
const SCHEMA = 'zdb.replicas.1';

/**
 * The replicas that this store keeps deletions for: those that are connected, and those that were within
 * the retention time. In the file `replicas`, written when one comes or goes.
 */
export class ReplicaRegistry {
  readonly #files: Files;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #retentionMs: number;
  readonly #known: Map<string, KnownReplica>;

  constructor(files: Files, folder: string, clock: Clock, retentionMs: number) {
    this.#files = files;
    this.#path = path.join(folder, REPLICAS_NAME);
    this.#clock = clock;
    this.#retentionMs = retentionMs;
    this.#known = new Map(load(files, this.#path).map((one) => [one.id, one]));
  }

  get(id: string): KnownReplica | undefined {
    return this.#known.get(id);
  }

  list(): KnownReplica[] {
    return [...this.#known.values()];
  }

  put(replica: KnownReplica): void {
    this.#known.delete(replica.id);
    this.#known.set(replica.id, replica);
    const oldest = [...this.#known.values()].sort((a, b) => a.seenMs - b.seenMs);
    for (const one of oldest.slice(0, Math.max(0, this.#known.size - REPLICAS_MAX))) {
      this.#known.delete(one.id);
    }
    this.save();
  }

  /** False when no such replica is known. */
  forget(id: string): boolean {
    if (!this.#known.delete(id)) return false;
    this.save();
    return true;
  }

  /** Forgets all of them: they belong to another log. */
  clear(): void {
    if (this.#known.size === 0) return;
    this.#known.clear();
    this.save();
  }

  /**
   * Deletions up to this sequence may be dropped. Forgets replicas that have been away for too long.
   * @param connected ids that are there right now
   */
  deletionsUpTo(connected: ReadonlySet<string>): number {
    const since = this.#clock.nowMs() - this.#retentionMs;
    let lowest = Number.MAX_SAFE_INTEGER;
    let hasForgotten = false;
    for (const replica of this.#known.values()) {
      if (!connected.has(replica.id) && replica.seenMs < since) {
        hasForgotten = this.#known.delete(replica.id);
        continue;
      }
      lowest = Math.min(lowest, replica.acknowledged);
    }
    if (hasForgotten) this.save();
    return lowest;
  }

  save(): void {
    const body = { schema: SCHEMA, replicas: this.list() };
    replaceFile(this.#files, this.#path, Buffer.from(`${JSON.stringify(body)}\n`));
  }
}

/** A file that cannot be read costs full copies at worst: replicas register anew. */
function load(files: Files, file: string): KnownReplica[] {
  if (!files.existsSync(file)) return [];
  try {
    const body: unknown = JSON.parse(readWhole(files, file).toString('utf8'));
    if (typeof body !== 'object' || body === null || !('replicas' in body)) return [];
    return Array.isArray(body.replicas) ? body.replicas.filter(isKnownReplica) : [];
  } catch {
    return [];
  }
}

function isKnownReplica(value: unknown): value is KnownReplica {
  if (typeof value !== 'object' || value === null) return false;
  const { id, address, acknowledged, baseline, seenMs } = value as Partial<KnownReplica>;
  return (
    typeof id === 'string' &&
    isReplicaId(id) &&
    typeof address === 'string' &&
    [acknowledged, baseline, seenMs].every((one) => Number.isSafeInteger(one))
  );
}
