import type { ContractId, RecordOf } from '@commongrid/model';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { pagePort } from './page-contract.ts';

/** For one answer, ms: a machine that lost its power says nothing at all. */
const answerMsMax = 2_000;

/** Waits until the page of a contract says this. @returns the machine that says it */
export function untilPage(town: DemoTown, contract: ContractId, text: string): Promise<DemoNode> {
  return town.until(`the page to say "${text}"`, async () => {
    const node = await pageNode(town, contract);
    return node !== undefined && (await askPage(town, node)) === text && node;
  });
}

/** The machine that the page of a contract is placed on; undefined where it is on none. */
export async function pageNode(
  { client, nodes }: DemoTown,
  contract: ContractId,
): Promise<DemoNode | undefined> {
  const { objects } = await client.find('grid', { url: 'grid.placement.1', limit: 1_000 });
  const placements = objects.map(({ value }) => value as RecordOf<'grid.placement.1'>);
  const [item] = placements.find((one) => one.contract === contract)?.items ?? [];
  return nodes.find(({ id }) => id === item?.node);
}

/** What the page on a machine says; undefined where nobody answers. */
export async function askPage(
  { signal }: DemoTown,
  { address }: DemoNode,
): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)]);
  try {
    const answer = await fetch(`http://${address}:${pagePort}/`, { signal: limit });
    return answer.ok ? (await answer.text()).trim() : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
