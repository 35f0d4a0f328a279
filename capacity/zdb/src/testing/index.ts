export { Journal } from './journal.ts';
export type { Effect, JournalEntry, PlainState } from './journal.ts';
export { StoreLoad, untilFetched } from './store-load.ts';
export { differences, findLoss } from './verify-store.ts';
