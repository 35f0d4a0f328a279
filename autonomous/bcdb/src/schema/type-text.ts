import type { SchemaDocument } from './schema-document.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * A TypeScript declaration of the payloads of a schema.
 *
 *     export interface Contact {
 *       readonly name: string;
 *     }
 */
export function typesOf(document: SchemaDocument, name: string): string {
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) throw new TypeError(`${name} is no name of a type`);
  const { root } = document;
  const isMap = root.patternProperties !== undefined;
  const isPlain = !isMap && typeof root.additionalProperties !== 'object';
  const [head, end] = isPlain ? [`interface ${name} `, ''] : [`type ${name} = `, ';'];
  return `${comment(root, '')}export ${head}${typeText(root, '')}${end}\n`;
}

function typeText(node: SchemaNode, indent: string): string {
  if (node.anyOf !== undefined) return unionText(node.anyOf.map((one) => typeText(one, indent)));
  if (node.enum !== undefined) return unionText(node.enum.map(literalText));
  if ('const' in node) return literalText(node.const);
  switch (node.type) {
    case 'object':
      return objectText(node, indent);
    case 'array':
      return `readonly (${typeText(node.items ?? {}, indent)})[]`.replace(/\(([\w$]+)\)/, '$1');
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return node.type;
    case undefined:
    default:
      return 'unknown';
  }
}

function objectText(node: SchemaNode, indent: string): string {
  const { properties = {}, required = [], patternProperties = {} } = node;
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(([name, property]) => {
    const mark = required.includes(name) ? '' : '?';
    const member = `${memberName(name)}${mark}: ${typeText(property, inner)}`;
    return `${comment(property, inner)}${inner}readonly ${member};\n`;
  });
  const others = Object.values(patternProperties)[0] ?? node.additionalProperties ?? false;
  if (others !== false) {
    // Beside named members an index signature must fit them all.
    const isMap = lines.length === 0 && typeof others === 'object';
    const type = isMap ? typeText(others, inner) : 'unknown';
    lines.push(`${inner}readonly [name: string]: ${type};\n`);
  }
  return lines.length === 0 ? '{}' : `{\n${lines.join('')}${indent}}`;
}

function unionText(texts: readonly string[]): string {
  return [...new Set(texts)].join(' | ');
}

function literalText(value: unknown): string {
  return typeof value === 'string' ? quoted(value) : JSON.stringify(value ?? null);
}

/** What a schema says about itself must not end the comment. */
function comment({ title, description }: SchemaNode, indent: string): string {
  const text = [title, description].filter((one) => one !== undefined).join(': ');
  if (text === '') return '';
  const safe = text.replaceAll(/[\s\p{Cc}\u2028\u2029]+/gu, ' ').replaceAll('*/', '* /');
  return `${indent}/** ${safe} */\n`;
}

function memberName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

function quoted(text: string): string {
  const inner = JSON.stringify(text)
    .slice(1, -1)
    .replaceAll(String.raw`\"`, '"');
  return `'${inner.replaceAll("'", String.raw`\'`)}'`;
}
