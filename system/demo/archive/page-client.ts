import type { ContractId } from '@commongrid/model';

import type { DemoNode } from '../demo-node.ts';
import type { DemoTown } from '../demo-town.ts';
import { placementOf } from './contract-places.ts';
import { pagePort } from './page-contract.ts';

/** For one answer, ms: a machine that lost its power says nothing at all, and a door waits for who takes its place. */
const answerMsMax = { node: 2_000, door: 20_000 } as const;

/** Waits until the page of a contract says this. @returns the machine that says it */
export function untilPage(town: DemoTown, contract: ContractId, text: string): Promise<DemoNode> {
  return town.until(`the page to say "${text}"`, async () => {
    const node = await pageNode(town, contract);
    return (
      node !== undefined && (await ask(town, addressOf(node), answerMsMax.node)) === text && node
    );
  });
}

/** The machine that the page of a contract is placed on; undefined where it is on none. */
export async function pageNode(
  town: DemoTown,
  contract: ContractId,
): Promise<DemoNode | undefined> {
  const [item] = await placementOf(town, contract);
  return town.nodes.find(({ id }) => id === item?.node);
}

/** What the page says at its door; undefined where nobody answers. */
export function askPage(town: DemoTown, door: string): Promise<string | undefined> {
  return ask(town, door, answerMsMax.door);
}

function addressOf({ address }: DemoNode): string {
  return `${address}:${pagePort}`;
}

async function ask(
  { signal }: DemoTown,
  address: string,
  timeoutMs: number,
): Promise<string | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const answer = await fetch(`http://${address}/`, {
      signal: limit,
      headers: { connection: 'close' },
    });
    return answer.ok ? (await answer.text()).trim() : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}
