/**
 * A database of a grid with one node that beats once in each second of a clock of its own, until a
 * test kills the process. Arguments: data folder, start of the clock in ms since 1970.
 */
import { ManualClock } from '@commongrid/base/testing';
import { fakeId } from '@commongrid/model/testing';
import { Bcdb } from '../../src/bcdb.ts';
import { heartbeat } from '../../src/presence/heartbeat.ts';
import { toBase64url } from '../../src/tree/base64.ts';
import { Town } from '../../src/testing/feeds-town.ts';
import { keyOf } from '../support/kill-lines.ts';

const [dataDir = '', startMs = ''] = process.argv.slice(2);
const clock = new ManualClock(Number(startMs));
const bcdb = await Bcdb.open({ dataDir, owner: keyOf('presence', 'owner'), clock });
const town = await Town.found(bcdb);
const ada = await town.citizen('ada');
const { id, key } = await town.node(ada, await town.farm(ada, 1), 'shelf');
const boot = fakeId.nonce16(1);
await town.put('grid.session.1', key, { node: id, n: 1, bootId: boot });
for (let counter = 1; ; counter++) {
  const { size, root } = bcdb.head;
  const checkpoint = { size, root: toBase64url(root) };
  const { epoch } = bcdb.presence;
  const said = { log: bcdb.log, node: id, session: 1, boot, epoch, counter, checkpoint };
  await bcdb.presence.heartbeat(heartbeat.sign(key, said));
  await clock.advance(1000);
}
