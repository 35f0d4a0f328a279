import { isGridError } from '@commongrid/base';
import type { JsonValue } from '@commongrid/crypto';
import { canonicalBytes } from '@commongrid/crypto';
import { judgeQuorum } from '@commongrid/model';
import type { Vote } from '@commongrid/model';
import type { ApprovalRecord, ProposalRecord } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import type { Access } from './access.ts';
import { isSystem } from './administrative.ts';
import { rightFor } from './change.ts';
import type { Change, Moment } from './change.ts';
import type { Effect } from './effect.ts';
import type { Identities } from './identities.ts';
import type { ObjectRules } from './object-rules.ts';
import type { Policies, RequiredLines } from './policies.ts';
import { isPrivate, notSealed } from './private-rules.ts';
import { refusal } from './refusal.ts';
import type { StateView } from './state-view.ts';
import { requireShape } from './system-rules.ts';

/** Open proposals of one namespace. */
const openProposalsMax = 10_000;

/** How a proposal stands. It never leaves `open` twice. */
export type ProposalStatus = 'open' | 'effective' | 'rejected' | 'stale' | 'expired';

/** What the state keeps of a proposal, as a document in the place of its object. */
export interface ProposalState {
  readonly record: ProposalRecord;
  readonly author: string;
  readonly version: string;
  readonly seq: number;
  readonly status: ProposalStatus;
  readonly approvals: readonly Approval[];
  readonly rejections: readonly Vote[];
}

/** An approval, with the key that gave it and when: it may be called compromised before the effect. */
interface Approval extends Vote {
  readonly exp: number;
  readonly key: string;
  readonly seq: number;
  readonly at: number;
}

interface ProposalRulesParts {
  readonly view: StateView;
  readonly access: Access;
  readonly policies: Policies;
  readonly objects: ObjectRules;
  readonly identities: Identities;
}

/**
 * Changes that need several people.
 *
 * 1. A proposal names the change, the version that it follows, the policy in force and a deadline.
 * 2. Each approval or rejection names the proposal's bytes by their hash and the signer's role.
 * 3. The change takes effect with the approval that meets the last line, if neither the object nor
 *    the policy has changed: otherwise the proposal is stale.
 * 4. It is rejected once those who have not spoken cannot meet the lines any more, and it lapses at
 *    its deadline by log time.
 */
export class ProposalRules {
  readonly #view: StateView;
  readonly #access: Access;
  readonly #policies: Policies;
  readonly #objects: ObjectRules;
  readonly #identities: Identities;

  constructor({ view, access, policies, objects, identities }: ProposalRulesParts) {
    this.#view = view;
    this.#access = access;
    this.#policies = policies;
    this.#objects = objects;
    this.#identities = identities;
  }

  /** The earliest deadline of an open proposal. */
  get nextDeadline(): number | undefined {
    const first = this.#view.firstOf('deadline');
    return first === undefined ? undefined : Number(first.split(' ')[0]);
  }

