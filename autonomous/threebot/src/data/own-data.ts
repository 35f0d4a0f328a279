import type { Actor } from '../actors/actor.ts';
import type { MethodCaller } from '../actors/typed-client.ts';
import type { LogView } from '../log-view.ts';
import type { Phonebook } from '../phonebook/phonebook.ts';
import { dataActor } from './data-actor.ts';
import type { DataBook } from './data-book.ts';
import { DataStore } from './data-store.ts';
import type { Files } from './files.ts';
import { Records } from './records.ts';
import { Resolver } from './resolver.ts';

export interface OwnDataParts {
  /** Id of the bot. */
  readonly id: string;
  readonly book: DataBook;
  readonly files: Files;
  readonly view: LogView;
  readonly phonebook: Phonebook;
  readonly linkTo: (bot: string) => Promise<MethodCaller>;
}

/** The actor over the data of a bot, put together. */
export function ownData({ id, book, files, view, phonebook, linkTo }: OwnDataParts): Actor {
  const records = new Records(book, (work, signal) => view.use(work, signal));
  const data = new DataStore({ book, records, files });
  const named = (name: string) => phonebook.named(name);
  return dataActor(data, new Resolver({ self: id, data, named, linkTo }), { self: id, named });
}
