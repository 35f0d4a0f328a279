import { seededRandom } from '@commongrid/base';

import { clientsStep } from './archive/clients-step.ts';
import { dataStep } from './archive/data-step.ts';
import { machinesLostStep } from './archive/machines-lost-step.ts';
import { marketStep } from './archive/market-step.ts';
import { paymentStep } from './archive/payment-step.ts';
import { planStep } from './archive/plan-step.ts';
import { provisionStep } from './archive/provision-step.ts';
import { abandonedStep, refundStep } from './archive/refund-step.ts';
import { signingStep } from './archive/signing-step.ts';
import { wholeCheckStep } from './archive/whole-check-step.ts';
import { newStoreSecrets } from './archive/archive-contract.ts';
import type { Shards } from './archive/archive-sizes.ts';
import type { ArchiveScene } from './archive/archive-scene.ts';
import { DemoFolder } from './demo-folder.ts';
import { DemoTown } from './demo-town.ts';
import { attempt, reportOf, runSteps } from './steps.ts';
import type { DemoReport, DemoStep, StepResult } from './steps.ts';
import { townPlan } from './town-plan.ts';
import type { TownSize } from './town-plan.ts';

export { lastLine, stepLine } from './steps.ts';
export type { DemoReport, StepResult } from './steps.ts';
export type { Shards } from './archive/archive-sizes.ts';
export type { TownSize } from './town-plan.ts';

export interface ArchiveDemoOptions {
  /** Machines. */
  readonly nodes: TownSize;
  readonly shards: Shards;
  /** Of the objects that are loaded, bytes. */
  readonly dataBytes: number;
  /** Decides who is killed. */
  readonly seed: number;
  /** Of this demo alone; it is empty afterwards. Absolute. */
  readonly folder: string;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
  /** Is told what is being done. */
  readonly note: (text: string) => void;
  readonly onResult: (result: StepResult) => void;
}

const steps: readonly DemoStep<ArchiveScene>[] = [
  planStep,
  signingStep,
  marketStep,
  paymentStep,
  provisionStep,
  abandonedStep,
  dataStep,
  refundStep,
  machinesLostStep,
  wholeCheckStep,
  clientsStep,
];

/**
 * The archive on a grid of many owners, from the contract to machines that are lost. Whatever it made is taken off this machine at the end,
 * also when it fails or is ended.
 * @throws BASE_FOLDER_LOCKED while another demo has the folder
 */
export async function archiveDemo(options: ArchiveDemoOptions): Promise<DemoReport> {
  const { shards, dataBytes, signal, note, onResult } = options;
  const startedMs = performance.now();
  await using folder = await DemoFolder.open(options.folder);
  await using stack = new AsyncDisposableStack();
  const plan = townPlan(options.nodes, shards, dataBytes);
  let town: DemoTown | undefined;
  const opening = await attempt(
    {
      name: 'grid',
      run: async () => {
        town = stack.use(await DemoTown.open({ folder, plan, signal, note }));
        return figureOf(town);
      },
    },
    undefined,
  );
  onResult(opening);
  if (town === undefined) return reportOf([opening], startedMs);
  const random = seededRandom(options.seed);
  const scene: ArchiveScene = { town, shards, dataBytes, secrets: newStoreSecrets(), random };
  stack.defer(async () => scene.traffic?.stop());
  const results = await runSteps(steps, scene, onResult);
  note('all of it is taken off this machine');
  return reportOf([opening, ...results], startedMs);
}

function figureOf({ nodes, farms, bots }: DemoTown): string {
  return `${nodes.length} nodes in ${farms.length} farms of as many owners, ${bots.size} bots`;
}
