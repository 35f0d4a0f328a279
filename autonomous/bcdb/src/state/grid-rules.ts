import { isGridUrl, parse } from '@commongrid/model';
import type { Genesis } from '../record/genesis.ts';
import { Contracts } from './contracts.ts';
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
    const contracts = new Contracts(view, identities, genesis.releaseKeys);
    if (url === presenceUrl) {
      judgePresence(identities, { sequencer: handovers.sequencer, at: genesis.at }, change);
      contracts.attend(parse(presenceUrl, change.value));
    } else if (isGridUrl(url)) {
      contracts.judge(url, change);
    } else identities.judge(change);
  };
}
