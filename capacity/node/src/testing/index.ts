export { BootClearance } from '../agent/boot-clearance.ts';
export { Isolation } from '../agent/isolation.ts';
export { steadyMs } from '../health/unprobed.ts';
export { isUp } from './is-up.ts';
export { PaperDriver, PaperMachine } from './paper-driver.ts';
