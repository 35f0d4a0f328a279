import { Type } from 'typebox';
import { method } from '../actors/actor.ts';
import * as shape from './data-shapes.ts';
import type { Resolver } from './resolver.ts';

const { closed } = shape;
const address = Type.String({ maxLength: 2_048 });

/** How the owner sees what addresses lead to. */
export function addressMethods(resolver: Resolver) {
  return {
    open: method({
      ...shape.ownerOnly,
      summary: 'What grid://BOT/PATH leads to, here or at another bot',
      input: Type.Object({ address }, closed),
      output: shape.found,
      handler: (input, context) => resolver.open(input.address, context),
    }),
    browse: method({
      ...shape.ownerOnly,
      summary: 'What is right below grid://BOT/PATH, here or at another bot',
      input: Type.Object({ address, cursor: shape.cursor }, closed),
      output: shape.entryPage,
      handler: (input, context) => resolver.browse(input.address, input.cursor, context),
    }),
  };
}
