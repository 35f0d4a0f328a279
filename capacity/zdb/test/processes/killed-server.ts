/**
 * A server that a test kills: prints its port, and compacts and writes checkpoints without a break.
 * Arguments: data folder, durability.
 */
import { ZdbServer } from '../../src/index.ts';

const [dataDir = '', durability = 'always'] = process.argv.slice(2);
// Whatever else the loop below needs, its lock lasts as long as this does.
await using server = await ZdbServer.open({
  dataDir,
  listen: [{ host: '127.0.0.1', port: 0 }],
  segmentBytes: 1024 * 1024,
  durability: durability === 'everysec' ? 'everysec' : 'always',
});
process.stdout.write(`${server.addresses[0]?.port}\n`);
const { maintenance, log } = server.store;
for (;;) {
  log.rotate();
  await maintenance.compactAll();
  await maintenance.checkpoint();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
