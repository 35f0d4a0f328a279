import type { ControlAction } from '@commongrid/base';

import { optionalText, textIn } from '../admin/admin-arguments.ts';
import type { BlobStore } from '@commongrid/zstor';
import type { Anchoring } from './anchoring.ts';
import { proveVersion } from './version-proof.ts';

export interface ProveOptions {
  readonly store: BlobStore;
  readonly anchoring: Anchoring;
}

/**
 * What the owner of a store may ask of its head about proofs.
 * @param get throws while the head does not serve yet
 */
export function proveActions(get: () => ProveOptions): Readonly<Record<string, ControlAction>> {
  return {
    's3.anchor': (_args, { signal }) => get().anchoring.anchor(signal),
    's3.prove': async (args) => {
      const { catalog } = get().store;
      const version = optionalText(args, 'version');
      const proof = catalog.read((db) =>
        proveVersion(db, textIn(args, 'bucket'), textIn(args, 'key'), version),
      );
      catalog.requireLease();
      return proof;
    },
  };
}
