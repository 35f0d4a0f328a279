import { isGridError, readTextIfThere, silentLogger } from '@commongrid/base';
import type { GridError, Logger } from '@commongrid/base';
import { defaultRules, readRules } from './farmer-rules.ts';
import type { FarmerRules } from './farmer-rules.ts';

/** Rules that hold now, and why those of the file do not. */
export interface RulesNow {
  readonly rules: FarmerRules;
  readonly fault: GridError | undefined;
}

/**
 * The rules of a farmer as its owner writes them into a file. It is read whenever somebody asks, so what
 * changes counts at once; while it is not valid, the last valid one of this run holds, or nothing is sold.
 */
export class RuleFile {
  readonly path: string;
  readonly #logger: Logger;
  #hasRead = false;
  #text: string | undefined;
  #now: RulesNow = { rules: defaultRules, fault: undefined };

  constructor(path: string, logger: Logger = silentLogger) {
    this.path = path;
    this.#logger = logger;
  }

  async read(): Promise<RulesNow> {
    const text = await readTextIfThere(this.path);
    if (this.#hasRead && text === this.#text) return this.#now;
    const isFirst = !this.#hasRead;
    this.#hasRead = true;
    this.#text = text;
    try {
      const rules = text === undefined ? defaultRules : readRules(text);
      this.#now = { rules, fault: undefined };
    } catch (error) {
      if (!isGridError(error)) throw error;
      this.#logger.warn({ err: error, file: this.path }, 'the rules of the farmer do not count');
      // Nobody said yet at which prices to sell: the prices of the farm may not be meant.
      const { rules } = this.#now;
      this.#now = { rules: isFirst ? { ...rules, isSelling: false } : rules, fault: error };
    }
    return this.#now;
  }
}
