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
export class GridProcess {
  readonly url: string;
  readonly trust: { readonly log: string; readonly sequencerKey: string };

  private constructor(url: string, trust: GridProcess['trust']) {
    this.url = url;
    this.trust = trust;
  }

  static async open({ folder, host, bots }: GridPlan): Promise<GridProcess> {
    const { bcdb, httpAddress } = await BcdbServer.open({
      dataDir: folder,
      owner: SigningKey.generate(),
      http: { host, port: 0 },
      beforeDoors: makePhonebook,
    });
    const url = `http://${httpAddress.host}:${httpAddress.port}`;
    const trust = { log: bcdb.log, sequencerKey: bcdb.sequencer };
    for (const { name, root, device } of bots) {
      const [key, deviceKey] = [root, device].map((seed) =>
        SigningKey.fromSeed(Buffer.from(seed, 'base64url')),
      ) as [SigningKey, SigningKey];
      const client = await BcdbClient.connect({ url, trust, key });
      const value = firstRecord(trust.log, { name, root: key, device: deviceKey });
      const record = { ns: 'grid', url: 'grid.bot.1', obj: value.id };
      await client.write({ ...record, op: 'put', value: { ...value } });
    }
    return new GridProcess(url, trust);
  }
}
