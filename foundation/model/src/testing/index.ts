export { examples } from './examples.ts';
export { fakeId } from './ids.ts';
export { fakeProof, MemoryGrid } from './memory-grid.ts';
export type { Told } from './memory-grid.ts';
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
