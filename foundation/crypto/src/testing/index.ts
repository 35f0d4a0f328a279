export { edgeCases } from './ed25519-edge-cases.ts';
export type { EdgeCase, Verdict } from './ed25519-edge-cases.ts';
