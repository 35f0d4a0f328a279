import { BcdbServer } from '@commongrid/bcdb';
import { BcdbClient } from '@commongrid/bcdb/client';
import { SigningKey } from '@commongrid/crypto';
import { firstRecord, makePhonebook } from './phonebook-records.ts';

export interface GridPlan {
  readonly folder: string;
  readonly host: string;
  /** Bots with their seeds, base64url. */
  readonly bots: readonly {
    readonly name: string;
    readonly root: string;
    readonly device: string;
  }[];
}

/** A database in a process of its own, with bots in its phonebook. */
export class GridProcess implements AsyncDisposable {
  readonly url: string;
  readonly trust: { readonly log: string; readonly sequencerKey: string };

  readonly #server: BcdbServer;

  private constructor(server: BcdbServer) {
    const { bcdb, httpAddress } = server;
    this.url = `http://${httpAddress.host}:${httpAddress.port}`;
    this.trust = { log: bcdb.log, sequencerKey: bcdb.sequencer };
    this.#server = server;
  }

  static async open({ folder, host, bots }: GridPlan): Promise<GridProcess> {
    const server = await BcdbServer.open({
      dataDir: folder,
      owner: SigningKey.generate(),
      http: { host, port: 0 },
      beforeDoors: makePhonebook,
    });
    const grid = new GridProcess(server);
    const { url, trust } = grid;
    for (const { name, root, device } of bots) {
      const [key, deviceKey] = [root, device].map((seed) =>
        SigningKey.fromSeed(Buffer.from(seed, 'base64url')),
      ) as [SigningKey, SigningKey];
      const client = await BcdbClient.connect({ url, trust, key });
      const value = firstRecord(trust.log, { name, root: key, device: deviceKey });
      const record = { ns: 'grid', url: 'grid.bot.1', obj: value.id };
      await client.write({ ...record, op: 'put', value: { ...value } });
    }
    return grid;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server.close();
  }
}
