export type { Duty } from './duties.ts';
export type { WalletErrorCode } from './errors.ts';
export { LogRail } from './log-rail.ts';
export type { LogRailOptions } from './log-rail.ts';
export type { LedgerView, Rail } from './rail.ts';
export { statementCsv, statementOf } from './statement.ts';
export type { StatementLine } from './statement.ts';
export { Wallet } from './wallet.ts';
export type { Balance, TransferOrder, WaitOptions } from './wallet.ts';
