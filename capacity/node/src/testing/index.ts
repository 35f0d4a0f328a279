export { BootClearance } from '../agent/boot-clearance.ts';
export { Isolation, isolationLookMs } from '../agent/isolation.ts';
export { PaperDriver, PaperMachine } from './paper-driver.ts';
