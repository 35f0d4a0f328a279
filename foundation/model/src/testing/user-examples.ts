import type { RecordOf } from '../record-types.ts';
import { fakeId } from './ids.ts';

type UserUrl =
  | 'grid.anchor.1'
  | 'grid.appointment.1'
  | 'grid.bookmark.1'
  | 'grid.contact.1'
  | 'grid.file.1'
  | 'grid.message.1'
  | 'grid.note.1'
  | 'grid.task.1';

/** A sound payload of each type that users keep in namespaces of their own. */
export const userExamples: { readonly [Url in UserUrl]: RecordOf<Url> } = {
  'grid.anchor.1': { store: 'store-1', size: 1_000, root: fakeId.hash(1) },
  'grid.appointment.1': {
    title: 'Council',
    fromMs: 1_700_000_000_000,
    toMs: 1_700_003_600_000,
    zone: 'Europe/Brussels',
    isAllDay: false,
    repeats: { every: 'week', interval: 2, untilMs: 1_731_536_000_000 },
    place: 'Town hall',
    guests: [fakeId.bot(2)],
    about: 'Bring the plans',
  },
  'grid.bookmark.1': {
    url: 'https://example.org/plans',
    title: 'Plans',
    about: 'Of the new library',
    tags: ['town'],
    addedMs: 1_700_000_000_000,
  },
  'grid.contact.1': {
    name: 'Bea Vermeer',
    bot: fakeId.bot(2),
    organisation: 'Library',
    emails: [{ label: 'work', value: 'bea@example.org' }],
    phones: [{ label: 'mobile', value: '+32 2 555 12 34' }],
    postal: 'Koningsplein 1, Brussels',
    tags: ['friends'],
    note: 'Knows where the maps are',
  },
  'grid.file.1': {
    name: 'plan.pdf',
    folder: '/town/library',
    mediaType: 'application/pdf',
    sizeBytes: 123_456,
    hash: fakeId.hash(1),
    urls: ['s3://archive/plan.pdf'],
    changedMs: 1_700_000_000_000,
    tags: ['town'],
  },
  'grid.message.1': {
    from: fakeId.bot(2),
    to: [fakeId.bot(1)],
    sentMs: 1_700_000_000_000,
    readMs: 1_700_000_060_000,
    answers: 'message-1',
    folder: 'inbox',
    subject: 'The maps',
    body: 'They are in the second drawer.',
    files: ['file-1'],
  },
  'grid.note.1': {
    title: 'Drawers',
    format: 'markdown',
    body: '- second: maps',
    tags: ['library'],
    changedMs: 1_700_000_000_000,
  },
  'grid.task.1': {
    title: 'Scan the maps',
    state: 'open',
    dueMs: 1_700_086_400_000,
    assignee: fakeId.bot(2),
    about: 'At 600 dpi',
    tags: ['library'],
  },
};
