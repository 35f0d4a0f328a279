import { GridError } from '@commongrid/base';
import type { Volume } from '@commongrid/model';
import type { Assignment } from '../assignment.ts';
import { uidStartOf } from '../container/uid-ranges.ts';
import type { Driver, DriverContext, Observation, Remains } from '../driver.ts';
import type { FactStore } from '../machine/machine.ts';
import type { NodeErrorCode } from '../errors.ts';
import type { BackupTarget } from '../ports.ts';
import { shortIdOf } from '../short-id.ts';
import { backupName } from './backup-name.ts';
import type { VolumeCare } from './volume-care.ts';
import type { Volumes } from './volumes.ts';

export interface VolumeDriverOptions {
  readonly volumes: Volumes;
  readonly facts: FactStore;
  /** Makes snapshots and backups. */
  readonly care: VolumeCare;
  /** Where `restore` is taken from; without one such volumes cannot be made. */
  readonly backups?: BackupTarget | undefined;
}

/**
 * Volumes as workloads. One runs when containers may use it: that is a note, as nothing of a volume
 * moves by itself.
 */
export class VolumeDriver implements Driver {
  readonly #options: VolumeDriverOptions;

  constructor(options: VolumeDriverOptions) {
    this.#options = options;
  }

  async prepare(assignment: Assignment, { signal }: DriverContext): Promise<void> {
    const { volumes, facts, backups } = this.#options;
    const { key, tenant, contract, replica } = assignment;
    const { sizeBytes, cloneOf, restore, backups: wanted } = volumeOf(assignment);
    if (backups === undefined && (restore ?? wanted) !== undefined) throw noBackups();
    const ownerUid = uidStartOf(facts, tenant);
    const source = cloneOf && shortIdOf(`${contract}/${cloneOf}/${replica}`);
    await volumes.create(key, { sizeBytes, ownerUid, cloneOf: source });
    if (
      restore !== undefined &&
      backups !== undefined &&
      facts.fact(restoredFact(key)) !== restore
    ) {
      const name = backupName(tenant, restore);
      await volumes.restore(key, { target: backups, name, ownerUid, signal });
      facts.setFact(restoredFact(key), restore);
    }
    facts.setFact(useFact(key), 'prepared');
  }

  async start({ key }: Assignment): Promise<void> {
    this.#options.facts.setFact(useFact(key), String(Date.now()));
  }

  async attend(assignment: Assignment): Promise<void> {
    const { care, facts } = this.#options;
    const { key, tenant } = assignment;
    const ownerUid = uidStartOf(facts, tenant);
    care.take({ key, tenant, volume: volumeOf(assignment), ownerUid });
  }

  async observe(key: string): Promise<Observation> {
    const { facts } = this.#options;
    const use = facts.fact(useFact(key)) ?? '';
    if (use === '' || !(await this.#isThere(key))) return { state: 'absent' };
    return use === 'prepared' ? { state: 'prepared' } : { state: 'running', sinceMs: Number(use) };
  }

  async probe({ key }: Assignment): Promise<void> {
    await this.#options.volumes.usage(key);
  }

  async stop({ key }: Assignment): Promise<void> {
    this.#options.care.leave(key);
    this.#options.facts.setFact(useFact(key), 'prepared');
  }

  async release(key: string): Promise<void> {
    this.#options.care.leave(key);
    this.#options.facts.setFact(useFact(key), '');
  }

  async destroy(key: string): Promise<void> {
    const { volumes, facts } = this.#options;
    await volumes.remove(key);
    facts.setFact(restoredFact(key), '');
  }

  async list(): Promise<readonly Remains[]> {
    const { volumes } = this.#options;
    return Promise.all(
      (await volumes.list()).map(async (key) => {
        const { usedBytes } = await volumes.usage(key);
        return { key, dataBytes: Math.max(1, usedBytes) };
      }),
    );
  }

  /** Volumes do not change by themselves. */
  watch(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }

  async #isThere(key: string): Promise<boolean> {
    return (await this.#options.volumes.list()).includes(key);
  }
}

function volumeOf({ role }: Assignment): Volume {
  const { volume } = role.workload;
  if (volume !== undefined) return volume;
  throw new Error('the role is no volume');
}

function noBackups(): GridError<NodeErrorCode> {
  return new GridError('NODE_FEATURE_MISSING', 'this node has no place for backups', {
    hint: 'place it on a node that was started with --backups',
  });
}

function useFact(key: string): string {
  return `use ${key}`;
}

function restoredFact(key: string): string {
  return `restored ${key}`;
}
