export { examples } from './examples.ts';
export { fakeId } from './ids.ts';
export { fakeProof, MemoryGrid } from './memory-grid.ts';
export type { Told } from './memory-grid.ts';
