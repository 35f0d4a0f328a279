/** Failures of solutions. `code` is stable; texts may change. */
export type SolutionErrorCode =
  | 'SOLUTION_UNKNOWN' // no solution has that name: `grid deploy --list`; a file has a / or ends in .json
  | 'SOLUTION_ANSWER_INVALID' // an answer is not what its question asks for: the message says what is
  | 'SOLUTION_ANSWER_MISSING' // nobody can be asked, and answers are missing: write them down, or say --yes
  | 'SOLUTION_IMAGE_UNMADE' // an image that the hub lacks cannot be made on this machine: the message says why
  | 'SOLUTION_ANSWER_UNKNOWN'; // there is no such question: `grid deploy SOLUTION --schema` has all of them
