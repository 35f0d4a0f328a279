export { BootClearance } from '../agent/boot-clearance.ts';
export { Isolation } from '../agent/isolation.ts';
export { PaperDriver, PaperMachine } from './paper-driver.ts';
