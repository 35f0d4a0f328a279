import { GridError } from '@commongrid/base';
import { idPatterns } from '@commongrid/model';
import type { ContractId } from '@commongrid/model';
import { actor, method } from '@commongrid/threebot';
import { Type } from 'typebox';
import type { Static } from 'typebox';

import type { GridErrorCode } from '../errors.ts';
import type { EndpointDesk } from '../front-door/endpoint-desk.ts';
import { endpointNewsSchema } from '../front-door/endpoint.ts';
import type { KeptContracts } from './kept-contracts.ts';

const closed = { additionalProperties: false } as const;
const contractId = Type.Unsafe<ContractId>(Type.String({ pattern: `^${idPatterns.contract}$` }));

const step = Type.Object({ at: Type.Integer(), url: Type.String(), obj: Type.String() });
/** `StoreStanding`. */
const store = Type.Object({
  backends: Type.String(),
  data: Type.String(),
  shards: Type.Union([
    Type.Object({ missing: Type.Integer(), repaired: Type.Integer(), left: Type.Integer() }),
    Type.Null(),
  ]),
  isWhole: Type.Boolean(),
  lacks: Type.Union([Type.String(), Type.Null()]),
});
const standing = Type.Object({
  contract: contractId,
  name: Type.String(),
  /** How far it is; null before the controller looked at it. */
  phase: Type.Union([Type.String(), Type.Null()]),
  /** What it waits for. */
  blocked: Type.Array(
    Type.Object({
      code: Type.String(),
      message: Type.String(),
      hint: Type.String(),
      slots: Type.Array(Type.String()),
      /** The contract that would allow it, and waits for its signers. */
      proposal: Type.Optional(contractId),
    }),
  ),
  /** Nodes of it that are not heard of. */
  silent: Type.Array(Type.Object({ node: Type.String(), outlook: Type.String() })),
  /** Records that it appended last, the newest at the end; `at` in ms since 1970. */
  steps: Type.Array(step),
  /** The store that its namespaces are for, and how far that is with its repair; null where there is none. */
  store: Type.Union([store, Type.Null()]),
});

/** How a contract that the bot controls stands. */
export type ContractStanding = Static<typeof standing>;

/** Longest wait of a call for something new, ms. */
const waitMsMax = 20_000;

/** The controller, as far as the owner has to do with it. */
export interface ControllerDesk {
  standingOf(id: ContractId): ContractStanding;
  /** Looks at contracts now. */
  look(): void;
  /** Lets it go on though many nodes vanished at once. @returns whether that held it up */
  releaseBrake(): boolean;
}

/**
 * What a bot does with contracts; for its owner.
 * @param desk undefined while the bot has not reached its database yet
 * @param endpoints the same
 */
export function contractsActor(
  papers: KeptContracts,
  desk: () => ControllerDesk | undefined,
  endpoints: () => Pick<EndpointDesk, 'look'> | undefined,
) {
  const standingOf = (contract: ContractId): ContractStanding => {
    const name = papers.of(contract)?.draft.header.name ?? '';
    const unseen = { contract, name, phase: null, blocked: [], silent: [], steps: [], store: null };
    return desk()?.standingOf(contract) ?? unseen;
  };
  return actor('contracts', {
    adopt: method({
      summary: 'Keeps a contract and its secrets: from then on the bot places and heals it',
      permission: 'owner',
      input: Type.Object(
        {
          draft: Type.Unknown(),
          secrets: Type.Optional(Type.Unknown()),
          only: Type.Optional(Type.Array(Type.String())),
        },
        closed,
      ),
      output: Type.Object({ contract: contractId }),
      handler: async (given) => {
        const { id } = await papers.keep(given);
        desk()?.look();
        return { contract: id };
      },
    }),
    list: method({
      summary: 'Contracts that the bot keeps, and how they stand',
      permission: 'owner',
      input: Type.Object({}, closed),
      output: Type.Array(standing),
      handler: () => papers.ids().map(standingOf),
    }),
    status: method({
      summary: 'How a contract stands: what it waits for, what was done for it last',
      permission: 'owner',
      input: Type.Object({ contract: contractId }, closed),
      output: standing,
      handler: ({ contract }) => standingOf(contract),
    }),
    endpoints: method({
      summary: 'Where what the contracts of the owner publish over TCP is reached now',
      permission: 'owner',
      input: Type.Object(
        {
          version: Type.Optional(Type.String()),
          waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: waitMsMax })),
        },
        closed,
      ),
      output: endpointNewsSchema,
      handler: (question, { signal }) => {
        const known = endpoints();
        if (known === undefined) throw notReached();
        return known.look(question, signal);
      },
    }),
    releaseBrake: method({
      summary: 'Lets healing go on though many nodes vanished at once',
      permission: 'owner',
      input: Type.Object({}, closed),
      output: Type.Object({ wasOn: Type.Boolean() }, closed),
      handler: () => ({ wasOn: desk()?.releaseBrake() ?? false }),
    }),
  });
}

function notReached(): GridError<GridErrorCode> {
  return new GridError('GRID_BOT_WITHOUT_LOG', 'the bot has not reached its database yet', {
    hint: './grid status',
    retryable: true,
  });
}
