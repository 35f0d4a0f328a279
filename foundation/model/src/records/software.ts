import { Type } from 'typebox';
import type { Static } from 'typebox';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** A week: by then every node has a release, or its failure is known. */
export const spreadSecondsMax = 604_800;

/**
 * `grid.software.1`, signed by the release keys of the genesis: the version of a program that nodes
 * are to run.
 */
export const software = new RecordType({
  url: 'grid.software.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      name: f.labelText,
      version: Type.String({ pattern: '^[0-9]{1,5}[.][0-9]{1,5}[.][0-9]{1,5}$' }),
      /** Digest of the file list. */
      flist: f.digestText,
      /** It is meant that the version is lower than the one before. */
      isRollback: Type.Optional(Type.Boolean()),
      /** Nodes take it at moments spread over so much log time, not all at once. Default 0. */
      spreadSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: spreadSecondsMax })),
    },
    f.closed,
  ),
  objectOf: ({ name }) => name,
});
export type Software = Static<typeof software.schema>;
