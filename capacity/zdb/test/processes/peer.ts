import { shutdownSignal } from '@commongrid/base';
import { ZdbServer, type ZdbServerOptions } from '../../src/index.ts';

/** A server in a process of its own: options as JSON, one line when it listens, until SIGTERM. */
const options = JSON.parse(process.argv[2] ?? '') as ZdbServerOptions;
const stopped = shutdownSignal();
const server = await ZdbServer.open(options);
process.stdout.write(`ready ${JSON.stringify(server.addresses)}\n`);
await new Promise<void>((resolve) => {
  stopped.addEventListener('abort', () => resolve(), { once: true });
  if (stopped.aborted) resolve();
});
await server.close();
