import type { WalkedRecord } from '@commongrid/bcdb/client';
import { nodeIdOf } from '@commongrid/model';
import type {
  Approval,
  BotId,
  ContractId,
  GridFold,
  KeySpan,
  Moment,
  Refusal,
} from '@commongrid/model';
import { contractStatus } from '../state/contract-status.ts';
import type { ContractPhase } from '../state/contract-status.ts';
import { auditMoney } from './audit-money.ts';
import type { AuditedMoney } from './audit-money.ts';
import { AuditScope } from './audit-scope.ts';

/** What the records of a contract come to. Plain JSON: amounts are decimal texts, times ms since 1970. */
export interface AuditReport {
  readonly contract: ContractId;
  readonly name: string;
  readonly owner: BotId;
  readonly phase: ContractPhase;
  readonly isHalted: boolean;
  /** Log time up to which it goes. */
  readonly at: number;
  /** When the quorum of an action was complete. */
  readonly agreed: readonly {
    readonly action: string;
    readonly seq: number;
    readonly at: number;
  }[];
  readonly signatures: readonly AuditedSignature[];
  readonly keys: readonly AuditedKey[];
  readonly records: readonly AuditedRecord[];
  readonly money: AuditedMoney;
}

/** A word of a stakeholder, in the order of the log. */
export interface AuditedSignature extends Moment {
  readonly signer: BotId;
  readonly name: string | null;
  readonly role: string;
  readonly action: Approval['action'];
  readonly verdict: Approval['verdict'];
  /** Key that signed. */
  readonly key: string;
  /** Without effect from this log time on, unless it took effect before. */
  readonly expMs: number;
  /** Why the log gives it no effect. */
  readonly refusal: Refusal | null;
}

/** A key that signed a record of the contract, and from when to when it was good. */
export interface AuditedKey {
  readonly key: string;
  /** Bot or node; `log` for those that order the records. Null where the reader was not told. */
  readonly holder: string | null;
  readonly role: KeySpan['role'] | 'node' | 'sequencer' | null;
  readonly from: Moment | null;
  readonly to: Moment | null;
  readonly compromised: Moment | null;
}

export interface AuditedRecord extends Moment {
  readonly url: string;
  readonly obj: string;
  readonly op: string;
  readonly author: string;
  /** Leaf hash, base64url: the record's name in proofs. */
  readonly version: string;
  readonly refusal: Refusal | null;
}

export interface AuditInput {
  /** With all of the records, judged. */
  readonly fold: GridFold;
  readonly records: readonly WalkedRecord[];
  readonly contract: ContractId;
  /** Log time up to which they go, ms since 1970. */
  readonly at: number;
  /** Keys that ordered the records. */
  readonly sequencers: ReadonlySet<string>;
}

/**
 * Who signed what and when, every record of a contract, and its money. Undefined where the records have
 * no such contract.
 * @throws AUDIT_MONEY_DIFFERS
 */
export function auditReport(input: AuditInput): AuditReport | undefined {
  const { fold, contract, at } = input;
  const header = fold.current('grid.contract.1', contract);
  const status = contractStatus(fold, contract, { seq: Number.MAX_SAFE_INTEGER, at });
  if (header === undefined || status === undefined) return undefined;
  const scope = AuditScope.of(input);
  const agreed = Object.entries(fold.contract(contract)?.agreed ?? {});
  return {
    ...{ contract, name: header.name, owner: header.owner, at },
    ...{ phase: status.phase, isHalted: status.isHalted },
    agreed: agreed.map(([action, moment]) => ({ action, seq: moment.seq, at: moment.at })),
    signatures: signaturesIn(scope, fold, contract),
    keys: keysIn(scope, fold, input.sequencers),
    records: scope.records.map(({ value: _value, ...record }) => {
      return { ...record, refusal: fold.refusals.get(record.seq) ?? null };
    }),
    money: auditMoney(fold, contract),
  };
}

function signaturesIn(
  { records }: AuditScope,
  fold: GridFold,
  contract: ContractId,
): readonly AuditedSignature[] {
  return records.flatMap(({ url, op, seq, at, author, value }) => {
    if (url !== 'grid.approval.1' || op !== 'put') return [];
    const { signer, role, action, verdict, expMs, contract: about } = value as Approval;
    if (about !== contract) return [];
    const name = fold.bot(signer)?.names.at(-1) ?? null;
    const refusal = fold.refusals.get(seq) ?? null;
    return [{ seq, at, signer, name, role, action, verdict, key: author, expMs, refusal }];
  });
}

function keysIn(
  { records, parties }: AuditScope,
  fold: GridFold,
  sequencers: ReadonlySet<string>,
): readonly AuditedKey[] {
  const authors = new Set(records.map(({ author }) => author));
  return [...authors].toSorted().map((key): AuditedKey => {
    const holder = fold.holderOf(key) ?? null;
    const { roots = [], keys = [] } = fold.bot(holder ?? '') ?? {};
    const span = [...roots, ...keys].find((one) => one.key === key);
    const { role = null, from = null, to = null, compromised = null } = span ?? {};
    const known = { key, holder, role, from, to, compromised };
    if (span !== undefined) return known;
    if (sequencers.has(key)) return { ...known, holder: 'log', role: 'sequencer' };
    // The key of a node is its name: nobody has to be told of it.
    const node = nodeIdOf(key);
    return parties.has(node) ? { ...known, holder: node, role: 'node' } : known;
  });
}
