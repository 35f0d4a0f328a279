import { isGridError, Mutex } from '@commongrid/base';
import type { WorkloadId } from '@commongrid/model';

import { runNft } from '../sys/nft.ts';
import type { Networked } from './networked.ts';
import { changeText, rulesetText } from './ruleset.ts';
import type { Ruled, RulesetSettings } from './ruleset.ts';

/**
 * Holds the table of nft to the workloads that are wanted. Changes that come together are one run of
 * nft. One that fails, because somebody else emptied or changed the table, is followed by the whole
 * table anew.
 */
export class Firewall {
  readonly #settings: RulesetSettings;
  readonly #linkOf: (id: WorkloadId) => string;
  readonly #mutex = new Mutex();
  readonly #wanted = new Map<WorkloadId, Networked & Ruled>();
  /** What the kernel was last told. */
  readonly #told = new Map<WorkloadId, Ruled>();
  readonly #untold = new Set<WorkloadId>();

  constructor(settings: RulesetSettings, linkOf: (id: WorkloadId) => string) {
    this.#settings = settings;
    this.#linkOf = linkOf;
  }

  get(id: WorkloadId): Networked | undefined {
    return this.#wanted.get(id);
  }

  /** The workload that has a port of the node's address. */
  ownerOf(protocol: 'tcp' | 'udp', published: number): Networked | undefined {
    return this.#wanted
      .values()
      .find(({ ports }) =>
        ports.some((port) => port.protocol === protocol && port.publish === published),
      );
  }

  /** Notes what is wanted, at once; the kernel knows after `commit`. */
  want(workload: Networked): void {
    const tenantNumber = this.#numberOf(workload);
    const link = this.#linkOf(workload.id);
    this.#wanted.set(workload.id, { ...workload, tenantNumber, link });
    this.#untold.add(workload.id);
  }

  unwant(id: WorkloadId): void {
    this.#wanted.delete(id);
    this.#untold.add(id);
  }

  /** Tells the kernel all that it was not told. */
  async commit(): Promise<void> {
    await this.#mutex.run(async () => {
      if (this.#untold.size === 0) return;
      const ids = [...this.#untold];
      const { table } = this.#settings;
      const wanted = new Map(ids.map((id) => [id, this.#wanted.get(id)]));
      const lines = ids.flatMap((id) => changeText(table, this.#told.get(id), wanted.get(id)));
      try {
        if (lines.length > 0) await runNft(`${lines.join('\n')}\n`);
      } catch (error) {
        if (!isGridError(error) || error.code !== 'BASE_PROGRAM_FAILED') throw error;
        await this.#replace();
        return;
      }
      for (const [id, workload] of wanted) this.#noteTold(id, workload);
    });
  }

  /** Loads the whole table, whatever the kernel has of it. */
  async reload(): Promise<void> {
    await this.#mutex.run(() => this.#replace());
  }

  async #replace(): Promise<void> {
    const wanted = new Map(this.#wanted);
    await runNft(rulesetText(this.#settings, [...wanted.values()]));
    for (const id of new Set([...this.#told.keys(), ...this.#untold])) {
      this.#noteTold(id, wanted.get(id));
    }
    for (const [id, workload] of wanted) this.#noteTold(id, workload);
  }

  #noteTold(id: WorkloadId, workload: Ruled | undefined): void {
    if (workload === undefined) this.#told.delete(id);
    else this.#told.set(id, workload);
    // It may be wanted otherwise since.
    if (this.#wanted.get(id) === workload) this.#untold.delete(id);
  }

  /** The number of the tenant's other workloads, or the least that nobody has. */
  #numberOf({ tenant }: Networked): number {
    const numbers = new Set<number>();
    for (const other of this.#wanted.values()) {
      if (other.tenant === tenant) return other.tenantNumber;
      numbers.add(other.tenantNumber);
    }
    let number = 1;
    while (numbers.has(number)) number++;
    return number;
  }
}
