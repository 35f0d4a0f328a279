import { closeOnce, isGridError, Mutex, repeat, silentLogger, systemClock } from '@commongrid/base';
import type { Clock, Logger } from '@commongrid/base';
import type { BotId, Volume } from '@commongrid/model';
import type { FactStore } from '../machine/machine.ts';
import type { BackupTarget } from '../ports.ts';
import { backupName } from './backup-name.ts';
import type { Volumes } from './volumes.ts';

/** A volume that is to be looked after. */
export interface CaredVolume {
  readonly key: string;
  readonly tenant: BotId;
  readonly volume: Pick<Volume, 'snapshots' | 'backups'>;
  /** The machine's id of the container's 0. */
  readonly ownerUid: number;
}

export interface VolumeCareOptions {
  readonly volumes: Volumes;
  readonly facts: FactStore;
  /** Without one no backups are made. */
  readonly backups?: BackupTarget | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How often it is looked whether something is due, ms. */
const lookEveryMs = 10_000;

/**
 * Makes the snapshots and backups that volumes ask for, and drops those that are too many. When each
 * was last made is kept, so that a restart makes none twice. What fails is tried at the next look.
 */
export class VolumeCare implements AsyncDisposable {
  readonly close: () => Promise<void>;
  readonly #options: VolumeCareOptions;
  readonly #clock: Clock;
  readonly #turn = new Mutex();
  readonly #cared = new Map<string, CaredVolume>();

  constructor(options: VolumeCareOptions) {
    const { clock = systemClock, logger = silentLogger } = options;
    this.#options = options;
    this.#clock = clock;
    const closing = new AbortController();
    const looking = repeat(lookEveryMs, () => this.look(closing.signal), {
      ...{ signal: closing.signal, clock },
      onError: (err) => logger.warn({ err }, 'a volume cannot be looked after'),
    });
    this.close = closeOnce(async () => {
      closing.abort();
      await looking;
    });
  }

  take(volume: CaredVolume): void {
    this.#cared.set(volume.key, volume);
  }

  leave(key: string): void {
    this.#cared.delete(key);
  }

  /** Does what is due now. */
  look(signal: AbortSignal): Promise<void> {
    return this.#turn.run(() => this.#look(signal));
  }

  async #look(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const volume of this.#cared.values()) {
      try {
        await this.#lookAfter(volume, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures.push(error);
      }
    }
    const [first] = failures;
    if (first instanceof Error) throw first;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #lookAfter(cared: CaredVolume, signal: AbortSignal): Promise<void> {
    const { key, volume } = cared;
    const { snapshots, backups } = volume;
    if (snapshots !== undefined && this.#isDue(`snapshot ${key}`, snapshots.everySeconds)) {
      await this.#snapshot(key, snapshots.keep);
    }
    const { backups: target } = this.#options;
    if (target === undefined || backups === undefined) return;
    if (!this.#isDue(`backup ${key}`, backups.everySeconds)) return;
    await this.#backup({ ...cared, keep: backups.keep, target }, signal);
  }

  async #snapshot(key: string, keep: number): Promise<void> {
    const { volumes } = this.#options;
    await volumes.snapshot(key, nameOf('auto', this.#clock.nowMs()));
    this.#done(`snapshot ${key}`);
    const own = (await volumes.snapshots(key)).filter((name) => name.startsWith('auto-'));
    for (const name of own.slice(0, -keep)) await volumes.dropSnapshot(key, name);
  }

  async #backup(order: BackupOrder, signal: AbortSignal): Promise<void> {
    const { volumes } = this.#options;
    const { key, tenant, ownerUid, keep, target } = order;
    const snapshot = 'backup-now';
    const name = backupName(tenant, `${key}/${nameOf('auto', this.#clock.nowMs())}`);
    // One of a backup that was killed is of another time.
    await this.#dropIfThere(key, snapshot);
    await volumes.snapshot(key, snapshot);
    try {
      await volumes.backup(key, snapshot, { target, name, ownerUid, signal });
    } finally {
      await volumes.dropSnapshot(key, snapshot);
    }
    this.#done(`backup ${key}`);
    const own = await target.list(backupName(tenant, `${key}/auto-`), signal);
    for (const old of own.slice(0, -keep)) await target.delete(old, signal);
  }

  async #dropIfThere(key: string, snapshot: string): Promise<void> {
    const { volumes } = this.#options;
    try {
      if ((await volumes.snapshots(key)).includes(snapshot))
        await volumes.dropSnapshot(key, snapshot);
    } catch (error) {
      if (!isGridError(error, 'NODE_SNAPSHOT_UNKNOWN')) throw error;
    }
  }

  /** Also when the clock was set back: nothing waits for longer than its time. */
  #isDue(what: string, everySeconds: number): boolean {
    const last = this.#options.facts.fact(`made ${what}`);
    const [lastMs, nowMs] = [Number(last), this.#clock.nowMs()];
    return last === undefined || nowMs >= lastMs + everySeconds * 1000 || nowMs < lastMs;
  }

  #done(what: string): void {
    this.#options.facts.setFact(`made ${what}`, String(this.#clock.nowMs()));
  }
}

interface BackupOrder extends Pick<CaredVolume, 'key' | 'tenant' | 'ownerUid'> {
  readonly keep: number;
  readonly target: BackupTarget;
}

/** Names that sort by time: `auto-2026-11-21t22-30-00`. */
function nameOf(kind: string, atMs: number): string {
  return `${kind}-${new Date(atMs).toISOString().slice(0, 19).toLowerCase().replaceAll(':', '-')}`;
}
