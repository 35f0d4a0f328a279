/*
 * `node hub-main.ts FOLDER`: a hub on loopback, which nobody may change; prints its address and runs
 * until it is killed. `FOLDER/images` is a repository.
 */
import { HubServer } from '../src/hub/hub-server.ts';

const [folder = ''] = process.argv.slice(2);
const server = await HubServer.open({ folder, keys: { userOf: async () => undefined } });
process.stdout.write(`${server.url}\n`);
