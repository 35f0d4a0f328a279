import { after, before } from 'node:test';
import { PostgresLog } from '../src/log/postgres/postgres-log.ts';
import { logEngineSuite, PostgresPair } from '../src/testing/index.ts';
import type { LogEngineFixture } from '../src/testing/index.ts';

const log = Buffer.alloc(32, 7);
let pair: PostgresPair | undefined;

before(async () => {
  pair = await PostgresPair.open();
});

after(() => pair?.close());

async function makeFixture(): Promise<LogEngineFixture> {
  if (pair === undefined) throw new Error('the servers have not started');
  const { primary } = pair;
  const database = await pair.createDatabase();
  return {
    open: () => PostgresLog.open({ urls: [primary.url(database)], log }),
    kill: async (engine) => {
      await primary.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
      );
      await engine.close();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

logEngineSuite('PostgreSQL log', makeFixture);
