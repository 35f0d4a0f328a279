import type { JsonValue } from '@commongrid/crypto';
import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import * as shape from './data-shapes.ts';
import type { Resolver } from './resolver.ts';

const { closed, judged } = shape;
const address = Type.String({ maxLength: 2_048 });

/** How the owner and his apps use what addresses lead to, here or at another bot. */
export function addressMethods(resolver: Resolver) {
  return {
    open: method({
      ...judged,
      summary: 'What grid://BOT/PATH leads to, here or at another bot',
      input: Type.Object({ address }, closed),
      output: shape.found,
      handler: (input, context) => resolver.open(input.address, context),
    }),
    browse: method({
      ...judged,
      summary: 'What is right below grid://BOT/PATH, here or at another bot',
      input: Type.Object({ address, cursor: shape.cursor }, closed),
      output: shape.entryPage,
      handler: (input, context) => resolver.browse(input.address, input.cursor, context),
    }),
    write: method({
      ...judged,
      summary: 'Writes the record grid://BOT/COLLECTION/ID, here or at another bot that allows it',
      input: Type.Object(
        { address, value: Type.Unknown(), prev: Type.Optional(shape.versionHash) },
        closed,
      ),
      output: shape.written,
      handler: ({ address: to, value, prev }, context) =>
        resolver.write(to, { value: value as JsonValue, prev }, context),
    }),
    writeUrl: method({
      ...judged,
      summary: 'A URL for HTTP PUT of the file grid://BOT/files/KEY, here or at another bot',
      input: Type.Object({ address }, closed),
      output: shape.signedFileUrl,
      handler: (input, context) => resolver.writeUrl(input.address, context),
    }),
    discard: method({
      ...judged,
      summary: 'Removes what grid://BOT/PATH leads to; with `erase` all that a record ever was',
      input: Type.Object({ address, erase: Type.Optional(Type.Boolean()) }, closed),
      output: Type.Object({}),
      handler: async ({ address: of, erase = false }, context) => {
        await resolver.remove(of, erase, context);
        return {};
      },
    }),
  };
}
