import { approvalHash } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { contractOf, must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { placeByForce, sign } from './board.ts';
import { buyerService } from './buyer-service.ts';

/** For the time in which a forged word would count, ms. */
const approvalTtlMs = 600_000;

/**
 * The board signs. Until it has, the log takes no placement, whoever appends it; nor does it take signatures in the
 * name of others or of another hash. The bot of the buyer is down: it would place at once what is agreed.
 */
export const signingStep: DemoStep<ArchiveScene> = {
  name: 'signatures',
  needs: ['contract and plan'],
  async run(scene) {
    const { town } = scene;
    const { id, file } = contractOf(scene);
    await town.as('buyer', 'contract', 'propose', file);
    await town.grid.json('down', buyerService);
    await sign(town, 'buyer', id);
    const first = await sign(town, 'expert', id);
    const board = first.signatures.find(({ role }) => role === 'board');
    const signed = board?.signed.length;
    must(board?.min === 2 && signed === 1, `the board has ${signed} of ${board?.min} signatures`);
    const refusals = await refusalsOf(scene);
    await requireNothing(town);
    const { phase } = await sign(town, 'business', id);
    must(phase === 'agreed', `signed by two of the board it is ${phase}`);
    const codes = Object.entries(refusals).map(([what, code]) => `${what} ${code}`);
    const measures = { setUpCommands: orderingCommands(town) };
    return { figure: `1 of 2, then agreed; refused: ${codes.join(', ')}`, measures };
  },
};

/** What the buyer has to type until what he wants is ordered: from its text to his signature. */
function orderingCommands({ commands }: DemoTown): number {
  const own = ['build', 'plan', 'propose', 'sign'];
  return commands.filter(([bot, group, word = '']) => {
    return bot === 'buyer' && group === 'contract' && own.includes(word);
  }).length;
}

/** What must not be taken, and the code that it is refused with. @throws when something is */
async function refusalsOf(scene: ArchiveScene): Promise<Readonly<Record<string, string>>> {
  const { town } = scene;
  const { id } = contractOf(scene);
  const { trust } = town;
  const hash = approvalHash({ log: trust.log, contract: id, action: 'provision' });
  const other = approvalHash({ log: trust.log, contract: id, action: 'remove' });
  const approve = (by: string, signer: string, of: string): Promise<string> => {
    const expMs = Date.now() + approvalTtlMs;
    const says = { contract: id, signer: town.bot(signer), role: 'board', action: 'provision' };
    const value = JSON.stringify({ ...says, hash: of, verdict: 'approve', expMs });
    const words = ['bcdb', 'put', 'grid', 'grid.approval.1', `${town.bot(signer)}/${of}`, value];
    return town.refused(by, ...words);
  };
  return {
    'a forged signature': await approve('legal', 'business', hash),
    'a signature of another hash': await approve('legal', 'legal', other),
    'a placement with one signature': await placeByForce(town, id, 'shards'),
  };
}

/** @throws when a node has any workload */
async function requireNothing(town: DemoTown): Promise<void> {
  for (const node of town.nodes) {
    const { phases } = await node.status(town.signal);
    must(Object.keys(phases).length === 0, `${node.name} has workloads of nobody's agreement`);
  }
}
