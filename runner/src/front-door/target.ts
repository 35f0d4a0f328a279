import type { AddressText } from './dial.ts';

/** Where a replica is reached. */
export interface Target {
  readonly address: AddressText;
  /** Contract of the replica; of two that hand over the newer one comes first. */
  readonly contract: string;
  /** By the log. */
  readonly isReady: boolean;
  /** It moves, and goes on here until it is ready elsewhere. */
  readonly isFormer: boolean;
}

/**
 * Targets in the order in which they are to be tried. Where a contract has ready ones, those of others that have
 * none are left out: a version that is never well answers all the same. Of equals the one that worked last
 * comes first.
 */
export function inOrder(
  targets: readonly Target[],
  preferred: AddressText | undefined,
): readonly Target[] {
  const ready = new Set(
    targets.flatMap(({ isReady, isFormer, contract }) => (isReady && !isFormer ? contract : [])),
  );
  const usable = ready.size === 0 ? targets : targets.filter(({ contract }) => ready.has(contract));
  const rank = ({ address, isReady, isFormer }: Target): number =>
    Number(isFormer) * 4 + Number(!isReady) * 2 + Number(address !== preferred);
  return usable.toSorted((a, b) => rank(a) - rank(b));
}
