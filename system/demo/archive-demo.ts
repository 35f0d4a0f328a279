import { seededRandom } from '@commongrid/base';

import { alteredProgramStep } from './archive/altered-program-step.ts';
import { auditStep } from './archive/audit-step.ts';
import { beyondMandateStep } from './archive/beyond-mandate-step.ts';
import { billStep } from './archive/bill-step.ts';
import { clientsStep } from './archive/clients-step.ts';
import { controllerLostStep } from './archive/controller-lost-step.ts';
import { dataStep } from './archive/data-step.ts';
import { farmLostStep } from './archive/farm-lost-step.ts';
import { headLostStep } from './archive/head-lost-step.ts';
import { machinesLostStep } from './archive/machines-lost-step.ts';
import { marketStep } from './archive/market-step.ts';
import { noticeStep } from './archive/notice-step.ts';
import { pageLostStep } from './archive/page-lost-step.ts';
import { pageStep } from './archive/page-step.ts';
import { paymentStep } from './archive/payment-step.ts';
import { planStep } from './archive/plan-step.ts';
import { provisionStep } from './archive/provision-step.ts';
import { abandonedStep, farmerBackStep, refundStep } from './archive/refund-step.ts';
import { removalStep } from './archive/removal-step.ts';
import { signingStep } from './archive/signing-step.ts';
import { tamperedChunkStep } from './archive/tampered-chunk-step.ts';
import { tooManyLostStep } from './archive/too-many-lost-step.ts';
import { upgradeStep } from './archive/upgrade-step.ts';
import { wholeCheckStep } from './archive/whole-check-step.ts';
import { newStoreSecrets } from './archive/archive-contract.ts';
import type { Shards } from './archive/archive-sizes.ts';
import type { ArchiveScene } from './archive/archive-scene.ts';
import { rcloneVersion } from './data/rclone.ts';
import { DemoFolder } from './demo-folder.ts';
import { DemoTown } from './demo-town.ts';
import type { DemoFrame } from './frame.ts';
import { DemoSight } from './sight.ts';
import { reportOf, runSteps } from './steps.ts';
import type { DemoReport, DemoStep, StepListener, StepResult } from './steps.ts';
import { townPlan } from './town-plan.ts';
import type { TownSize } from './town-plan.ts';

export { comparisonOf } from './archive/comparison.ts';
export type { Comparison } from './archive/comparison.ts';
export type { DemoFrame } from './frame.ts';
export { lastLine, stepLine } from './steps.ts';
export type { DemoReport, StepResult } from './steps.ts';
export type { Shards } from './archive/archive-sizes.ts';
export { bearsLosses, townDiskBytes, townPlan } from './town-plan.ts';
export type { TownSize } from './town-plan.ts';
export { soakDemo } from './soak/soak-demo.ts';
export { soakPage } from './soak/watch/soak-page.ts';

export interface ArchiveDemoOptions {
  /** Machines. */
  readonly nodes: TownSize;
  readonly shards: Shards;
  /** Of the objects that are loaded, bytes. */
  readonly dataBytes: number;
  /** Decides who is killed. */
  readonly seed: number;
  /** How many times slower than promised things may be. Default 1. */
  readonly slack?: number;
  /** Of this demo alone; it is empty afterwards. Absolute. */
  readonly folder: string;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
  /** Is told what is being done. */
  readonly note: (text: string) => void;
  readonly onResult: (result: StepResult) => void;
  /** Gets how all of it is, once a second; without it nobody looks. */
  readonly onFrame?: ((frame: DemoFrame) => void) | undefined;
}

const steps: readonly DemoStep<ArchiveScene>[] = [
  planStep,
  signingStep,
  marketStep,
  paymentStep,
  provisionStep,
  abandonedStep,
  tamperedChunkStep,
  dataStep,
  pageStep,
  farmerBackStep,
  machinesLostStep,
  refundStep,
  headLostStep,
  pageLostStep,
  controllerLostStep,
  noticeStep,
  farmLostStep,
  beyondMandateStep,
  alteredProgramStep,
  tooManyLostStep,
  upgradeStep,
  wholeCheckStep,
  clientsStep,
  removalStep,
  auditStep,
  billStep,
];

/**
 * The archive on a grid of many owners, from the contract to its bill. Whatever it made is taken off this machine at the end,
 * also when it fails or is ended.
 * @throws BASE_FOLDER_LOCKED while another demo has the folder; BASE_PROGRAM_MISSING without rclone
 */
export async function archiveDemo(options: ArchiveDemoOptions): Promise<DemoReport> {
  const { shards, dataBytes, slack = 1, signal, note, onFrame } = options;
  const startedMs = performance.now();
  await rcloneVersion(signal);
  await using sight = onFrame && new DemoSight(onFrame);
  const listener: StepListener = {
    onStart: (name) => sight?.onStart(name),
    onResult: (result) => {
      sight?.onResult(result);
      options.onResult(result);
    },
  };
  await using folder = await DemoFolder.open(options.folder);
  await using stack = new AsyncDisposableStack();
  const plan = townPlan(options.nodes, shards, dataBytes);
  let town: DemoTown | undefined;
  const opening: DemoStep<undefined> = {
    name: 'grid',
    run: async () => {
      town = stack.use(await DemoTown.open({ folder, plan, slack, signal, note }));
      return figureOf(town);
    },
  };
  const opened = await runSteps([opening], undefined, { listener, signal });
  if (town === undefined) return reportOf(opened, startedMs);
  const random = seededRandom(options.seed);
  const secrets = newStoreSecrets();
  const scene: ArchiveScene = { town, shards, dataBytes, secrets, random, slack };
  stack.defer(async () => scene.traffic?.stop());
  if (sight !== undefined) sight.scenery = scene;
  const results = await runSteps(steps, scene, { listener, signal });
  note('all of it is taken off this machine');
  return reportOf([...opened, ...results], startedMs);
}

function figureOf({ nodes, farms, bots }: DemoTown): string {
  return `${nodes.length} nodes in ${farms.length} farms of as many owners, ${bots.size} bots`;
}
