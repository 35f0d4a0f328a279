/** One change that a load made, as a plain model sees it. Keys are latin1 text. */
export type Effect =
  | {
      readonly kind: 'put';
      readonly namespace: string;
      readonly key: string;
      readonly value: Buffer;
    }
  | { readonly kind: 'delete'; readonly namespace: string; readonly key: string }
  /** The namespace is there, and empty. */
  | { readonly kind: 'empty'; readonly namespace: string }
  | { readonly kind: 'remove'; readonly namespace: string }
  /** Settings that do not touch the content. */
  | { readonly kind: 'settings'; readonly namespace: string };

/** Changes that are there all or not at all: the records with sequences from + 1 to `to`. */
export interface JournalEntry {
  readonly from: number;
  readonly to: number;
  readonly effects: readonly Effect[];
}

/** Namespace -> key -> value. */
export type PlainState = Map<string, Map<string, Buffer>>;

/** What a load did to a store, in order: says what the store must hold at any sequence. */
export class Journal {
  readonly entries: JournalEntry[];

  constructor(entries: readonly JournalEntry[] = []) {
    this.entries = [...entries];
  }

  add(entry: JournalEntry): void {
    if (entry.to > entry.from) this.entries.push(entry);
  }

  get lastSequence(): number {
    return this.entries.at(-1)?.to ?? 0;
  }

  /** The entries up to a sequence: what is left when the rest was lost. */
  upTo(sequence: number): Journal {
    return new Journal(this.entries.filter((entry) => entry.to <= sequence));
  }

  /** An entry of which a log that ends at `sequence` holds a part only. */
  halfAt(sequence: number): JournalEntry | undefined {
    return this.entries.find((entry) => entry.from < sequence && sequence < entry.to);
  }

  stateAt(sequence: number): PlainState {
    const state: PlainState = new Map();
    for (const entry of this.entries) {
      if (entry.to > sequence) break;
      for (const effect of entry.effects) applyEffect(state, effect);
    }
    return state;
  }

  /** Every key that a namespace has ever had. */
  keysOf(namespace: string): Set<string> {
    const keys = new Set<string>();
    for (const { effects } of this.entries) {
      for (const effect of effects) {
        if (effect.kind === 'put' && effect.namespace === namespace) keys.add(effect.key);
      }
    }
    return keys;
  }
}

export function applyEffect(state: PlainState, effect: Effect): void {
  switch (effect.kind) {
    case 'put':
      state.get(effect.namespace)?.set(effect.key, effect.value);
      return;
    case 'delete':
      state.get(effect.namespace)?.delete(effect.key);
      return;
    case 'empty':
      state.set(effect.namespace, new Map());
      return;
    case 'remove':
      state.delete(effect.namespace);
      return;
    case 'settings':
      return;
  }
}
