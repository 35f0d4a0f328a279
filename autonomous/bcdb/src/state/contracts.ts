import { attend, judgeGrid, judgeWallet, parse, recordTypes } from '@commongrid/model';
import type {
  ContractState,
  GridState,
  GridUrl,
  GridView,
  RecordOf,
  RecordUrl,
  WalletState,
  WalletStateOf,
  WalletUrl,
  WorkloadState,
} from '@commongrid/model';
import { fitting } from './fitting.ts';
import type { Identities } from './identities.ts';
import type { PresenceSummary } from './presence-rules.ts';
import { ruleBroken } from './refusal.ts';
import type { StateView } from './state-view.ts';
import type { ValidatedChange } from './validator.ts';

/** What the log knows of contracts, workloads and money, beside the identities of the grid. */
export class Contracts implements GridView {
  readonly reader = undefined;
  readonly log: string;
  readonly releaseKeys: readonly string[];
  readonly #view: StateView;
  readonly #identities: Identities;

  constructor(view: StateView, identities: Identities, releaseKeys: readonly string[]) {
    this.log = identities.log;
    this.releaseKeys = releaseKeys;
    this.#view = view;
    this.#identities = identities;
  }

  /** Judges a record and remembers what follows. @throws BCDB_RULE_BROKEN, MODEL_RECORD_INVALID */
  judge(url: GridUrl, { obj, op, author, value, seq, at }: ValidatedChange): void {
    const record = { url, obj, op, author, moment: { seq, at }, value: parse(url, value) };
    const verdict = judgeGrid(this, record);
    if (!verdict.isAccepted) throw ruleBroken(`${url} ${obj}`, verdict.code);
    this.#keep(verdict.states);
  }

  /** The same for what moves money. @throws BCDB_RULE_BROKEN, MODEL_RECORD_INVALID */
  judgeMoney(url: WalletUrl, { obj, op, author, value, seq, at }: ValidatedChange): void {
    const payload = op === 'put' ? parse(url, value) : (value as RecordOf<WalletUrl>);
    const record = { url, obj, op, author, moment: { seq, at }, value: payload };
    const verdict = judgeWallet(this, record);
    if (!verdict.isAccepted) throw ruleBroken(`${url} ${obj}`, verdict.code);
    this.#keep(verdict.states);
  }

  /** Remembers for how long a node was there: seconds are paid by it. */
  attend(summary: PresenceSummary): void {
    this.#keep([attend(this, summary)]);
  }

  contract(id: string): ContractState | undefined {
    return this.#state(`contract ${id}`) as ContractState | undefined;
  }

  workload(id: string): WorkloadState | undefined {
    return this.#state(`workload ${id}`) as WorkloadState | undefined;
  }

  money<Kind extends WalletState['kind']>(kind: Kind, id: string): WalletStateOf<Kind> | undefined {
    return this.#state(`${kind} ${id}`) as WalletStateOf<Kind> | undefined;
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined {
    const ns = recordTypes.get(url)?.namespace;
    if (ns !== 'wallet') return this.#identities.current(url, obj);
    const document = this.#view.document<unknown>({ ns, url, obj });
    return fitting(url, document?.value) as RecordOf<Url> | undefined;
  }

  bot(id: string) {
    return this.#identities.bot(id);
  }

  farm(id: string) {
    return this.#identities.farm(id);
  }

  node(id: string) {
    return this.#identities.node(id);
  }

  holderOf(key: string) {
    return this.#identities.holderOf(key);
  }

  nameHolder(kind: 'bot' | 'farm', skeleton: string) {
    return this.#identities.nameHolder(kind, skeleton);
  }

  isProof(key: string, payload: Uint8Array, signature: string): boolean {
    return this.#identities.isProof(key, payload, signature);
  }

  #keep(states: readonly (GridState | WalletState)[]): void {
    for (const state of states) {
      this.#view.setFact(`${state.kind} ${state.id}`, JSON.stringify(state));
    }
  }

  #state(fact: string): GridState | WalletState | undefined {
    const text = this.#view.fact(fact);
    return text === undefined ? undefined : (JSON.parse(text) as GridState | WalletState);
  }
}
