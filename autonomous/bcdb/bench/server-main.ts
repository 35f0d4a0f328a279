// Serves a new database for the benchmark; says where on standard output.
// Arguments: folder, owner's token, number of writers.
import { once } from 'node:events';
import { shutdownSignal } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { BcdbServer } from '../src/bcdb-server.ts';
import type { ServerFacts } from './bench-server.ts';
import { makeWriters, plainSchema, prepare, sampleNamespace, sampleUrl } from './sample-records.ts';

const [dataDir = '', ownerToken = '', writers = '1'] = process.argv.slice(2);
const signal = shutdownSignal();
await using server = await BcdbServer.open({
  dataDir,
  owner: SigningKey.generate(),
  ownerToken,
  http: { host: '127.0.0.1', port: 0 },
  redis: { host: '127.0.0.1', port: 0 },
});
const { bcdb } = server;
await prepare(bcdb, plainSchema);
const keys = await makeWriters(bcdb, Number(writers));
const facts: ServerFacts = {
  httpPort: server.httpAddress.port,
  redisPort: server.redisAddress?.port ?? 0,
  log: bcdb.log,
  schema: bcdb.schemaOf(sampleNamespace, sampleUrl) ?? '',
  writers: keys.map((key) => Buffer.from(key.exportSeed()).toString('hex')),
};
process.stdout.write(`${JSON.stringify(facts)}\n`);
if (!signal.aborted) await once(signal, 'abort');
