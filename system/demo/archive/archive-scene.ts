import type { Random } from '@commongrid/base';
import type { ContractId, LockId } from '@commongrid/model';

import type { Rclone } from '../data/rclone.ts';
import type { Traffic } from '../data/traffic.ts';
import type { DemoBot } from '../demo-bot.ts';
import type { DemoNode } from '../demo-node.ts';
import type { DemoTown, TownFarm } from '../demo-town.ts';
import type { AlteredProgram } from './altered-program.ts';
import type { StoreSecrets } from './archive-contract.ts';
import type { Shards } from './archive-sizes.ts';

/** What the steps of the archive work on, and what they leave for each other. */
export interface ArchiveScene {
  readonly town: DemoTown;
  readonly shards: Shards;
  /** Of the objects that are loaded, bytes. */
  readonly dataBytes: number;
  readonly secrets: StoreSecrets;
  /** Chooses who is killed. */
  readonly random: Random;
  /** How many times slower than promised or usual things may be: 1, and more on a machine that has other work to do. */
  readonly slack: number;
  /** After so many writes clients remove one of what they wrote. Default never. */
  readonly removedEvery?: number;
  /** The built contract, once there is one. */
  contract?: { readonly id: ContractId; readonly file: string };
  /** A place that was paid for, and its farmer, who was killed then: ms of `performance.now()`. */
  abandoned?: {
    readonly lock: LockId;
    readonly amount: bigint;
    readonly farmer: DemoBot;
    readonly killedMs: number;
  };
  /** A client of the store, once it was loaded. */
  client?: Rclone;
  /** What goes on beside the steps from then on; whoever runs them stops it. */
  traffic?: Traffic;
  /** The version of the page that runs, what it says, and at which address of this machine all versions are found. */
  page?: { readonly id: ContractId; readonly text: string; readonly door: string };
  /** What may run in the country of one farm alone, and where it does. */
  notice?: {
    readonly id: ContractId;
    readonly farm: TownFarm;
    readonly node: DemoNode;
    /** SHA-256 of the only program of its image, hex. */
    readonly programSum: string;
  };
  /** Machines that an earlier step left without power. */
  dark?: readonly DemoNode[];
  /** What somebody changed on the disk of a machine that had no power. */
  altered?: AlteredProgram;
  /** What the log had when the bot of the buyer was killed. */
  killed?: { readonly locks: number; readonly escrows: number };
}

/** The contract of an earlier step. */
export function contractOf({ contract }: ArchiveScene): NonNullable<ArchiveScene['contract']> {
  if (contract === undefined) throw new Error('no contract was built');
  return contract;
}

/** The clients of the store that an earlier step loaded. */
export function storeOf({ client, traffic }: ArchiveScene): {
  readonly client: Rclone;
  readonly traffic: Traffic;
} {
  if (client === undefined || traffic === undefined) throw new Error('no data was loaded');
  return { client, traffic };
}

/** @throws with the sentence, unless it is so */
export function must(isSo: boolean, sentence: string): void {
  if (!isSo) throw new Error(sentence);
}
