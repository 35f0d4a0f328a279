// Serves a new database with nodes for the benchmark, and says something about the first of them when
// its parent asks. Arguments: folder, number of nodes.
import { once } from 'node:events';
import { delay, seededRandom, shutdownSignal } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { BcdbServer } from '../../src/bcdb-server.ts';
import { openGrid } from '../../test/support/open-grid.ts';
import { nodeName } from './news-messages.ts';
import type { NewsRequest, NewsServerFacts, Stamp } from './news-messages.ts';

const [dataDir = '', count = '1'] = process.argv.slice(2);
const signal = shutdownSignal();
await using server = await BcdbServer.open({
  dataDir,
  owner: SigningKey.generate(),
  http: { host: '127.0.0.1', port: 0 },
});
const { bcdb, httpAddress } = server;
const town = await openGrid(bcdb);
const owner = await town.citizen('owner');
const farm = await town.farm(owner, 1);
const first = await town.node(owner, farm, nodeName(0));
for (let n = 1; n < Number(count); n++) await town.node(owner, farm, nodeName(n));
const contract = await town.contract(owner, [owner], 1);
await town.slice(owner, contract, first.id, 0);
const random = seededRandom('news');
let said = 0;

process.on('message', ({ records, everyMs }: NewsRequest) => {
  void (async () => {
    const acknowledged: Stamp[] = [];
    for (let n = 0; n < records; n++) {
      // Not in step with anything.
      await delay(everyMs * (0.5 + random.float()));
      const { seq } = await town.event(first, contract, 0, ++said);
      acknowledged.push([seq, String(process.hrtime.bigint())]);
    }
    process.send?.(acknowledged);
  })();
});
const facts: NewsServerFacts = {
  port: httpAddress.port,
  log: bcdb.log,
  sequencerKey: bcdb.genesis.sequencer,
};
process.send?.(facts);
if (!signal.aborted) await once(signal, 'abort');
process.disconnect?.();
