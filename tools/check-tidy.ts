// Repository hygiene: sizes, names, and traces of one person's machine.
import { findTidyFaults } from './tidy.ts';
import { readSourceFiles, reportFaults } from './source-files.ts';

const files = await readSourceFiles('**/*', '.ci/*', '.*rc*');

reportFaults(files.flatMap(findTidyFaults));
