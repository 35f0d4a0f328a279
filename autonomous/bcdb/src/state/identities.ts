import {
  isIdentityUrl,
  isKeyProof,
  judgeIdentity,
  keysHeld,
  keysOf,
  maySpeak,
  namesHeld,
  nameSkeleton,
  parse,
  stillCounts,
} from '@commongrid/model';
import type {
  BotId,
  BotState,
  FarmId,
  FarmState,
  IdentityState,
  IdentityUrl,
  IdentityView,
  JudgedRecord,
  KeySpan,
  NodeId,
  NodeState,
  RecordOf,
  RecordUrl,
} from '@commongrid/model';
import { fitting } from './fitting.ts';
import { ruleBroken } from './refusal.ts';
import type { StateView } from './state-view.ts';
import type { ValidatedChange } from './validator.ts';

/** Namespace of bots, farms and nodes. */
export const gridNamespace = 'grid';

interface Moment {
  readonly seq: number;
  readonly at: number;
}

/** A bot, by one of its keys. */
export interface Speaker {
  readonly id: BotId;
  readonly name: string;
  /** What the key is for. */
  readonly role: KeySpan['role'];
}

/** What the log knows of bots, farms and nodes, and of the keys that they hold. */
export class Identities implements IdentityView {
  readonly log: string;
  readonly #view: StateView;
  #now: Moment | undefined;

  constructor(view: StateView, log: string) {
    this.#view = view;
    this.log = log;
  }

  bot(id: string): BotState | undefined {
    const state = this.#state(id);
    return state?.kind === 'bot' ? state : undefined;
  }

  farm(id: string): FarmState | undefined {
    const state = this.#state(id);
    return state?.kind === 'farm' ? state : undefined;
  }

  node(id: string): NodeState | undefined {
    const state = this.#state(id);
    return state?.kind === 'node' ? state : undefined;
  }

  current<Url extends RecordUrl>(url: Url, obj: string): RecordOf<Url> | undefined {
    const document = this.#view.document<unknown>({ ns: gridNamespace, url, obj });
    return fitting(url, document?.value) as RecordOf<Url> | undefined;
  }

  holderOf(key: string): BotId | NodeId | undefined {
    return this.#view.fact(`holder ${key}`) as BotId | NodeId | undefined;
  }

  nameHolder(kind: 'bot' | 'farm', skeleton: string): BotId | FarmId | undefined {
    return this.#view.fact(`name ${kind} ${skeleton}`) as BotId | FarmId | undefined;
  }

  isProof(key: string, payload: Uint8Array, signature: string): boolean {
    return isKeyProof(key, payload, signature);
  }

  /** The place in the log from which keys are looked at: that of the record under judgement. */
  set now(moment: Moment | undefined) {
    this.#now = moment;
  }

  /** Whether a key may sign records now: nobody holds it, or its holder did not end it. */
  maySpeak(key: string): boolean {
    return this.holderOf(key) === undefined || maySpeak(this, key, this.#moment);
  }

  /** The bot that a key speaks for now: `bot:…`. */
  botOf(key: string): BotId | undefined {
    return this.speakerOf(key)?.id;
  }

  /** For whom a key speaks now, and as what: a key that was ended for nobody. */
  speakerOf(key: string): Speaker | undefined {
    const holder = this.holderOf(key);
    const state = holder === undefined ? undefined : this.bot(holder);
    if (state === undefined) return undefined;
    const { root, keys } = keysOf(this, state, this.#moment);
    const role = root === key ? 'root' : keys.find((one) => one.key === key)?.role;
    const name = state.names.at(-1);
    return role === undefined || name === undefined ? undefined : { id: state.id, name, role };
  }

  /** Whether what a key approved at `given` may still take effect at `effect`. */
  counts(key: string, given: Moment): boolean {
    return stillCounts(this, key, given, this.#moment);
  }

  /** Judges a record about identity and remembers what follows. */
  judge({ url, obj, op, author, value, seq, at }: ValidatedChange): void {
    if (!isIdentityUrl(url)) return;
    const moment = { seq, at };
    const payload = op === 'put' ? parse(url, value) : value;
    const record = { url, obj, op, author, moment, value: payload } as JudgedRecord<IdentityUrl>;
    const verdict = judgeIdentity(this, record);
    if (!verdict.isAccepted) {
      throw ruleBroken(`${url} ${obj}`, verdict.code);
    }
    this.#keep(verdict.state);
  }

  /** Between records: after all of them. */
  get #moment(): Moment {
    return this.#now ?? { seq: Number.MAX_SAFE_INTEGER, at: Number(this.#view.fact('at') ?? 0) };
  }

  #state(id: string): IdentityState | undefined {
    const text = this.#view.fact(`identity ${id}`);
    return text === undefined ? undefined : (JSON.parse(text) as IdentityState);
  }

  #keep(state: IdentityState): void {
    // Whom a key speaks for may be another now.
    this.#view.touch();
    this.#view.setFact(`identity ${state.id}`, JSON.stringify(state));
    if (state.kind !== 'farm') {
      for (const key of keysHeld(state)) this.#view.setFact(`holder ${key}`, state.id);
    }
    if (state.kind === 'node') return;
    for (const name of namesHeld(state)) {
      this.#view.setFact(`name ${state.kind} ${nameSkeleton(name)}`, state.id);
    }
  }
}
