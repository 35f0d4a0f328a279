export { DiskModel, PAGE_BYTES } from './disk-model.ts';
export type { DiskCall } from './disk-model.ts';
export { faultyFiles } from './faulty-files.ts';
export type { Fault, FaultyCall } from './faulty-files.ts';
export { PowerLossFiles } from './power-loss-files.ts';
export type { PowerLossOptions } from './power-loss-files.ts';
