import { GridError, systemRandom } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import type { Database, OwnerReceipt, OwnerStatement } from '../database.ts';
import type { BcdbErrorCode } from '../errors.ts';
import type { ApprovalRecord, ProposalRecord } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import type { ProposalState, ProposalStatus } from '../state/proposal-rules.ts';

/** How long a proposal stands, unless it says otherwise. */
const proposalMsDefault = 7 * 24 * 3_600_000;

/** Proposals of one list. */
const listedProposalsMax = 1000;

/** A change that several people have to agree to, as the owner asks for it. */
export interface ProposedChange extends Omit<OwnerStatement, 'value'> {
  /** With `put`: what the object would become. */
  readonly value?: JsonValue;
  /** Log time from which it has no effect any more. Default: a week from now. */
  readonly exp?: number | undefined;
}

/** What the owner says of a proposal. */
export interface OwnerVote {
  readonly ns: string;
  /** Id of the proposal. */
  readonly id: string;
  readonly verdict: ApprovalRecord['verdict'];
  /** One of the roles of the policy. Default: the one that names the owner. */
  readonly role?: string | undefined;
}

/** A proposal as it stands. */
export interface ListedProposal extends Omit<ProposalState, 'status'> {
  readonly id: string;
  readonly status: ProposalStatus;
}

/** What doors do with proposals in the name of the owner. */
export class Proposals {
  readonly #bcdb: Database;

  constructor(bcdb: Database) {
    this.#bcdb = bcdb;
  }

  /**
   * Proposes a change on top of what is there now.
   * @throws BCDB_PROPOSAL_STALE when no policy covers it, and what the rules refuse
   */
  async propose(change: ProposedChange): Promise<OwnerReceipt & { readonly id: string }> {
    const { ns, op, url, obj, value, exp } = change;
    const policy = this.#bcdb.policyFor({ ns, op, url, obj });
    if (policy === undefined) {
      throw new GridError<BcdbErrorCode>('BCDB_PROPOSAL_STALE', `no policy covers ${url} ${obj}`, {
        hint: 'make the change directly',
      });
    }
    const prev = change.prev ?? this.#bcdb.versionOf(ns, url, obj);
    const schema = op === 'put' ? this.#bcdb.schemaOf(ns, url) : undefined;
    const record: ProposalRecord = {
      op,
      url,
      obj,
      ...(prev === undefined ? {} : { prev }),
      ...(schema === undefined ? {} : { schema }),
      ...(value === undefined ? {} : { value }),
      policySeq: policy.policySeq,
      exp: exp ?? this.#bcdb.at + proposalMsDefault,
    };
    const id = randomId();
    const receipt = await this.#write(ns, systemUrls.proposal, id, record);
    return { ...receipt, id };
  }

  /** @throws BCDB_NOT_FOUND, BCDB_NOT_SIGNER, and what the rules refuse */
  async vote({ ns, id, verdict, role }: OwnerVote): Promise<OwnerReceipt> {
    const { version, record } = this.get(ns, id);
    const vote: ApprovalRecord = {
      proposal: version,
      role: role ?? this.#roleOf(ns, record),
      verdict,
      exp: record.exp,
    };
    return this.#write(ns, systemUrls.approval, randomId(), vote);
  }

  /** @throws BCDB_NOT_FOUND */
  get(ns: string, id: string): ListedProposal {
    const name = { ns, url: systemUrls.proposal, obj: id };
    const found = this.#bcdb.state.document<ProposalState>(name);
    if (found !== undefined) return { id, ...found.value };
    throw new GridError<BcdbErrorCode>('BCDB_NOT_FOUND', `there is no proposal ${id} in ${ns}`);
  }

  /** The newest first. */
  list(ns: string, status?: ProposalStatus): readonly ListedProposal[] {
    const documents = this.#bcdb.state.documents<ProposalState>(ns, systemUrls.proposal);
    return [...documents]
      .map(([id, { value }]) => ({ id, ...value }))
      .filter((one) => status === undefined || one.status === status)
      .toSorted((a, b) => b.seq - a.seq)
      .slice(0, listedProposalsMax);
  }

  #roleOf(ns: string, { op, url, obj }: ProposalRecord): string {
    const owner = this.#bcdb.identityOf(this.#bcdb.owner);
    const lines = this.#bcdb.policyFor({ ns, op, url, obj })?.lines ?? [];
    const line = lines.find(({ signers }) => signers.has(owner));
    if (line !== undefined) return line.role;
    throw new GridError<BcdbErrorCode>('BCDB_NOT_SIGNER', 'the policy does not name the owner', {
      details: { roles: lines.map(({ role }) => role) },
    });
  }

  #write(ns: string, url: string, obj: string, value: object): Promise<OwnerReceipt> {
    // Both kinds of record are plain JSON; their types say `unknown` where any value may be.
    return this.#bcdb.write({ ns, op: 'put', url, obj, value: value as JsonValue });
  }
}

function randomId(): string {
  return systemRandom.bytes(16).toHex();
}
