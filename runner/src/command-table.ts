import type { Command } from 'commander';

import type { CommandContext } from './command-context.ts';

/** One first word after `grid`. Its module is loaded only when it is asked for. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<(context: CommandContext) => Command>;
}

/** Every command of grid, in the order in which help shows them. */
export const commandTable: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'start the one-machine grid, or what of it is down',
    load: async () => (await import('./commands/up.ts')).upCommand,
  },
  {
    name: 'down',
    summary: 'stop the grid or some of its services; data stays',
    load: async () => (await import('./commands/down.ts')).downCommand,
  },
  {
    name: 'status',
    summary: 'show what runs, and where',
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    name: 'top',
    summary: 'show who is alive, what it uses, and whose money ends',
    load: async () => (await import('./commands/top.ts')).topCommand,
  },
  {
    name: 'ls',
    summary: 'list contracts of the bots here, or what of one runs, and where',
    load: async () => (await import('./commands/ls.ts')).lsCommand,
  },
  {
    name: 'describe',
    summary: 'say all that there is to know of a contract, or of a node',
    load: async () => (await import('./commands/describe.ts')).describeCommand,
  },
  {
    name: 'events',
    summary: 'show what happened to workloads of the node of this machine',
    load: async () => (await import('./commands/node/workloads.ts')).eventsCommand,
  },
  {
    name: 'logs',
    summary: 'show what a container of yours printed',
    load: async () => (await import('./commands/workload/logs.ts')).logsCommand,
  },
  {
    name: 'exec',
    summary: 'run a command in a container of yours',
    load: async () => (await import('./commands/workload/exec.ts')).execCommand,
  },
  {
    name: 'shell',
    summary: 'open a shell in a container of yours',
    load: async () => (await import('./commands/workload/exec.ts')).shellCommand,
  },
  {
    name: 'cp',
    summary: 'copy files into a container of yours, or out of it',
    load: async () => (await import('./commands/workload/copy.ts')).cpCommand,
  },
  {
    name: 'restart',
    summary: 'end containers and begin them again, one after the other',
    load: async () => (await import('./commands/workload/restart.ts')).restartCommand,
  },
  {
    name: 'cordon',
    summary: 'let nothing new come to a node',
    load: async () => (await import('./commands/drain.ts')).cordonCommand,
  },
  {
    name: 'drain',
    summary: 'take a node out of service: what runs leaves in order',
    load: async () => (await import('./commands/drain.ts')).drainCommand,
  },
  {
    name: 'uncordon',
    summary: 'let workloads come to a node again',
    load: async () => (await import('./commands/drain.ts')).uncordonCommand,
  },
  {
    name: 'doctor',
    summary: 'look for what is wrong, mend it, gather what helps others to help',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    name: 'install',
    summary: 'let systemd start the grid with the machine',
    load: async () => (await import('./commands/install.ts')).installCommand,
  },
  {
    name: 'uninstall',
    summary: 'take the unit of systemd away again',
    load: async () => (await import('./commands/install.ts')).uninstallCommand,
  },
  {
    name: 'backup',
    summary: 'put all of the grid elsewhere, encrypted, while it runs',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  {
    name: 'restore',
    summary: 'make a grid be on this machine again, out of a backup',
    load: async () => (await import('./commands/restore.ts')).restoreCommand,
  },
  {
    name: 'zdb',
    summary: 'run and look after Zero-DB, the append-only store',
    load: async () => (await import('./commands/zdb/zdb.ts')).zdbCommand,
  },
  {
    name: 'bcdb',
    summary: 'run and use BCDB, the database whose every change is signed',
    load: async () => (await import('./commands/bcdb/bcdb.ts')).bcdbCommand,
  },
  {
    name: 'zstor',
    summary: 'keep files on many Zero-DBs with Zero-Stor',
    load: async () => (await import('./commands/zstor/zstor.ts')).zstorCommand,
  },
  {
    name: 's3',
    summary: 'run and look after S3 in front of Zero-Stor',
    load: async () => (await import('./commands/s3/s3.ts')).s3Command,
  },
  {
    name: 'flist',
    summary: 'make, sign and mount images without their data',
    load: async () => (await import('./commands/flist/flist.ts')).flistCommand,
  },
  {
    name: 'hub',
    summary: 'keep flists for others, and bring them there and back',
    load: async () => (await import('./commands/hub/hub.ts')).hubCommand,
  },
  {
    name: 'node',
    summary: 'make machines run workloads, and look after them',
    load: async () => (await import('./commands/node/node.ts')).nodeCommand,
  },
  {
    name: 'bot',
    summary: 'run digital selves that talk to each other',
    load: async () => (await import('./commands/bot/bot.ts')).botCommand,
  },
  {
    name: 'data',
    summary: 'keep records and files with a bot, and share them',
    load: async () => (await import('./commands/data/data.ts')).dataCommand,
  },
  {
    name: 'contract',
    summary: 'say what is to run, where it would run, what it costs',
    load: async () => (await import('./commands/contract/contract.ts')).contractCommand,
  },
  {
    name: 'audit',
    summary: 'verify what became of a contract, with no server',
    load: async () => (await import('./commands/audit/audit.ts')).auditCommand,
  },
  {
    name: 'market',
    summary: 'find capacity of others, ask what it costs, see what was agreed',
    load: async () => (await import('./commands/market/market.ts')).marketCommand,
  },
  {
    name: 'wallet',
    summary: 'balances, transfers, currencies and statements of a bot',
    load: async () => (await import('./commands/wallet/wallet.ts')).walletCommand,
  },
  {
    name: 'deploy',
    summary: 'run a solution, or what a file says, on nodes',
    load: async () => (await import('./commands/deploy.ts')).deployCommand,
  },
  {
    name: 'rollback',
    summary: 'bring back the version of a contract before the one that runs',
    load: async () => (await import('./commands/rollback.ts')).rollbackCommand,
  },
  {
    name: 'rm',
    summary: 'end a deployment, data and all',
    load: async () => (await import('./commands/rm.ts')).rmCommand,
  },
  {
    name: 'software',
    summary: 'release versions of the programs that nodes run',
    load: async () => (await import('./commands/software/software.ts')).softwareCommand,
  },
  {
    name: 'completion',
    summary: 'let a shell complete commands, options and names',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
  {
    name: 'demo',
    summary: 'show a whole grid of many owners at work',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  {
    name: 'explain',
    summary: 'say what an error code means and what to do',
    load: async () => (await import('./commands/explain.ts')).explainCommand,
  },
  {
    name: 'check',
    summary: 'check types, style, layers, dead code and documents',
    load: async () => (await import('./commands/check.ts')).checkCommand,
  },
  {
    name: 'test',
    summary: 'check, then run every test',
    load: async () => (await import('./commands/test.ts')).testCommand,
  },
  {
    name: 'bench',
    summary: 'measure against the rival in the same run',
    load: async () => (await import('./commands/bench.ts')).benchCommand,
  },
];
