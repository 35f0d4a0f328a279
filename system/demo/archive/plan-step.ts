import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { ContractId } from '@commongrid/model';

import type { DemoStep } from '../steps.ts';
import { money } from '../town-plan.ts';
import { archiveContract, monthlyMax } from './archive-contract.ts';
import { must } from './archive-scene.ts';
import type { ArchiveScene } from './archive-scene.ts';

interface Plan {
  readonly fits: boolean;
  readonly items: readonly PlannedItem[];
  readonly cost: { readonly perMonth: string };
  readonly tolerance: readonly (Borne & { readonly role: string })[];
  /** Of what has data. */
  readonly data: Borne | null;
}

/** What may be lost at once. */
interface Borne {
  readonly nodes: number;
  readonly farms: number;
}

interface PlannedItem {
  readonly role: string;
  readonly node: string;
  readonly farm: string;
  readonly country: string;
}

/** The contract is built, and planned: what may be lost is counted on the plan as well, by trying it out. */
export const planStep: DemoStep<ArchiveScene> = {
  name: 'contract and plan',
  async run(scene) {
    const { town, shards } = scene;
    const file = await buildFile(scene);
    const { contract: id } = await town.as<{ readonly contract: ContractId }>(
      ...(['buyer', 'contract', 'build', file.source, '--output', file.built] as const),
    );
    scene.contract = { id, file: file.built };
    const plan = await town.as<Plan>('buyer', 'contract', 'plan', file.built);
    must(plan.fits, 'the contract does not fit');
    const own = plan.items.filter(({ role }) => role === 'shards');
    const total = shards.data + shards.parity;
    must(own.length === total, `${own.length} of ${total} shards have a place`);
    must(countOf(own, 'node') === total, 'two shards are on one node');
    must(countOf(own, 'country') >= 3, `shards are in ${countOf(own, 'country')} countries`);
    for (const role of ['shards', 'log', 'keys']) requireTolerance(plan, role, shards.parity);
    const [nodes, farms] = [plan.data?.nodes, plan.data?.farms ?? 0];
    must(nodes === shards.parity, `the plan says that data bears the loss of ${nodes} nodes`);
    must(farms >= 1, 'the plan says that data bears the loss of no farm');
    const cost = Number(plan.cost.perMonth) / 10 ** money.decimals;
    must(cost <= monthlyMax, `it costs ${cost} ${money.code} a month`);
    const where = `${total} shards on ${total} nodes of ${countOf(own, 'farm')} farms in ${countOf(own, 'country')} countries`;
    const borne = `data bears the loss of any ${nodes} nodes, or any ${farms === 1 ? '1 farm' : `${farms} farms`}`;
    return `${where}; ${borne}; ${cost.toFixed(2)} of ${monthlyMax} ${money.code} a month; ${id}`;
  },
};

/** @throws unless a role bears the loss of so many nodes, or of a farm, both as the plan says and as it is placed */
function requireTolerance({ items, tolerance }: Plan, role: string, spare: number): void {
  const told = tolerance.find((one) => one.role === role);
  const borne = farmsThatMayGo(
    items.filter((one) => one.role === role),
    spare,
  );
  if (told === undefined) throw new Error(`the plan does not say how much of ${role} may be lost`);
  must(told.nodes === spare, `the plan says that ${told.nodes} nodes with ${role} may be lost`);
  must(told.farms === borne, `the plan says ${told.farms} farms with ${role}, and it is ${borne}`);
  must(borne >= 1, `no farm with ${role} may be lost`);
}

async function buildFile({
  town,
  shards,
  dataBytes,
  secrets,
}: ArchiveScene): Promise<{ source: string; built: string }> {
  const source = join(town.grid.home, 'archive.json');
  await writeFile(source, JSON.stringify(archiveContract({ shards, dataBytes, secrets })));
  return { source, built: join(town.grid.home, 'archive.built.json') };
}

function countOf(items: readonly PlannedItem[], name: 'node' | 'farm' | 'country'): number {
  return new Set(items.map((item) => item[name])).size;
}

/** How many farms may be lost at once, whichever they are: those with most shards are the worst. */
function farmsThatMayGo(items: readonly PlannedItem[], spare: number): number {
  const sizes = [...Map.groupBy(items, ({ farm }) => farm).values()].map((own) => own.length);
  let [lost, farms] = [0, 0];
  for (const size of sizes.toSorted((a, b) => b - a)) {
    lost += size;
    if (lost > spare) break;
    farms++;
  }
  return farms;
}
