import type { AuditReport } from '@commongrid/contract';

import { formatTable, plainText } from '../../terminal.ts';
import type { Style } from '../../terminal.ts';
import { formatTime } from '../bcdb/options.ts';

/** An audit for people. `--json` has every record. */
export function describeReport(report: AuditReport, style: Style): string {
  const { name, contract, phase, isHalted, at } = report;
  return [
    style.strong(
      `${plainText(name)} is ${phase}${isHalted ? ', halted' : ''} at ${formatTime(at)}`,
    ),
    contract,
    ...section('Signatures', describeSignatures(report), style),
    ...section('Agreed', describeAgreed(report), style),
    ...section('Keys', describeKeys(report), style),
    ...section('Records', describeRecords(report), style),
    ...section('Money', describeMoney(report), style),
  ].join('\n');
}

function section(title: string, rows: readonly (readonly string[])[], style: Style) {
  return rows.length === 0 ? [] : ['', style.strong(title), formatTable(rows)];
}

function describeSignatures({ signatures }: AuditReport): string[][] {
  return signatures.map(({ seq, at, signer, name, role, action, verdict, refusal }) => [
    `  ${seq}`,
    formatTime(at),
    name ?? signer,
    `${verdict} ${action} as ${role}`,
    refusal === null ? '' : `no effect: ${refusal}`,
  ]);
}

function describeAgreed({ agreed }: AuditReport): string[][] {
  return agreed.map(({ action, seq, at }) => [`  ${seq}`, formatTime(at), action]);
}

function describeKeys({ keys }: AuditReport): string[][] {
  return keys.map(({ key, holder, role, from, to, compromised }) => {
    const begin = from === null ? '' : `from ${from.seq}`;
    const end = to === null ? '' : ` to ${to.seq}`;
    const lost = compromised === null ? '' : `, compromised at ${compromised.seq}`;
    return [`  ${key}`, role ?? 'of nobody who is known', holder ?? '', begin + end + lost];
  });
}

function describeRecords({ records }: AuditReport): string[][] {
  const groups = [...Map.groupBy(records, ({ url }) => url)];
  return groups.map(([url, own]) => {
    const refused = own.filter(({ refusal }) => refusal !== null);
    const without = refused.length === 0 ? '' : `${refused.length} without effect`;
    return [`  ${url}`, String(own.length), without];
  });
}

function describeMoney({ money }: AuditReport): string[][] {
  return money.totals.map(({ currency, funded, released, refunded, held }) => [
    `  ${currency}`,
    `${funded} funded = ${released} paid + ${refunded} given back + ${held} held, in the smallest unit`,
  ]);
}
