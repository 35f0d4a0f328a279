import { waitFor } from '@commongrid/base';

import { openPlanned } from '../test/support/node-town.ts';
import type { NodePlan } from '../test/support/node-town.ts';
import type { AgentWord } from './bench-node.ts';

/** A node in a process of its own, where its memory and its time can be measured. */
async function main(planText: string | undefined): Promise<void> {
  const plan: NodePlan = JSON.parse(planText ?? '');
  await using agent = await openPlanned(plan);
  using _watch = agent.watchEvents(({ workload, phase, code, message }) => {
    if (workload === undefined) return;
    say({ is: 'event', workload, phase, why: `${code ?? ''} ${message ?? ''}`, atMs: nowMs() });
  });
  const ended = Promise.withResolvers<void>();
  process.once('message', () => ended.resolve());
  const { reconciler, state } = agent;
  // Without a wish nothing was applied yet.
  const isSettled = (): boolean =>
    state.workloads().length === 0 ||
    reconciler.workloads().every(({ isSettled: is, wish }) => is && wish === 'running');
  const deadline = { timeoutMs: 60_000, everyMs: 10 };
  await waitFor(isSettled, { ...deadline, what: 'the node to be as it has to be' });
  say({ is: 'settled', atMs: nowMs() });
  await ended.promise;
}

function say(word: AgentWord): void {
  process.send?.(word);
}

/** Of the machine, finer than milliseconds. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

await main(process.argv[2]);
process.disconnect?.();
