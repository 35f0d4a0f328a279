import { feedNamespaces, recordTypes } from '@commongrid/model';
import type { Change, ConcernsView, EscrowState, RecordOf, RecordUrl } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { systemUrls } from '../record/system-records.ts';
import { fitting } from '../state/fitting.ts';
import type { Identities } from '../state/identities.ts';
import type { ProposalState } from '../state/proposal-rules.ts';
import type { StateView } from '../state/state-view.ts';
import type { NameIndex } from './name-index.ts';

export interface StateConcernsParts {
  readonly view: StateView;
  readonly names: NameIndex;
  readonly identities: Identities;
  readonly genesis: Genesis;
}

/**
 * The state as `concerns` asks for it. It asks without a namespace: types of the grid live in theirs,
 * and objects of BCDB itself are looked for in all that have feeds.
 */
export class StateConcerns implements ConcernsView {
  readonly #view: StateView;
  readonly #names: NameIndex;
  readonly #identities: Identities;
  readonly #genesis: Genesis;
  /** What was looked up since the last `forget`: one record asks for the same again and again. */
  readonly #current = new Map<string, unknown>();
  readonly #naming = new Map<string, readonly string[]>();

  constructor({ view, names, identities, genesis }: StateConcernsParts) {
    this.#view = view;
    this.#names = names;
    this.#identities = identities;
    this.#genesis = genesis;
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined;
  current(url: string, obj: string): unknown;
  current(url: string, obj: string): unknown {
    if (url === systemUrls.genesis) return this.#genesis;
    const key = `${url} ${obj}`;
    const known = this.#current.get(key);
    if (known !== undefined || this.#current.has(key)) return known;
    const found = this.#look(url, obj);
    this.#current.set(key, found);
    return found;
  }

  naming(url: string, id: string): Iterable<string> {
    const key = `${url} ${id}`;
    let known = this.#naming.get(key);
    if (known === undefined) {
      const members = [...this.#names.naming(url, id)];
      known = members.map((member) => member.slice(member.indexOf(' ') + 1));
      this.#naming.set(key, known);
    }
    return known;
  }

  /** Another record is asked about. */
  forget(): void {
    this.#current.clear();
    this.#naming.clear();
  }

  #look(url: string, obj: string): unknown {
    for (const ns of namespacesOf(url)) {
      const found = this.#view.document<unknown>({ ns, url, obj });
      if (found !== undefined) return fitting(url, found.value);
    }
    return undefined;
  }

  isSettled(lock: string): boolean {
    const text = this.#view.fact(`escrow ${lock}`);
    return text !== undefined && (JSON.parse(text) as Partial<EscrowState>).isClosed === true;
  }

  holderOf(key: string): ReturnType<ConcernsView['holderOf']> {
    return this.#identities.holderOf(key);
  }

  proposal(version: string): Change | undefined {
    for (const ns of feedNamespaces) {
      const obj = this.#view.fact(`proposal ${ns} ${version}`);
      if (obj === undefined) continue;
      const name = { ns, url: systemUrls.proposal, obj };
      const record = this.#view.document<ProposalState>(name)?.value.record;
      if (record !== undefined) return { url: record.url, obj: record.obj, value: record.value };
    }
    return undefined;
  }
}

function namespacesOf(url: string): Iterable<string> {
  const ns = recordTypes.get(url)?.namespace;
  return ns === undefined || !feedNamespaces.has(ns) ? feedNamespaces : [ns];
}
