export { BootClearance } from '../agent/boot-clearance.ts';
export { isolationLookMs, mustStandStill } from '../agent/isolation.ts';
export { PaperDriver, PaperMachine } from './paper-driver.ts';
