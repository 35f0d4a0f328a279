export { isLinearisable } from './check-register.ts';
export type { RegisterOperation } from './check-register.ts';
export { leftOverShards, manifestsOf } from './inventory.ts';
export { Traffic } from './traffic.ts';
export type { TrafficStore } from './traffic.ts';
export { ZdbFleet } from './zdb-fleet.ts';
export type { FleetLayout } from './zdb-fleet.ts';
export { ZdbProcess } from './zdb-process.ts';
