import type { GridError } from '@commongrid/base';
import { seededRandom } from '@commongrid/base';
import { canonicalBytes, SigningKey } from '@commongrid/crypto';
import type { JsonValue } from '@commongrid/crypto';
import { signRecord } from '../record/author.ts';
import { checkRecord } from '../record/checked-record.ts';
import type { Entry } from '../record/entry.ts';
import type { RecordOp, TreeHead } from '../record/envelope.ts';
import type { Genesis } from '../record/genesis.ts';
import { genesisPayload, logIdOf } from '../record/genesis.ts';
import { logNamespace, systemUrls } from '../record/system-records.ts';
import type { Effect } from '../state/effect.ts';
import { Fold, logRecord } from '../state/fold.ts';
import type { FoldOptions } from '../state/fold.ts';
import { knownSchema } from '../state/known-schemas.ts';
import { LayeredStore } from '../state/layered-store.ts';
import { StateView } from '../state/state-view.ts';
import { seenFor } from '../state/validator.ts';
import type { Validators } from '../state/validator.ts';
import { toBase64url } from '../tree/base64.ts';
import { treeHasher } from '../tree/node-hasher.ts';

/** What a person says in a test; versions and schemas are filled in unless they are given. */
export interface Said {
  readonly ns?: string;
  readonly op?: RecordOp;
  readonly url: string;
  readonly obj: string;
  readonly value?: JsonValue;
  readonly prev?: string | undefined;
  /** Default: that of the empty log, where the namespace wants one. */
  readonly seen?: TreeHead | undefined;
  /** Whether the payload did not come with the record. */
  readonly isBare?: boolean;
}

export interface Outcome {
  readonly code: string | undefined;
  readonly refusal: GridError | undefined;
  readonly effects: readonly Effect[];
  readonly version: string;
}

const emptyHead = { size: 0, root: treeHasher.emptyRoot };

/** Heads that a log without a tree can vouch for. */
export function hadEmptyHead(size: number, root: string): boolean {
  return size === emptyHead.size && root === toBase64url(emptyHead.root);
}

/** The rules alone: a log without files, where time passes when a test says so. */
export class FoldWorld implements Disposable {
  readonly genesis: Genesis;
  readonly log: string;
  readonly fold: Fold;
  readonly view: StateView;
  readonly admin: SigningKey;
  readonly #store = LayeredStore.open(':memory:');
  readonly #sequencer: SigningKey;
  readonly #random = seededRandom('fold');
  /** All that was said, with what became of it: what golden logs are made of. */
  readonly told: {
    readonly entry: Entry;
    readonly code: string | undefined;
    readonly digest: string;
  }[] = [];
  #seq = 0;

  constructor(validators?: Validators, hadHead: FoldOptions['hadHead'] = hadEmptyHead) {
    this.admin = this.person('admin');
    this.#sequencer = this.person('sequencer');
    this.genesis = {
      format: 'bcdb/1',
      nonce: toBase64url(new Uint8Array(32)),
      at: 1_000_000,
      sequencer: this.#sequencer.publicKey.text,
      admins: { signers: [this.admin.publicKey.text], min: 1 },
      releaseKeys: [],
      isOpen: false,
    };
    this.log = toBase64url(logIdOf(this.genesis));
    this.view = new StateView(this.#store);
    this.fold = new Fold({
      view: this.view,
      log: this.log,
      genesis: this.genesis,
      hadHead,
      ...(validators === undefined ? {} : { validators }),
    });
    this.#judge(this.#sequencer, {
      ns: logNamespace,
      url: systemUrls.genesis,
      obj: 'genesis',
      value: JSON.parse(new TextDecoder().decode(genesisPayload(this.genesis))) as JsonValue,
    });
  }

  /** Records that were accepted. */
  get size(): number {
    return this.#seq;
  }

  /** The key of a name: the same in every run. */
  person(name: string): SigningKey {
    return SigningKey.fromSeed(seededRandom(name).bytes(32));
  }

  say(who: SigningKey, { ns = 'team', ...said }: Said): Outcome {
    return this.#judge(who, { ns, ...said });
  }

  /** Lets log time come to `at`. */
  tick(at: number): void {
    const { refusal } = this.#judge(this.#sequencer, {
      ns: logNamespace,
      url: systemUrls.tick,
      obj: 'tick',
      value: { at, feedsRoot: this.fold.feeds.root(), state: this.fold.digest },
    });
    if (refusal !== undefined) throw refusal;
  }

  /** Makes the namespace `team` with the admin in it. */
  makeTeam(): void {
    const value = { grants: [{ to: this.admin.publicKey.text, rights: ['admin'] }] };
    const { refusal } = this.say(this.admin, {
      url: systemUrls.namespace,
      obj: 'namespace',
      value,
    });
    if (refusal !== undefined) throw refusal;
  }

  [Symbol.dispose](): void {
    this.#store.close();
  }

  #judge(who: SigningKey, said: Said & { readonly ns: string }): Outcome {
    const { ns, op = 'put', url, obj, value } = said;
    const isTick = url === systemUrls.tick;
    const newest = isTick ? undefined : this.view.head({ ns, url, obj })?.version;
    const prev = 'prev' in said ? said.prev : newest;
    const seen = 'seen' in said ? said.seen : seenFor(this.view, ns, emptyHead);
    const n = (this.view.author(who.publicKey.text)?.n ?? 0) + 1;
    const statement = {
      ns,
      op,
      url,
      obj,
      prev,
      schema: op === 'put' ? this.#schemaOf(ns, url) : undefined,
      seen,
      payload: value === undefined ? undefined : canonicalBytes(value),
    };
    const { log } = this;
    const entry = signRecord(who, statement, { log, n, t: 0, random: this.#random });
    const bare: Entry = { leaf: entry.leaf, body: undefined };
    const record = checkRecord(said.isBare === true ? bare : entry, { mayBeErased: true });
    const verdict = this.fold.judge(logRecord(record, this.#seq));
    if (verdict.refusal === undefined) this.#seq++;
    this.told.push({ entry, code: verdict.refusal?.code, digest: this.fold.digest });
    return {
      code: verdict.refusal?.code,
      refusal: verdict.refusal,
      effects: verdict.refusal === undefined ? verdict.effects : [],
      version: record.version,
    };
  }

  #schemaOf(ns: string, url: string): string | undefined {
    const document = this.view.document<{ readonly schema: JsonValue }>({
      ns,
      url: systemUrls.schema,
      obj: url,
    });
    return document && knownSchema(document.value.schema).id;
  }
}
