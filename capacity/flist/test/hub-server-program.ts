import { HubServer } from '../src/hub/hub-server.ts';
import { keys } from './hub-harness.ts';

/** `hub-server-program.ts FOLDER`: a hub that tells its address and runs until it is killed. */
const [folder = ''] = process.argv.slice(2);
const server = await HubServer.open({ folder, keys });
process.stdout.write(`${server.url}\n`);
