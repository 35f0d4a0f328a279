export { Cable, firstLineOf } from './cable.ts';
export { Gate } from './gate.ts';
export { hasCode } from './has-code.ts';
export { ManualClock } from './manual-clock.ts';
export { tempFolder } from './temp-folder.ts';
export type { TempFolder } from './temp-folder.ts';
