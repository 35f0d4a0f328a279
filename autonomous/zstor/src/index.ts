export { ErasureCode, shardsMax } from './code/erasure-code.ts';
export type { ZstorErrorCode } from './errors.ts';
