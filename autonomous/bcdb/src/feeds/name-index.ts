import { namesIn } from '@commongrid/model';
import type { StateView } from '../state/state-view.ts';

/**
 * Which objects name an id: one row for each id in each current payload. Kept so that adding, taking
 * away and walking need no search, however many objects name one id:
 *
 *     fn URL ID          how many
 *     fn URL ID PLACE    object in this place, `NS OBJ`
 *     fp URL ID NS OBJ   its place
 */
export class NameIndex {
  readonly #view: StateView;

  constructor(view: StateView) {
    this.#view = view;
  }

  /** Objects of a type that name an id, as `NS OBJ`. */
  *naming(url: string, id: string): Generator<string> {
    const count = this.#count(url, id);
    for (let place = 0; place < count; place++) {
      const member = this.#view.feedEntry(`n ${url} ${id} ${place}`);
      if (member !== undefined) yield member;
    }
  }

  /** An object has another payload now; undefined where it has none. */
  move(url: string, member: string, before: unknown, after: unknown): void {
    const [old, now] = [idsIn(before), idsIn(after)];
    for (const id of old) if (!now.has(id)) this.#remove(url, id, member);
    for (const id of now) if (!old.has(id)) this.#add(url, id, member);
  }

  #add(url: string, id: string, member: string): void {
    const count = this.#count(url, id);
    this.#view.setFeedEntry(`n ${url} ${id} ${count}`, member);
    this.#view.setFeedEntry(`p ${url} ${id} ${member}`, String(count));
    this.#view.setFeedEntry(`n ${url} ${id}`, String(count + 1));
  }

  /** The last one takes the place that becomes free. */
  #remove(url: string, id: string, member: string): void {
    const place = this.#view.feedEntry(`p ${url} ${id} ${member}`);
    if (place === undefined) return;
    const end = this.#count(url, id) - 1;
    const last = this.#view.feedEntry(`n ${url} ${id} ${end}`) ?? member;
    this.#view.setFeedEntry(`n ${url} ${id} ${place}`, last);
    this.#view.setFeedEntry(`p ${url} ${id} ${last}`, place);
    this.#view.setFeedEntry(`n ${url} ${id} ${end}`, undefined);
    this.#view.setFeedEntry(`p ${url} ${id} ${member}`, undefined);
    this.#view.setFeedEntry(`n ${url} ${id}`, end === 0 ? undefined : String(end));
  }

  #count(url: string, id: string): number {
    return Number(this.#view.feedEntry(`n ${url} ${id}`) ?? 0);
  }
}

function idsIn(value: unknown): ReadonlySet<string> {
  return new Set(namesIn(value).map(({ id }) => id));
}
