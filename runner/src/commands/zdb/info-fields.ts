/** The `name: value` lines of INFO and NSINFO. Section titles and empty lines are left out. */
export function parseFields(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^([^#:\s][^:]*):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields[name] = value;
  }
  return fields;
}
