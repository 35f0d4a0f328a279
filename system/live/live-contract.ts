import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@commongrid/base';
import { buildContract, draftFileOf, secretsText } from '@commongrid/contract';
import type { BuiltContract, ContractDefinition } from '@commongrid/contract';
import { SigningKey } from '@commongrid/crypto';
import { approvalHash, workloadIdOf } from '@commongrid/model';
import type { Approval, BotId, ContractId, KeyText, WorkloadId } from '@commongrid/model';
import type { LiveGrid } from './live-grid.ts';

/** A contract of the buyer whose one replica waits, and does nothing else. */
export interface LiveContract {
  readonly id: ContractId;
  readonly workload: WorkloadId;
}

/** Approvals count for so long, ms. */
const approvalTtlMs = 600_000;
const role = 'web';

/** Makes contracts, and signs for their owner. */
export class LiveContracts {
  readonly #live: LiveGrid;
  readonly #log: string;
  readonly #controller: KeyText;
  #made = 0;

  private constructor(live: LiveGrid, log: string, controller: KeyText) {
    this.#live = live;
    this.#log = log;
    this.#controller = controller;
  }

  static async open(live: LiveGrid): Promise<LiveContracts> {
    const folder = join(live.grid.home, 'bots', 'buyer');
    const { trust } = JSON.parse(await readFile(join(folder, 'bot.json'), 'utf8')) as {
      readonly trust: { readonly log: string };
    };
    const seed = (await readFile(join(folder, 'device-key'), 'utf8')).trim();
    const key = SigningKey.fromSeed(Buffer.from(seed, 'base64url'));
    return new LiveContracts(live, trust.log, key.publicKey.text as KeyText);
  }

  /** In the log, and with its controller; nobody agreed to it yet. @param only where it is placed at first */
  async propose(only: string, change: Partial<ContractDefinition> = {}): Promise<LiveContract> {
    const id = await this.offer([only], change);
    return { id, workload: workloadIdOf(id, role, 0) };
  }

  /** The same, with roles of its own. */
  async offer(only: readonly string[], change: Partial<ContractDefinition>): Promise<ContractId> {
    const built = await this.#build(change);
    const { id, header } = built.draft;
    const secrets: unknown = JSON.parse(secretsText(built) ?? 'null') ?? undefined;
    await this.#live.call('contracts.adopt', { draft: draftFileOf(built), secrets, only });
    await this.#live.say('grid.contract.1', id, header);
    return id;
  }

  /** The owner agrees; he is the only one who has to. */
  async approve(contract: ContractId, action: 'provision' | 'remove'): Promise<void> {
    const hash = approvalHash({ log: this.#log, action, contract });
    const signer = this.#live.buyer as BotId;
    const says = { contract, signer, role: 'owner', action, hash, verdict: 'approve' } as const;
    const value: Approval = { ...says, expMs: Date.now() + approvalTtlMs };
    await this.#live.say('grid.approval.1', `${signer}/${hash}`, value);
  }

  async #build(change: Partial<ContractDefinition>): Promise<BuiltContract> {
    const definition: ContractDefinition = {
      ...{ name: `bench-${this.#made++}`, days: 2 },
      budget: { currency: 'GRD', perMonth: '50000000', total: '50000000' },
      roles: [waiting()],
      ...change,
    };
    return buildContract(definition, {
      ...{ log: this.#log, owner: this.#live.buyer as BotId, controller: this.#controller },
      ...{ at: Date.now(), folder: this.#live.grid.home },
      draw: (count) => systemRandom.bytes(count),
      resolveImage: async () => this.#live.image,
      findBot: async () => undefined,
      findSeal: async () => undefined,
    });
  }
}

/** Half a core: with less the last steps of the runtime would be what is measured. */
export function waiting(
  change: Partial<ContractDefinition['roles'][number]> = {},
): ContractDefinition['roles'][number] {
  return {
    ...{ name: role, cpu: 0.5, memory: '32MiB' },
    container: {
      ...{ image: 'base', entrypoint: ['sleep', '100000'], rootBytes: '32MiB' },
      stop: { signal: 'SIGKILL', graceSeconds: 1 },
    },
    ...change,
  } as ContractDefinition['roles'][number];
}
