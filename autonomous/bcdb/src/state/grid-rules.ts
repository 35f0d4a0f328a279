import { isGridUrl, judgeGrid, parse } from '@commongrid/model';
import type {
  ContractState,
  GridState,
  GridUrl,
  GridView,
  RecordOf,
  RecordUrl,
  WorkloadState,
} from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import type { HandoverRules } from './handover-rules.ts';
import type { Identities } from './identities.ts';
import { judgePresence, presenceUrl } from './presence-rules.ts';
import { refusal, ruleBroken } from './refusal.ts';
import type { StateView } from './state-view.ts';
import type { ValidatedChange, Validator } from './validator.ts';

/** Rules of the namespace of the grid: who is who, who acts, what runs where, who was there. */
export function gridValidator(
  identities: Identities,
  genesis: Pick<Genesis, 'at' | 'releaseKeys'>,
  handovers: Pick<HandoverRules, 'sequencer'>,
): Validator {
  return (view: StateView, change: ValidatedChange): void => {
    const { url, op } = change;
    if (op !== 'put') {
      throw refusal('BCDB_RULE_BROKEN', `what is said in namespace ${change.ns} stays said`);
    }
    // Who proposed a change may have lost the key before others agreed to it.
    if (!identities.maySpeak(change.author)) throw ruleBroken(`${url} ${change.obj}`, 'KEY_ENDED');
    if (url === presenceUrl) {
      judgePresence(identities, { sequencer: handovers.sequencer, at: genesis.at }, change);
    } else if (isGridUrl(url)) {
      new Contracts(view, identities, genesis.releaseKeys).judge(url, change);
    } else identities.judge(change);
  };
}

/** What the log knows of contracts and workloads, beside the identities of the grid. */
class Contracts implements GridView {
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
    for (const state of verdict.states) {
      this.#view.setFact(`${state.kind} ${state.id}`, JSON.stringify(state));
    }
  }

  contract(id: string): ContractState | undefined {
    return this.#state(`contract ${id}`) as ContractState | undefined;
  }

  workload(id: string): WorkloadState | undefined {
    return this.#state(`workload ${id}`) as WorkloadState | undefined;
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined {
    return this.#identities.current(url, obj);
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

  #state(fact: string): GridState | undefined {
    const text = this.#view.fact(fact);
    return text === undefined ? undefined : (JSON.parse(text) as GridState);
  }
}
