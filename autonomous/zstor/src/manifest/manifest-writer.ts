import type { DatabaseSync } from 'node:sqlite';
import { GridError, systemClock } from '@commongrid/base';
import type { Clock } from '@commongrid/base';
import type { StoragePolicy } from '../blob/blob-writer.ts';
import type { Beside } from '../catalog/beside.ts';
import type { ZstorErrorCode } from '../errors.ts';
import type { CopyWriter } from './copies.ts';
import { manifestKey, sealManifest } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import { noteOwed, owedIn } from './manifest-tables.ts';

/** Versions whose manifests are missing; with more nothing new is begun. */
const owedMax = 10_000;
/** A manifest that is on its way for longer keeps what its version replaced. */
const lateMs = 5_000;

/** A manifest on its way to its nodes. */
interface Sent {
  readonly manifest: Manifest;
  readonly policy: StoragePolicy;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly kept: Promise<void>;
  sentMs: number;
}

/**
 * Sends the manifests of a batch of changes along with its record. Which of them may be missing stands
 * in the tables, so in the same record: the next head makes them.
 */
export class ManifestWriter implements Beside {
  readonly #key: Uint8Array;
  readonly #copies: CopyWriter;
  readonly #clock: Clock;
  #staged: Sent[] = [];
  /** In the order of sending. */
  readonly #underWay = new Set<Sent>();
  /** By id in hex: what could not be written, or was owed by the head before. */
  readonly #owed = new Map<string, Buffer>();
  /** Of the head that knows what is owed. */
  #epoch = -1;

  /** @param key of the store; seals all manifests */
  constructor(key: Uint8Array, copies: CopyWriter, clock: Clock = systemClock) {
    this.#key = key;
    this.#copies = copies;
    this.#clock = clock;
  }

  /** Resolves when m + 1 nodes have it. @throws ZSTOR_BACKENDS_TOO_FEW */
  write(manifest: Manifest, policy: StoragePolicy): Promise<void> {
    return this.#writeAll([manifest], policy);
  }

  /**
   * For whoever is about to make a version.
   * @throws ZSTOR_BACKENDS_TOO_FEW
   */
  requireNodes(policy: StoragePolicy): void {
    if (this.#owed.size >= owedMax) throw owesTooMuch();
    this.#copies.requireNodes(policy);
  }

  /**
   * To be called when the change that makes the version went through.
   * @returns resolves when m + 1 nodes have the manifest
   * @throws ZSTOR_CATALOG_RESULT_UNKNOWN: the version may be there, its manifest follows
   */
  stage(manifest: Manifest, policy: StoragePolicy): Promise<void> {
    const { promise: kept, resolve, reject } = Promise.withResolvers<void>();
    // When the change is not kept nobody waits for it.
    kept.catch(() => {});
    this.#staged.push({ manifest, policy, resolve, reject, kept, sentMs: 0 });
    return kept;
  }

  begin(): void {
    this.#staged = [];
  }

  note(db: DatabaseSync, epoch: number): void {
    if (this.#staged.length === 0) return;
    this.#learn(db, epoch);
    const ids = [...this.#underWay, ...this.#staged].map(({ manifest }) => manifest.versionId);
    noteOwed(db, [...this.#owed.values(), ...ids]);
  }

  send(): void {
    const staged = this.#staged;
    this.#staged = [];
    const nowMs = this.#clock.monotonicMs();
    for (const each of staged) {
      each.sentMs = nowMs;
      this.#underWay.add(each);
    }
    for (const [policy, some] of Map.groupBy(staged, (each) => each.policy)) {
      void this.#send(some, policy);
    }
  }

  /** Ids of versions whose manifests are to be made. */
  owed(db: DatabaseSync, epoch: number): readonly Buffer[] {
    this.#learn(db, epoch);
    return [...this.#owed.values()];
  }

  /** Nothing is owed for this version any more. */
  settle(versionId: Buffer): void {
    this.#owed.delete(versionId.toString('hex'));
  }

  /**
   * Resolves when all that was sent so far has ended.
   * @returns whether all versions in the tables have their manifests
   */
  async flush(db: DatabaseSync, epoch: number): Promise<boolean> {
    this.#learn(db, epoch);
    await Promise.allSettled([...this.#underWay].map(({ kept }) => kept));
    return this.#owed.size === 0;
  }

  /** Whether versions are without manifests for so long that what they replaced must stay. */
  get isLate(): boolean {
    const [oldest] = this.#underWay;
    const isSlow = oldest !== undefined && this.#clock.monotonicMs() - oldest.sentMs > lateMs;
    return isSlow || this.#owed.size > 0;
  }

  /** What the head before owed, this one owes. */
  #learn(db: DatabaseSync, epoch: number): void {
    if (epoch === this.#epoch) return;
    this.#owed.clear();
    for (const id of owedIn(db)) this.#owed.set(id.toString('hex'), id);
    this.#epoch = epoch;
  }

  async #send(sent: readonly Sent[], policy: StoragePolicy): Promise<void> {
    try {
      await this.#writeAll(
        sent.map(({ manifest }) => manifest),
        policy,
      );
      for (const { resolve } of sent) resolve();
    } catch (cause) {
      for (const { manifest, reject } of sent) {
        const id = Buffer.from(manifest.versionId);
        this.#owed.set(id.toString('hex'), id);
        reject(unknownResult(cause));
      }
    } finally {
      for (const each of sent) this.#underWay.delete(each);
    }
  }

  async #writeAll(manifests: readonly Manifest[], policy: StoragePolicy): Promise<void> {
    const [first] = manifests;
    if (first === undefined) return;
    const entries = manifests.flatMap((manifest) =>
      sealManifest(this.#key, manifest).map((value, part) => {
        return { key: manifestKey(manifest.versionId, part), value };
      }),
    );
    await this.#copies.write({ id: first.versionId, entries }, policy);
  }
}

function unknownResult(cause: unknown): GridError<ZstorErrorCode> {
  return new GridError(
    'ZSTOR_CATALOG_RESULT_UNKNOWN',
    'the version is there, unless this head ends now: its manifest could not be written yet',
    { hint: 'look whether it is there before you make it again', retryable: true, cause },
  );
}

function owesTooMuch(): GridError<ZstorErrorCode> {
  return new GridError('ZSTOR_BACKENDS_TOO_FEW', `${owedMax} manifests could not be written`, {
    hint: 'bring backends back, or add some to the backends file',
    retryable: true,
  });
}
