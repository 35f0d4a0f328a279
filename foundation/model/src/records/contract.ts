import { Type } from 'typebox';
import type { Static } from 'typebox';
import { canonicalHash } from '@commongrid/crypto';
import * as f from '../fields.ts';
import { RecordType } from '../record-type.ts';

/** Roles of one contract. */
export const contractRolesMax = 64;

const policyLine = Type.Object(
  {
    role: f.labelText,
    signers: f.setOf(f.botId, { minItems: 1, maxItems: f.listMax }),
    min: Type.Integer({ minimum: 1, maximum: f.listMax }),
  },
  f.closed,
);

/** All lines must be met. */
const policyLines = Type.Array(policyLine, { minItems: 1, maxItems: 16 });

const secret = Type.Object(
  {
    name: f.labelText,
    /** Hash of prefix, salt and value: the node checks what it gets. */
    commit: f.hash,
    /** Who can seal the value again for another node. */
    keepers: Type.Array(Type.Object({ key: f.keyText, box: f.box }, f.closed), { maxItems: 16 }),
  },
  f.closed,
);

/** Where a replacement may go; without lists, anywhere. */
const destinations = Type.Object(
  {
    farms: Type.Optional(f.setOf(f.farmId, { minItems: 1 })),
    countries: Type.Optional(f.setOf(f.country, { minItems: 1 })),
  },
  f.closed,
);

/**
 * `grid.contract.1`, signed by whoever proposes it; the owner's approval is mandatory. The header of a
 * contract: everything but the roles, of which it has salted hashes, so that a node learns only those
 * that it runs. Its id is the hash of this very text, so a header never changes.
 */
export const contract = new RecordType({
  url: 'grid.contract.1',
  namespace: 'grid',
  schema: Type.Object(
    {
      v: Type.Literal(1),
      log: f.hash,
      nonce: f.nonce32,
      name: f.marked(f.text(100), { fts: true }),
      owner: f.marked(f.botId, { index: true }),
      rules: Type.Literal('grid@1'),
      /**
       * Who may take the lease and place workloads. Of a bot, whichever keys it lists as devices or
       * controllers then; a key is for as long as its holder does not end it.
       */
      controllers: f.setOf(f.controllerId, { minItems: 1, maxItems: 16 }),
      roles: Type.Array(Type.Object({ name: f.labelText, hash: f.hash }, f.closed), {
        minItems: 1,
        maxItems: contractRolesMax,
      }),
      networks: Type.Array(Type.Object({ name: f.labelText, range: f.ipText }, f.closed), {
        maxItems: 16,
      }),
      secrets: Type.Array(secret, { maxItems: 64 }),
      policy: Type.Object(
        {
          ...{ provision: policyLines, upgrade: policyLines, remove: policyLines },
          /** In contracts of before: a contract never changes, and who is named here may halt it. */
          change: Type.Optional(policyLines),
        },
        f.closed,
      ),
      budget: Type.Object({ currency: f.currency, perMonth: f.amount, total: f.amount }, f.closed),
      term: Type.Object(
        { fromMs: f.timeMs, untilMs: f.marked(f.timeMs, { index: true }), graceMs: f.durationMs },
        f.closed,
      ),
      heal: Type.Object(
        {
          suspectAfterMs: f.durationMs,
          replaceAfterMs: f.durationMs,
          maxPerHour: f.counter,
          mayMoveTo: destinations,
        },
        f.closed,
      ),
      /** The contract that this one upgrades. */
      replaces: Type.Optional(f.marked(f.contractId, { index: true })),
      mayRollBack: Type.Optional(Type.Boolean()),
    },
    f.closed,
  ),
  objectOf: (header) => contractIdOf(header),
});
export type Contract = Static<typeof contract.schema>;
export type ContractPolicyLine = Static<typeof policyLine>;

/** The id of a contract: SHA-256 of the canonical text of its header. */
export function contractIdOf(header: unknown): f.ContractId {
  const hash = canonicalHash(header).toBase64({ alphabet: 'base64url', omitPadding: true });
  return `contract:${hash}` as f.ContractId;
}
