import { runProgram } from '@commongrid/base';

/** Which packets of a machine are lost. */
export interface LostPackets {
  readonly direction: 'in' | 'out' | 'both';
  /** Of those, each as likely. */
  readonly percent: number;
}

const table = 'lost-packets';

/**
 * Loses packets of a machine at its cable, also of what its containers send and get, until `endLoss`.
 * @param netns path of its namespace @throws BASE_PROGRAM_FAILED while packets are lost there already
 */
export async function losePackets(netns: string, lost: LostPackets): Promise<void> {
  const { direction, percent } = lost;
  const chains = [
    ...(direction === 'out' ? [] : [chain('prerouting', -400, `iifname "cable"`, percent)]),
    ...(direction === 'in' ? [] : [chain('postrouting', 400, `oifname "cable"`, percent)]),
  ];
  const rules = [`create table inet ${table}`, `table inet ${table} {`, ...chains, '}', ''];
  await nft(netns, rules.join('\n'));
}

/** All packets of a machine come and go again. */
export async function endLoss(netns: string): Promise<void> {
  await nft(netns, `delete table inet ${table}\n`);
}

function chain(hook: string, priority: number, which: string, percent: number): string {
  // A comparison with all that can be drawn is refused.
  const some = percent === 100 ? '' : `numgen random mod 100 < ${percent} `;
  const rule = `${which} ${some}drop`;
  return `chain ${hook} { type filter hook ${hook} priority ${priority}; ${rule}; }`;
}

async function nft(netns: string, input: string): Promise<void> {
  await runProgram('nsenter', [`--net=${netns}`, 'nft', '-f', '-'], { input });
}