  propose(change: Change, moment: Moment): readonly Effect[] {
    const { ns, url, obj, op, value, author, version } = change;
    requireNew(change, this.#view.head({ ns, url, obj }) !== undefined);
    requireShape(url, value);
    this.#objects.requireNamespace(ns);
    const record = value as ProposalRecord;
    if (op !== 'put') throw refusal('BCDB_NAME_RESERVED', 'proposals are only added');
    if (record.exp <= moment.at) {
      throw refusal('BCDB_PROPOSAL_CLOSED', 'the deadline of the proposal has passed already', {
        details: { exp: record.exp, at: moment.at },
      });
    }
    // A proposal says what it proposes in the clear.
    if (record.op === 'put' && !isSystem(record.url) && isPrivate(this.#view, ns)) {
      throw notSealed(ns);
    }
    const required = this.#requiredFor(ns, record);
    this.#requireParty(change, record, required);
    if (required.policySeq !== record.policySeq) throw stale('the policy', required.policySeq);
    const head = this.#view.head({ ns, url: record.url, obj: record.obj });
    if (head?.version !== record.prev) throw stale('the object', head?.seq);
    const open = Number(this.#view.fact(`proposals ${ns}`) ?? 0);
    if (open >= openProposalsMax) {
      throw refusal('BCDB_TOO_LARGE', `${ns} has ${open} open proposals, the most that it may`);
    }
    this.#view.setFact(`proposals ${ns}`, String(open + 1));
    this.#view.setIndex('deadline', deadlineKey(record.exp, ns, obj), version);
    this.#save(ns, obj, {
      record,
      author,
      version,
      seq: moment.seq,
      status: 'open',
      approvals: [],
      rejections: [],
    });
    return [this.#keep(change, moment)];
  }

  vote(change: Change, moment: Moment): readonly Effect[] {
    const { ns, url, obj, op, value, author } = change;
    requireNew(change, this.#view.head({ ns, url, obj }) !== undefined);
    requireShape(url, value);
    this.#objects.requireNamespace(ns);
    if (op !== 'put') throw refusal('BCDB_NAME_RESERVED', 'approvals are only added');
    const vote = value as ApprovalRecord;
    const { id, proposal } = this.#requireOpen(ns, vote, moment);
    const required = this.#requiredFor(ns, proposal.record);
    const who = this.#policies.identityOf(author);
    const line = required.lines.find(({ role }) => role === vote.role);
    if (line?.signers.has(who) !== true) {
      throw refusal('BCDB_NOT_SIGNER', `the policy does not name ${who} as ${vote.role}`, {
        details: { roles: required.lines.map(({ role }) => role) },
      });
    }
    if ([...proposal.approvals, ...proposal.rejections].some((one) => one.who === who)) {
      throw refusal('BCDB_ALREADY_VOTED', `${who} has spoken on this proposal`);
    }
    const { seq, at } = moment;
    const { role, exp, verdict } = vote;
    const next: ProposalState =
      verdict === 'reject'
        ? { ...proposal, rejections: [...proposal.rejections, { who, role }] }
        : {
            ...proposal,
            approvals: [...proposal.approvals, { who, role, exp, key: author, seq, at }],
          };
    return [this.#keep(change, moment), ...this.#settle(ns, id, next, required, moment)];
  }

  /** Ends the proposals whose deadline has come. */
  expire(at: number): void {
    if ((this.nextDeadline ?? Number.POSITIVE_INFINITY) > at) return;
    for (const key of this.#view.index('deadline').keys()) {
      const [exp = '', ns = '', obj = ''] = key.split(' ');
      if (Number(exp) > at) return;
      const proposal = this.#load(ns, obj);
      if (proposal !== undefined) this.#close(ns, obj, proposal, 'expired');
    }
  }

  /** What follows from the votes so far. */
  #settle(
    ns: string,
    id: string,
    proposal: ProposalState,
    required: RequiredLines,
    moment: Moment,
  ): readonly Effect[] {
    const isValid = ({ exp, key, seq, at }: Approval): boolean =>
      exp > moment.at && this.#identities.counts(key, { seq, at });
    const valid = proposal.approvals.filter(isValid);
    const lapsed = proposal.approvals.filter((one) => !isValid(one));
    // Whoever has spoken does not speak again, even when the word counts no more.
    const verdict = judgeQuorum(required.lines, valid, [...proposal.rejections, ...lapsed]);
    if (verdict === 'open') {
      this.#save(ns, id, proposal);
      return [];
    }
    if (verdict === 'impossible') {
      this.#close(ns, id, proposal, 'rejected');
      return [];
    }
    const { record } = proposal;
    const head = this.#view.head({ ns, url: record.url, obj: record.obj });
    const isStale = required.policySeq !== record.policySeq || head?.version !== record.prev;
    this.#close(ns, id, proposal, isStale ? 'stale' : 'effective');
    if (isStale) return [];
    return this.#takeEffect(ns, id, proposal, moment);
  }

  /** The change itself may be refused by then: its schema or a reference can be gone. */
  #takeEffect(ns: string, id: string, proposal: ProposalState, moment: Moment): readonly Effect[] {
    const mark = this.#view.mark();
    try {
      const effect = this.#objects.apply(changeOf(ns, proposal), moment);
      this.#view.setException(moment.seq, { origin: proposal.seq });
      // Replicas judge the proposal again from its payload, so that can never be erased.
      this.#view.setFact(`carried ${ns} ${effect.url} ${effect.obj}`, '1');
      return [effect];
    } catch (error) {
      if (!isGridError(error)) throw error;
      this.#view.backTo(mark);
      this.#save(ns, id, { ...proposal, status: 'stale' });
      return [];
    }
  }

  #requireOpen(
    ns: string,
    vote: ApprovalRecord,
    { at }: Moment,
  ): { readonly id: string; readonly proposal: ProposalState } {
    const id = this.#view.fact(`proposal ${ns} ${vote.proposal}`);
    const proposal = id === undefined ? undefined : this.#load(ns, id);
    if (id === undefined || proposal === undefined) {
      throw refusal('BCDB_NOT_FOUND', `there is no proposal ${vote.proposal} in ${ns}`);
    }
    if (proposal.status !== 'open' || proposal.record.exp <= at || vote.exp <= at) {
      const status = proposal.status === 'open' ? 'expired' : proposal.status;
      throw refusal('BCDB_PROPOSAL_CLOSED', `the proposal or the approval is ${status}`, {
        details: { status, at },
      });
    }
    return { id, proposal };
  }

  #requiredFor(ns: string, { op, url, obj }: ProposalRecord): RequiredLines {
    const required = this.#policies.linesFor({ ns, op, url, obj });
    if (required !== undefined) return required;
    throw refusal('BCDB_PROPOSAL_STALE', `no policy covers ${url} ${obj}`, {
      hint: 'make the change directly',
    });
  }

