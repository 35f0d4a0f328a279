import { ZdbDriver } from '../../src/zdb/zdb-driver.ts';
import { placeOptions, zdbAssignment } from './zdb-place.ts';

/** An agent that makes one namespace, says so, and waits for its end. */
const driver = await ZdbDriver.open(placeOptions(process.argv[2] ?? ''));
const context = { signal: new AbortController().signal, progress: () => {} };
await driver.prepare(zdbAssignment(), context);
await driver.start(zdbAssignment(), context);
process.stdout.write(`${driver.facts(zdbAssignment()).port}\n`);
