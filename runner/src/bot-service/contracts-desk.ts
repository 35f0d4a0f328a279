import type { Logger } from '@commongrid/base';
import { Controller } from '@commongrid/contract';
import type {
  ContractPapers,
  ControlledContract,
  ControllerMemory,
  LockMarket,
  ProposalPapers,
} from '@commongrid/contract';
import type { ContractId } from '@commongrid/model';
import type { BlockedContract } from '@commongrid/threebot';

import type { BotGrid } from './bot-grid.ts';
import type { ContractStanding, ControllerDesk } from './contracts-actor.ts';
import type { ContractStores } from '../contract-store/contract-stores.ts';
import { probeNode } from './probe-node.ts';

export interface ContractsDeskOptions {
  readonly grid: BotGrid;
  readonly papers: ContractPapers;
  /** Without one, nothing is rented from others. */
  readonly market?: LockMarket | undefined;
  /** Without them, former namespaces of stores are never given up. */
  readonly stores?: ContractStores | undefined;
  /** Without one, a controller that is started anew knows nothing of a storm that it is in. */
  readonly memory?: ControllerMemory | undefined;
  /** Without it, nothing is drafted for what a contract does not allow. */
  readonly proposals?: ProposalPapers | undefined;
  /** Gets each change of what a contract waits for. */
  readonly onBlocked?: (() => void) | undefined;
  readonly logger: Logger;
}

/** The controller of contracts, over the grid as a bot has it, and what it says of itself. */
export class ContractsDesk implements ControllerDesk, AsyncDisposable {
  readonly #controller: Controller;
  readonly #papers: ContractPapers;
  readonly #stores: ContractStores | undefined;

  private constructor(options: ContractsDeskOptions) {
    const { grid, papers, market, stores, memory, proposals, onBlocked, logger } = options;
    this.#papers = papers;
    this.#stores = stores;
    this.#controller = Controller.open({
      ...{ grid, papers, market, memory, logger, leases: grid.leases, dispersed: stores },
      ...{ proposals, onBlocked },
      probe: { answers: ({ addresses }, { signal }) => probeNode(addresses, { signal }) },
    });
  }

  static open(options: ContractsDeskOptions): ContractsDesk {
    return new ContractsDesk(options);
  }

  standingOf(id: ContractId): ContractStanding {
    const known = this.#controller.status().find((one) => one.id === id);
    return {
      contract: id,
      name: this.#papers.of(id)?.draft.header.name ?? '',
      phase: known?.status?.phase ?? null,
      blocked: (known?.blocked ?? []).map((one) => ({ ...one, slots: [...one.slots] })),
      silent: (known?.silent ?? []).map((one) => ({ ...one })),
      steps: (known?.steps ?? []).map((one) => ({ ...one })),
      store: this.#stores?.standingOf(id, known?.status?.workloads ?? []) ?? null,
    };
  }

  /** All that it controls. */
  all(): readonly ControlledContract[] {
    return this.#controller.status();
  }

  /** What contracts wait for, those that wait for something. */
  blocked(): readonly BlockedContract[] {
    return this.#controller.blocked().map(({ id: contract, blocked }) => {
      return { contract, name: this.#papers.of(contract)?.draft.header.name ?? contract, blocked };
    });
  }

  look(): void {
    this.#controller.look();
  }

  releaseBrake(): boolean {
    return this.#controller.releaseBrake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#controller.close();
  }
}
