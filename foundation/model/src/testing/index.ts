export { DeploymentPlan } from './deployment-plan.ts';
export type { DeploymentOptions } from './deployment-plan.ts';
export { examples } from './examples.ts';
export { FoldedGrid, foldOf } from './folded-grid.ts';
export { fakeId } from './ids.ts';
export { fakeProof, MemoryGrid } from './memory-grid.ts';
export type { Told } from './memory-grid.ts';
export { WalletScene } from './wallet-scene.ts';
export { Scene } from './scene.ts';
export type { SceneOptions } from './scene.ts';
export {
  actor,
  botOf,
  draft,
  found,
  installNode,
  keep,
  keyEntry,
  place,
  proofOf,
  rootOf,
  settleFarm,
  stateOf,
} from './story.ts';
export type { Actor } from './story.ts';
