export { batchAt, differences, entryAt, headAt, readAll } from './log-entries.ts';
export { logEngineSuite } from './log-engine-suite.ts';
export type { LogEngineFixture } from './log-engine-suite.ts';
export { PostgresPair } from './postgres-pair.ts';
export { PostgresServer } from './postgres-server.ts';
