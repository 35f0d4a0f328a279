import { PublicKey } from '@commongrid/crypto';
import {
  approvalCounts,
  isIdentityUrl,
  judgeIdentity,
  keyProofDomain,
  keysHeld,
  keysOf,
  maySpeak,
  namesHeld,
  nameSkeleton,
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
import type { Genesis } from '../record/genesis.ts';
import type { HandoverRules } from './handover-rules.ts';
import { judgeLease, leaseUrl } from './lease-rules.ts';
import { judgePresence, presenceUrl } from './presence-rules.ts';
import { refusal } from './refusal.ts';
import type { StateView } from './state-view.ts';
import type { ValidatedChange, Validator } from './validator.ts';

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
    return this.#view.document<RecordOf<Url>>({ ns: gridNamespace, url, obj })?.value;
  }

  holderOf(key: string): BotId | NodeId | undefined {
    return this.#view.fact(`holder ${key}`) as BotId | NodeId | undefined;
  }

  nameHolder(kind: 'bot' | 'farm', skeleton: string): BotId | FarmId | undefined {
    return this.#view.fact(`name ${kind} ${skeleton}`) as BotId | FarmId | undefined;
  }

  isProof(key: string, payload: Uint8Array, signature: string): boolean {
    const bytes = Buffer.from(signature, 'base64url');
    return PublicKey.fromText(key).verify(keyProofDomain, payload, bytes);
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
    const holder = this.holderOf(key);
    const state = holder === undefined ? undefined : this.bot(holder);
    const span = [...(state?.roots ?? []), ...(state?.keys ?? [])].find((one) => one.key === key);
    return span === undefined || approvalCounts(span, given, this.#moment);
  }

  /** Judges a record about identity and remembers what follows. */
  judge({ url, obj, op, author, value, seq, at }: ValidatedChange): void {
    if (!isIdentityUrl(url)) return;
    const moment = { seq, at };
    const record = { url, obj, op, author, moment, value } as unknown as JudgedRecord<IdentityUrl>;
    const verdict = judgeIdentity(this, record);
    if (!verdict.isAccepted) {
      throw refusal('BCDB_RULE_BROKEN', `${url} ${obj}: ${verdict.code}`, {
        hint: `grid explain ${verdict.code}`,
        details: { rule: verdict.code },
      });
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

/** Rules of the namespace of the grid, as far as they are built: who is who, who acts, who was there. */
export function gridValidator(
  identities: Identities,
  { at: beginMs }: Pick<Genesis, 'at'>,
  handovers: Pick<HandoverRules, 'sequencer'>,
): Validator {
  return (_view: StateView, change: ValidatedChange): void => {
    if (change.op !== 'put') {
      throw refusal('BCDB_RULE_BROKEN', `what is said in namespace ${change.ns} stays said`);
    }
    if (change.url === leaseUrl) judgeLease(identities, change);
    else if (change.url === presenceUrl) {
      judgePresence(identities, { sequencer: handovers.sequencer, at: beginMs }, change);
    } else identities.judge(change);
  };
}
