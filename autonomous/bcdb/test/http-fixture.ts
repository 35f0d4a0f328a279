import type { TestContext } from 'node:test';
import { createRegistry, reservePort } from '@commongrid/base';
import type { MetricsRegistry } from '@commongrid/base';
import { tempFolder } from '@commongrid/base/testing';
import { SigningKey } from '@commongrid/crypto';
import { Bcdb } from '../src/bcdb.ts';
import { BcdbClient } from '../src/client.ts';
import { HttpDoor } from '../src/doors/http/http-door.ts';
import type { HttpTimeouts } from '../src/doors/http/http-door.ts';
import type { Trust } from '../src/tree/verifier.ts';

export const ownerToken = 'B'.repeat(43);
export const contact = 'net.example.contact.1';

export const contactSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', 'x-bcdb': { index: true, fts: true } },
    city: { type: 'string', 'x-bcdb': { index: true } },
  },
  required: ['name'],
} as const;

export interface ServeOptions {
  /** Default: a folder of its own, gone after the test. */
  readonly dataDir?: string;
  readonly owner?: SigningKey;
  /** Default: one of its own, also while nobody listens there. */
  readonly port?: number;
  readonly timeouts?: HttpTimeouts;
  readonly origins?: readonly string[];
}

/** A database with its HTTP door. */
export interface Served {
  readonly bcdb: Bcdb;
  readonly door: HttpDoor;
  readonly owner: SigningKey;
  readonly dataDir: string;
  readonly trust: Trust;
  readonly registry: MetricsRegistry;
  readonly url: string;
  readonly client: (who?: {
    readonly token?: string;
    readonly key?: SigningKey;
    readonly turn?: () => Promise<AsyncDisposable>;
  }) => Promise<BcdbClient>;
  readonly close: () => Promise<void>;
}

export async function serve(t: TestContext, options: ServeOptions = {}): Promise<Served> {
  const { owner = SigningKey.generate(), timeouts, origins = [] } = options;
  const { port = await reservePort() } = options;
  const ending = new AsyncDisposableStack();
  t.after(() => ending.disposeAsync());
  const dataDir = options.dataDir ?? ending.use(await tempFolder('bcdb-http')).path;
  const bcdb = await Bcdb.open({ dataDir, owner });
  const registry = createRegistry();
  const door = await HttpDoor.open({
    bcdb,
    listen: { port },
    ownerToken,
    registry,
    origins,
    ...(timeouts === undefined ? {} : { timeouts }),
  });
  const trust = { log: bcdb.log, sequencerKey: bcdb.genesis.sequencer };
  const close = async (): Promise<void> => {
    await door.close();
    await bcdb.close();
  };
  ending.defer(close);
  const { url } = door;
  const client: Served['client'] = (who = { token: ownerToken }) =>
    BcdbClient.connect({ url, trust, ...who });
  return { bcdb, door, owner, dataDir, trust, registry, url, client, close };
}

/** A namespace `team` with the type `contact`. */
export async function serveTeam(t: TestContext, options: ServeOptions = {}): Promise<Served> {
  const served = await serve(t, options);
  await served.bcdb.createNamespace('team');
  await served.bcdb.defineSchema('team', contact, contactSchema);
  return served;
}

/** Gives a key rights in the namespace `team`, besides the owner's. */
export async function grant(
  { bcdb }: Served,
  to: string,
  rights: readonly string[],
): Promise<void> {
  const grants = [
    { to: bcdb.owner, rights: ['admin'] },
    { to, rights: [...rights] },
  ];
  const name = { ns: 'team', url: 'bcdb.namespace.1', obj: 'namespace' };
  await bcdb.write({ ...name, op: 'put', value: { grants } });
}
