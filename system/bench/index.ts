export { cpuSecondsOf } from './cpu-time.ts';
export { interleave } from './interleave.ts';
export { median, percentile } from './statistics.ts';
export { atLeastRow, atMostRow, costRow, ratioRow } from './bench-row.ts';
export type { BenchModule, BenchOptions, BenchRow } from './bench-row.ts';
