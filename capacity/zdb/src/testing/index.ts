export { DiskModel, PAGE_BYTES } from './disk-model.ts';
export type { DiskCall } from './disk-model.ts';
export { Journal } from './journal.ts';
export type { Effect, JournalEntry, PlainState } from './journal.ts';
export { PowerLossFiles } from './power-loss-files.ts';
export type { PowerLossOptions } from './power-loss-files.ts';
export { StoreLoad, untilFetched } from './store-load.ts';
export { differences, findLoss } from './verify-store.ts';