  /** Whoever has the right, or is named by the policy, may propose. */
  #requireParty({ ns, author }: Change, record: ProposalRecord, { lines }: RequiredLines): void {
    const who = this.#policies.identityOf(author);
    if (lines.some(({ signers }) => signers.has(who))) return;
    const { op, url, obj } = record;
    if (this.#access.may(ns, author, rightFor({ op, url }), url, obj)) return;
    throw refusal('BCDB_DENIED', `${author} may not propose changes of ${url} ${obj}`);
  }

  #close(ns: string, id: string, proposal: ProposalState, status: ProposalStatus): void {
    const open = Number(this.#view.fact(`proposals ${ns}`) ?? 0);
    this.#view.setFact(`proposals ${ns}`, String(open - 1));
    this.#view.setIndex('deadline', deadlineKey(proposal.record.exp, ns, id), undefined);
    this.#save(ns, id, { ...proposal, status });
  }

  #save(ns: string, obj: string, proposal: ProposalState): void {
    const { seq, version } = proposal;
    this.#view.setFact(`proposal ${ns} ${version}`, obj);
    const name = { ns, url: systemUrls.proposal, obj };
    this.#view.setDocument(name, { seq, version, value: proposal as unknown as JsonValue });
  }

  #load(ns: string, obj: string): ProposalState | undefined {
    return this.#view.document<ProposalState>({ ns, url: systemUrls.proposal, obj })?.value;
  }

  /** The record itself becomes an object too, so that it can be found and proven. */
  #keep(change: Change, { seq, at }: Moment): Effect {
    const { ns, url, obj, version, author, origin, payload } = change;
    this.#view.setHead({ ns, url, obj }, { seq, version, isLive: true });
    return {
      kind: 'put',
      ns,
      url,
      obj,
      seq,
      origin,
      version,
      author,
      at,
      schema: undefined,
      payload,
    };
  }
}

function changeOf(ns: string, { record, author, seq, version }: ProposalState): Change {
  const { op, url, obj, prev, schema } = record;
  const value = record.value as JsonValue | undefined;
  const payload = value === undefined ? undefined : canonicalBytes(value);
  return { ns, op, url, obj, prev, schema, value, payload, author, origin: seq, version };
}

function requireNew({ url, obj, prev }: Change, exists: boolean): void {
  if (!exists && prev === undefined) return;
  throw refusal('BCDB_CONFLICT', `${url} ${obj} exists: proposals and approvals never change`, {
    hint: 'take another id',
  });
}

function stale(what: string, seq: number | undefined): Error {
  return refusal('BCDB_PROPOSAL_STALE', `${what} is another than the proposal says`, {
    hint: 'read it again and propose on what is there now',
    details: { seq },
  });
}

/** Sorts by time: 16 digits hold every safe integer. */
function deadlineKey(exp: number, ns: string, obj: string): string {
  return `${String(exp).padStart(16, '0')} ${ns} ${obj}`;
}
