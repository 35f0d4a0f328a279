import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

import { errorCode, reservePort } from '@commongrid/base';
import type { Logger } from '@commongrid/base';

import type { GridHome } from '../home.ts';
import type { DoorCounts } from './door-counts.ts';
import type { DoorPlan } from './door-plan.ts';
import { Door } from './door.ts';
import type { DoorReport } from './front-door-report.ts';

export interface DoorsOptions {
  readonly home: Pick<GridHome, 'nodeZdbPortFile' | 'noNodeFile'>;
  readonly logger: Logger;
  readonly counts: DoorCounts;
  /** Ports that doors had, by their keys. */
  readonly ports: Readonly<Record<string, number>>;
}

interface OpenDoor {
  readonly door: Door;
  readonly plan: DoorPlan;
}

/** Why a port is not to be had. */
const taken: ReadonlySet<string | undefined> = new Set(['EADDRINUSE', 'EACCES']);

/** The doors that are open, each at the port that it keeps for as long as it is wanted. */
export class Doors implements AsyncDisposable {
  readonly #options: DoorsOptions;
  readonly #open = new Map<string, OpenDoor>();
  readonly #ports: Map<string, number>;
  /** Why doors that are wanted are not open, by their keys. */
  readonly #shut = new Map<string, string>();

  constructor(options: DoorsOptions) {
    this.#options = options;
    this.#ports = new Map(Object.entries(options.ports));
  }

  /** Port of each door that is wanted. */
  get ports(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#ports);
  }

  /**
   * Opens, leads and closes doors so that these are there, and no others. One call at a time. A door that cannot be
   * opened holds up no other one; each call tries it again.
   */
  async settle(plans: readonly DoorPlan[]): Promise<void> {
    const wanted = new Map(plans.map((plan) => [plan.key, plan]));
    for (const [key, { door }] of this.#open) {
      const plan = wanted.get(key);
      if (plan !== undefined && plan.endpoint.kind === door.kind && !this.#isInTheWay(door, plan))
        continue;
      this.#open.delete(key);
      await door.close();
    }
    for (const key of this.#ports.keys()) if (!wanted.has(key)) this.#ports.delete(key);
    for (const key of this.#shut.keys()) if (!wanted.has(key)) this.#shut.delete(key);
    for (const [key, { door }] of this.#open) {
      const plan = wanted.get(key);
      if (plan === undefined) continue;
      door.lead(plan.targets);
      this.#open.set(key, { door, plan });
    }
    // Nobody gets a port that another one is to find again.
    const keptFirst = plans.toSorted(
      (a, b) => Number(this.#ports.has(b.key)) - Number(this.#ports.has(a.key)),
    );
    for (const plan of keptFirst) if (!this.#open.has(plan.key)) await this.#add(plan);
  }

  /** Looks at machines that are in use. */
  async look(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ door }) => door.look()));
  }

  report(): readonly DoorReport[] {
    return [...this.#open.values()].map(reportOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ door }) => door.close()));
  }

  async #add(plan: DoorPlan): Promise<void> {
    const { key, endpoint } = plan;
    try {
      const door = await this.#openAt(plan);
      door.lead(plan.targets);
      this.#open.set(key, { door, plan });
      this.#ports.set(key, door.port);
      this.#shut.delete(key);
    } catch (err) {
      const why = errorCode(err) ?? String(err);
      if (this.#shut.get(key) === why) return;
      this.#shut.set(key, why);
      const { contract, role, port } = endpoint;
      this.#options.logger.error({ err, contract, role, port }, 'a door cannot be opened');
    }
  }

  /** At the port that it had, else at the published number, else at a free one. */
  async #openAt(plan: DoorPlan): Promise<Door> {
    const { key, endpoint } = plan;
    const { logger, counts } = this.#options;
    const kept = this.#ports.get(key);
    const own = this.#mustYield(plan) ? [] : [endpoint.publish];
    const usable = [kept, ...own].filter(
      (port) => port !== undefined && (port !== endpoint.publish || own.length > 0),
    );
    for (const port of [...usable, await reservePort()]) {
      try {
        const door = await Door.open({ kind: endpoint.kind, port: port ?? 0, counts, logger });
        const fields = { contract: endpoint.contract, role: endpoint.role, address: door.address };
        logger.info(fields, 'a door is open');
        if (kept !== undefined && kept !== door.port)
          logger.warn({ ...fields, former: kept }, 'a door has another port than before');
        return door;
      } catch (error) {
        if (!taken.has(errorCode(error))) throw error;
      }
    }
    throw new Error(`no port is free for ${endpoint.role} of ${endpoint.contract}`);
  }

  #isInTheWay(door: Door, plan: DoorPlan): boolean {
    return door.port === plan.endpoint.publish && this.#mustYield(plan);
  }

  /**
   * Whether a node may want the number itself: one publishes nothing where somebody listens. A node of this machine
   * is reached there without a door.
   */
  #mustYield({ targets }: DoorPlan): boolean {
    const { home } = this.#options;
    if (existsSync(home.nodeZdbPortFile) && !existsSync(home.noNodeFile)) return true;
    const own = new Set(
      Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address)),
    );
    return targets.some(({ address }) => own.has(address.replace(/:\d+$/, '')));
  }
}

function reportOf({ door, plan: { endpoint, targets } }: OpenDoor): DoorReport {
  const { contract, name, role, port, kind, publish } = endpoint;
  const { address, active = null, connections } = door;
  const replicas = targets.map((one) => {
    return { contract: one.contract, address: one.address, isReady: one.isReady };
  });
  return { contract, name, role, port, address, kind, publish, active, connections, replicas };
}
