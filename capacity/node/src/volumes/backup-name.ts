import type { BotId } from '@commongrid/model';

/**
 * What a backup is called at the target. Contracts name it without the tenant, so that nobody can have
 * one of somebody else restored.
 * @param name as a contract has it: `KEY/auto-2026-11-21t22-30-00`, KEY being that of the volume
 */
export function backupName(tenant: BotId, name: string): string {
  return `${tenant}/${name}`;
}
