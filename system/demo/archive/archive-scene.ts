import type { Random } from '@commongrid/base';
import type { ContractId } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
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
  /** The built contract, once there is one. */
  contract?: { readonly id: ContractId; readonly file: string };
  /** The version of the page that runs, and what it says. */
  page?: { readonly id: ContractId; readonly text: string };
  /** What the log had when the bot of the buyer was killed. */
  killed?: { readonly locks: number; readonly escrows: number };
}

/** The contract of an earlier step. */
export function contractOf({ contract }: ArchiveScene): NonNullable<ArchiveScene['contract']> {
  if (contract === undefined) throw new Error('no contract was built');
  return contract;
}

/** @throws with the sentence, unless it is so */
export function must(isSo: boolean, sentence: string): void {
  if (!isSo) throw new Error(sentence);
}
