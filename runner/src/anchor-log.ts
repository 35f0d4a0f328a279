import { BcdbClient } from '@commongrid/bcdb/client';
import { verifyRecordProof } from '@commongrid/bcdb/browser';
import type { RecordProof } from '@commongrid/bcdb/browser';
import type { AnchorLog } from '@commongrid/s3';

import { trustOfGenesis } from './bcdb-trust.ts';
import { routeOf } from './commands/bcdb/connection.ts';
import { readSecret } from './commands/zdb/connection.ts';

/** The database in which a head of S3 anchors what it has. */
export interface AnchorPlace {
  /** Its HTTP door. */
  readonly url: string;
  /** For whom the server signs: its owner. */
  readonly tokenFile: string;
  /** Which log it must be. */
  readonly genesisFile: string;
}

/** Where a grid has the types of its owner's records. */
const ownNamespace = 'me';
const anchorUrl = 'grid.anchor.1';

/** Connects anew for each anchor: there is one a day. */
export function bcdbAnchorLog({ url, tokenFile, genesisFile }: AnchorPlace): AnchorLog {
  return {
    write: async (anchor, signal) => {
      const trust = await trustOfGenesis(genesisFile);
      const client = await BcdbClient.connect({
        ...{ url, trust, token: await readSecret(tokenFile), signal },
      });
      const { seq } = await client.write(
        { ns: ownNamespace, op: 'put', url: anchorUrl, obj: anchor.store, value: { ...anchor } },
        { signal },
      );
      const path = routeOf(ownNamespace, 'proof', anchorUrl, anchor.store);
      const proof = await client.read<RecordProof>(`${path}?minSeq=${seq}`, { signal });
      verifyRecordProof(proof, client.trust);
      return proof;
    },
  };
}
