// Serves a new database with a grid for the benchmark, and writes into it when its parent asks.
// Arguments: folder, owner's token, number of participants.
import { once } from 'node:events';
import { isGridError, shutdownSignal, waitFor } from '@commongrid/base';
import { SigningKey } from '@commongrid/crypto';
import { BcdbServer } from '../../src/bcdb-server.ts';
import type { Bcdb } from '../../src/bcdb.ts';
import { openGrid } from '../../test/support/open-grid.ts';
import type { GridFacts, GridRequest, GridStep } from './grid-server.ts';
import { Participants } from './participants.ts';

/** Longest time from a record to the tick that tells of it. */
const tickTimeoutMs = 10_000;

const [dataDir = '', ownerToken = '', count = '1'] = process.argv.slice(2);
const signal = shutdownSignal();
let participants: Participants | undefined;
await using server = await BcdbServer.open({
  dataDir,
  owner: SigningKey.generate(),
  ownerToken,
  http: { host: '127.0.0.1', port: 0 },
  beforeDoors: async (bcdb) => {
    participants = await Participants.settle(await openGrid(bcdb), Number(count));
    await ticked(bcdb);
  },
});
const { bcdb, httpAddress } = server;

process.on('message', ({ write }: GridRequest) => {
  void (async () => {
    await participants?.write(write);
    await ticked(bcdb);
    send({ size: bcdb.head.size });
  })();
});
send({ port: httpAddress.port, log: bcdb.log, genesis: bcdb.genesis, size: bcdb.head.size });
if (!signal.aborted) await once(signal, 'abort');
process.disconnect?.();

/** Resolves when the last record is a tick, which tells of all before it. */
async function ticked(database: Bcdb): Promise<void> {
  const isTicked = async (): Promise<boolean> => {
    try {
      const { tick } = await database.feedsOf({ size: 0, feeds: [] });
      return tick.seq === database.head.size - 1;
    } catch (error) {
      if (isGridError(error, 'BCDB_BUSY')) return false;
      throw error;
    }
  };
  await waitFor(isTicked, { what: 'a tick', timeoutMs: tickTimeoutMs });
}

function send(message: GridFacts | GridStep): void {
  process.send?.(message);
}
