import { isFeasible } from '@commongrid/model';
import type { QuorumLine } from '@commongrid/model';
import type { PolicyAction, PolicyLine, PolicyRecord } from '../record/system-records.ts';
import { systemUrls } from '../record/system-records.ts';
import { scopesOf } from './access.ts';
import type { Access } from './access.ts';
import { rightFor } from './change.ts';
import type { Change } from './change.ts';
import type { Identities } from './identities.ts';
import { refusal } from './refusal.ts';
import type { Document, StateView } from './state-view.ts';

/** The lines that a change must meet, and the policy that says so. */
export interface RequiredLines {
  readonly policySeq: number;
  readonly lines: readonly QuorumLine[];
}

/** What decides which policy covers a change. */
export type PolicyScope = Pick<Change, 'ns' | 'op' | 'url' | 'obj'>;

/** Namespaces whose policies are kept at hand; beyond it all are forgotten. */
const knownNamespacesMax = 1000;

/** Policies of a namespace by scope; good for one generation of its documents. */
interface KnownPolicies {
  readonly documents: string;
  readonly policies: ReadonlyMap<string, Document<PolicyRecord>>;
}

/** Policies: which changes need several people, and who they are. */
export class Policies {
  readonly #view: StateView;
  readonly #access: Access;
  readonly #identities: Identities;
  /** Policies by namespace. */
  readonly #known = new Map<string, KnownPolicies>();

  constructor(view: StateView, access: Access, identities: Identities) {
    this.#view = view;
    this.#access = access;
    this.#identities = identities;
  }

  /** Lines for a change by the narrowest policy that covers it; undefined when none does. */
  linesFor(change: PolicyScope): RequiredLines | undefined {
    const policies = this.#policiesOf(change.ns);
    if (policies.size === 0) return undefined;
    const action = actionOf(change);
    for (const scope of this.#scopesOf(change)) {
      const policy = policies.get(scope);
      const lines = policy?.value[action];
      if (policy === undefined || lines === undefined) continue;
      return { policySeq: policy.seq, lines: this.#resolve(change.ns, lines) };
    }
    return undefined;
  }

  /**
   * A policy that somebody can meet, in each of its actions.
   * @throws BCDB_POLICY_IMPOSSIBLE
   */
  requireFeasible(ns: string, policy: PolicyRecord): void {
    for (const lines of Object.values(policy)) {
      const roles = new Set(lines.map(({ role }) => role));
      if (roles.size !== lines.length) {
        throw refusal('BCDB_POLICY_IMPOSSIBLE', 'two lines of the policy have the same role');
      }
      const isAnyone = lines.some(({ signers }) => signers.includes('anyone'));
      if (!isAnyone && isFeasible(this.#resolve(ns, lines))) continue;
      throw refusal('BCDB_POLICY_IMPOSSIBLE', 'the signers of the policy can never be enough', {
        hint: 'name as many different keys or bots as the lines ask for together',
        details: { lines },
      });
    }
  }

  /** The one name under which a key counts: its bot, or itself. */
  identityOf(key: string): string {
    return this.#identities.botOf(key) ?? key;
  }

  #resolve(ns: string, lines: readonly PolicyLine[]): readonly QuorumLine[] {
    return lines.map(({ role, signers, min }) => {
      const members = [...this.#access.membersOf(ns, signers)];
      // A circle can be open to anyone; nobody signs by that name.
      const people = members.filter((one) => one !== 'anyone');
      return { role, min, signers: new Set(people.map((one) => this.identityOf(one))) };
    });
  }

  #scopesOf({ url, obj }: Pick<Change, 'url' | 'obj'>): readonly string[] {
    // What an access list or a policy covers is guarded by the policies of its own scope.
    const isScoped = url === systemUrls.acl || url === systemUrls.policy;
    if (!isScoped) return scopesOf(url, obj);
    const [kind, type = '', ...rest] = obj.split('/');
    if (kind === 'object') return scopesOf(type, rest.join('/'));
    return kind === 'type' ? scopesOf(type, '').slice(1) : scopesOf('', '').slice(2);
  }

  #policiesOf(ns: string): KnownPolicies['policies'] {
    const documents = this.#view.documentGeneration(ns);
    let known = this.#known.get(ns);
    if (known?.documents !== documents) {
      if (this.#known.size >= knownNamespacesMax) this.#known.clear();
      const policies = this.#view.documents<PolicyRecord>(ns, systemUrls.policy);
      known = { documents, policies };
      this.#known.set(ns, known);
    }
    return known.policies;
  }
}

function actionOf(change: Pick<Change, 'op' | 'url'>): PolicyAction {
  const right = rightFor(change);
  if (right === 'admin') return change.op === 'erase' ? 'delete' : 'admin';
  return right === 'delete' ? 'delete' : 'write';
}
