import type { ContractId } from '@commongrid/model';

import type { DemoTown } from '../demo-town.ts';
import type { DemoStep } from '../steps.ts';
import { alterFile, storedFile } from './altered-program.ts';
import type { AlteredProgram } from './altered-program.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';
import { placeByForce, sign } from './board.ts';
import { placementOf, untilBlocked } from './contract-places.ts';
import { untilNotice } from './notice-step.ts';
import { orPowered, powerBack } from './outage.ts';

/** What people see of a contract. */
interface Shown {
  readonly replacing: { readonly isWithdrawn: boolean } | null;
  /** What would allow more, and waits for signers. */
  readonly proposals: readonly Proposal[];
}

interface Proposal {
  readonly contract: ContractId;
  readonly name: string;
  readonly changes: readonly { readonly path: string; readonly to?: unknown }[];
}

/** Where in a contract it says where a replacement may go. */
const mandate = '/heal/mayMoveTo';
/** What is different in each draft. */
const usualChanges: ReadonlySet<string> = new Set(['/name', '/mayRollBack']);

/**
 * The farm outside of which the notice may not run has no power. So nothing is placed: the bot of the buyer says why,
 * drafts the contract that would allow it, and waits. One signature of two does nothing. When the farm has power again
 * the notice goes on there, and the draft is taken back. Before that somebody changes the program of the notice on its
 * disk, of which the next step tells.
 *
 * It needs no other step, so that the farm has power again whatever came before.
 */
export const beyondMandateStep: DemoStep<ArchiveScene> = {
  name: 'beyond mandate',
  async run(scene) {
    const { town, notice, dark } = scene;
    if (notice === undefined || dark === undefined) {
      throw new Error('the farm of the notice did not lose its power');
    }
    delete scene.dark;
    const { draft, refusal } = await orPowered(scene, dark, async () => {
      const found = await untilDrafted(scene, notice.id);
      const said = await signByOne(town, found);
      const [item] = await placementOf(town, notice.id);
      must(item?.node === notice.node.id, 'the notice was placed elsewhere');
      scene.altered = await alterProgram(scene);
      await powerBack(scene, dark);
      return { draft: found, refusal: said };
    });
    const startedMs = performance.now();
    const node = await untilNotice(town, notice.id);
    must(node === notice.node, `the notice runs on ${node.name}`);
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    await town.until('the draft to be taken back', async () => {
      return (await show(town, draft.contract)).replacing?.isWithdrawn === true;
    });
    must((await placementOf(town, draft.contract)).length === 0, 'the draft was placed');
    const wider = widerOf(draft).map(({ to }) => JSON.stringify(to));
    const waits = `${notice.farm.name} has no power, and the notice waits: HEAL_OUTSIDE_MANDATE`;
    const drafted = `drafted is "${draft.name}", for ${wider.join(', ')}, which brings about nothing with 1 of 2 signatures: ${refusal}`;
    return `${waits}; ${drafted}; healthy on ${node.name} ${seconds} s after that was in service again, and the draft is taken back`;
  },
};

/** Waits until it is said what is missing, and the contract that would allow it waits for signers. */
async function untilDrafted(scene: ArchiveScene, id: ContractId): Promise<Proposal> {
  const { town } = scene;
  await untilBlocked(scene, 'HEAL_OUTSIDE_MANDATE', id);
  const draft = await town.until('a draft that allows it', async () => {
    const [first] = (await show(town, id)).proposals;
    return first;
  });
  const { name, changes } = draft;
  const wider = widerOf(draft);
  must(wider.length > 0, `${name} does not allow more`);
  const others = changes.filter((one) => !wider.includes(one) && !usualChanges.has(one.path));
  must(others.length === 0, `${name} changes ${others.map(({ path }) => path).join(', ')}, too`);
  return draft;
}

/** What a draft says anew of where a replacement may go. */
function widerOf({ changes }: Proposal): Proposal['changes'] {
  return changes.filter(({ path }) => path.startsWith(mandate));
}

/** @returns the code with which the log refuses what one of the board agreed to */
async function signByOne(town: DemoTown, { contract: id }: Proposal): Promise<string> {
  const { phase, workloads } = await sign(town, 'expert', id);
  must(phase === 'signing', `signed by one of the board it is ${phase}`);
  must(workloads.length === 0, 'it runs with one signature');
  return placeByForce(town, id, 'web');
}

/** While its machine is off somebody changes the program of the notice on its disk. */
async function alterProgram({ town, notice }: ArchiveScene): Promise<AlteredProgram> {
  if (notice === undefined) throw new Error('there is no notice');
  const { node, programSum: sha256 } = notice;
  const path = await storedFile(node, sha256, town.signal);
  if (path === undefined) throw new Error(`the program of the notice is not on ${node.name}`);
  await alterFile(path);
  return { node, path, sha256 };
}

/** A contract as one of the board sees it. */
function show(town: DemoTown, id: ContractId): Promise<Shown> {
  return town.as<Shown>('expert', 'contract', 'show', id);
}
