/** Failures of the grid command and the one-machine grid. `code` is stable; texts may change. */
export type GridErrorCode =
  | 'GRID_USAGE' // a command or option is wrong: see the help of that command
  | 'GRID_INTERNAL' // a fault in grid itself: report it with the lines printed above it
  | 'GRID_HOME_UNUSABLE' // GRID_HOME cannot be created or written: mend its rights or choose another
  | 'GRID_HOME_FOREIGN' // GRID_HOME holds files of something else: choose an empty folder
  | 'GRID_FOLDER_FOREIGN' // the folder of a demo holds files of something else: name an empty or new one
  | 'GRID_HOME_NEWER' // a newer grid wrote GRID_HOME: use that version or a newer one
  | 'GRID_PORT_UNAVAILABLE' // a port is taken or not allowed: free it, or use `grid up --port-base 0`
  | 'GRID_PORTS_DIFFER' // the grid already runs on other ports: `grid down` first, or leave the option out
  | 'GRID_SHARDS_DIFFER' // the grid keeps its objects in another layout: leave --shards out, or begin a second grid
  | 'GRID_ALREADY_UP' // another supervisor holds this GRID_HOME: see it with `grid status`
  | 'GRID_NOT_UP' // the command needs a running grid: `grid up`, or name a server
  | 'GRID_ACCOUNT_UNKNOWN' // the bot has no part in such an account: `grid wallet account list`
  | 'GRID_COPY_FAILED' // a file or folder was not copied, and nothing of it is there: the message says why
  | 'GRID_COPY_REFUSED' // what came out of a container would reach out of the folder that it is copied to: copy a part of it
  | 'GRID_COPY_TOOLS_MISSING' // files are copied by sh, mktemp and tar of the container: use another container with that volume
  | 'GRID_CURRENCY_UNKNOWN' // no such currency is in the log: grid wallet currency list
  | 'GRID_CONTRACT_UNKNOWN' // the owner has no contract of that name or id, or it has ended: see `grid ls`
  | 'GRID_DATA_KEPT' // nobody may give these data up yet: `grid contract unpaid` says how long they are kept
  | 'GRID_DEPLOY_BLOCKED' // a contract is agreed and cannot be placed or ended now: the message says what it waits for
  | 'GRID_DEPLOY_FAILED' // a workload of the deployment does not run: the lines above and `grid events` say why
  | 'GRID_DEPLOYMENT_INVALID' // a file says no deployment that can be made: the message names the place
  | 'GRID_FARM_UNKNOWN' // the owner has no such farm, or several: `grid node farm create`, or name one with --farm
  | 'GRID_FILE_EXISTS' // a file that must be new is there already: name another, or move it away
  | 'GRID_FILE_UNREADABLE' // a file cannot be read, or is not what it should be: see the message
  | 'GRID_FILE_UNWRITABLE' // a file cannot be written: name one in a folder that you may write
  | 'GRID_CHECKOUT_UNFIT' // the folder of grid lacks what an image of it needs: the message says what
  | 'GRID_FLIST_UNKNOWN' // the repository has no such flist: `grid flist list`
  | 'GRID_FLIST_AMBIGUOUS' // several flists begin with these digits: give more of them
  | 'GRID_FLIST_PATH' // an flist has no such path, or it is something else: `grid flist ls FLIST`
  | 'GRID_FLIST_SOURCE' // a store does not have this source, or it cannot be one: `grid flist sources list`
  | 'GRID_FLIST_IN_USE' // what is mounted, or in use by a program, cannot be taken away: see the message
  | 'GRID_START_FAILED' // the program that starts an image did not start: correct its path
  | 'GRID_JOIN_TOKEN_EXPIRED' // a join token is good for some time only: let the owner make another, `grid node invite`
  | 'GRID_JOIN_TOKEN_INVALID' // a join token is cut off, changed, or of another version: copy all of it
  | 'GRID_NAME_AMBIGUOUS' // several things have that name here: give the id
  | 'GRID_NAME_TAKEN' // a contract of that name runs: choose another one, or end that: `grid rm`
  | 'GRID_NOT_CONTAINER' // nothing runs in a volume or namespace: name a container, `grid ls CONTRACT`
  | 'GRID_NODE_IN_USE' // a node runs that is to be wiped or taken off its machine: end `grid node start` first
  | 'GRID_NODE_JOINED' // the folder is that of a node that joined by another token: name another folder
  | 'GRID_NODE_NOT_JOINED' // there is no node in the folder: `grid node join`
  | 'GRID_NODE_UNKNOWN' // no adopted node of the owner is called that: `grid node list`, `grid node adopt`
  | 'GRID_IDENTITY_LOST' // the grid has a database, but its owner's key and words are gone: put the words back
  | 'GRID_BACKUP_DAMAGED' // a backup differs from what was backed up: take another one, or another copy of the place
  | 'GRID_BACKUP_FOREIGN' // the place has something else in it, or backups of another grid: name one of its own
  | 'GRID_BACKUP_LOCKED' // these words or this passphrase do not open the backup: give those of its owner
  | 'GRID_BACKUP_MISSING' // there is no whole backup at the place, or not the one that was named
  | 'GRID_BACKUP_OTHER_HEAD' // another head serves the S3 of this grid, from another folder or machine: end that one
  | 'GRID_BACKUP_PLACE_FAILED' // the folder or S3 for backups does not answer, or refuses: see the message
  | 'GRID_BACKUP_RUNNING' // a backup of the grid is being made already: wait until it has ended
  | 'GRID_BACKUP_TOO_LARGE' // a grid has more than the list of one backup can name: take out what is kept elsewhere
  | 'GRID_BOT_EXISTS' // the words have a bot already: give it a further key, or use other words
  | 'GRID_BOT_FULL' // the bot keeps as many contracts as it may: take files of closed ones out of its folder
  | 'GRID_BOT_RUNNING' // the process of a bot did not take its new key: end it, and start it again
  | 'GRID_BOT_STOPPED' // the bot does not run on this machine: `grid bot start`
  | 'GRID_BOT_UNKNOWN' // the words have no bot in this database: `grid bcdb bot new`, or name another database
  | 'GRID_BOT_WITHOUT_LOG' // the bot began while its database was away, and waits for it: see `grid status`
  | 'GRID_WORDS_MISSING' // a bot of the grid takes a key, for which its words are needed: put them back, once
  | 'GRID_KEY_MISSING' // a private namespace needs a key on this side: give --key-file with that of a reader
  | 'GRID_KEY_UNREADABLE' // a file holds no key: name one that `grid bcdb key new` made
  | 'GRID_RESTART_TIMEOUT' // a container was restarted and is not healthy in time: `grid logs` says what it prints
  | 'GRID_SHELL_MISSING' // the image of a container has no shell: `grid exec` runs programs that it has
  | 'GRID_VERSION_MISSING' // there is no version of the contract before, or nobody here kept it: build it again and let it replace this one
  | 'GRID_RELEASE_KEY_UNKNOWN' // releases of a log are signed by keys of its genesis: name such a key with --key-file
  | 'GRID_RELEASE_UNFIT' // an image is no release of a program: make one by `grid flist create --system`
  | 'GRID_TRUST_UNKNOWN' // nothing says which log a server must have: give --log and --sequencer
  | 'GRID_RESTORE_FIXED' // a grid cannot get the name of a link or of a mounted disk: name a folder in it by GRID_HOME
  | 'GRID_RESTORE_OCCUPIED' // a grid is restored into an empty folder only: name another by GRID_HOME
  | 'GRID_ROOT_NEEDED' // only root can do that: run it as root
  | 'GRID_DISK_FULL' // a disk has no room for what grid writes: make room, then do it again
  | 'GRID_SYSTEM_REFUSED' // the system refused something that grid did with a file: the message says what and why
  | 'GRID_SECRET_UNREADABLE' // a password file is missing, closed or empty: name another, or mend it
  | 'GRID_UNIT_FOREIGN' // a unit of systemd has that name and is not of this grid: choose --name, or take it away
  | 'GRID_UNIT_OUTSIDE' // a link in the image leads out of it, where the unit would go: make it relative, or a folder
  | 'GRID_UNIT_UNKNOWN' // the grid has no unit of that name: `grid install` writes one
  | 'GRID_SERVICE_UNKNOWN' // no service has that name: `grid status` lists them
  | 'GRID_SERVICE_FAILED' // a service ended while it started: its log, named in the message, says why
  | 'GRID_START_TIMEOUT' // a service was not ready in time: look at its log, then `grid up` again
  | 'GRID_SUPERVISOR_FAILED' // the supervisor ended while it started: run/supervisor.log says why
  | 'GRID_SUPERVISOR_UNREACHABLE' // the supervisor lives but does not answer: `grid down`, then `grid up`
  | 'GRID_CONTROL_REQUEST' // the supervisor was sent something that it does not understand: use one version
  | 'GRID_NAMESPACE_UNKNOWN' // the server has no namespace of that name: `grid zdb ns list`
  | 'GRID_NAMESPACE_EXISTS' // the server has a namespace of that name: choose another
  | 'GRID_SERVER_DENIED' // the server asks for another password: name the file that holds it
  | 'GRID_SERVER_FULL' // quota or disk of the server has no room: ask for less, or make room
  | 'GRID_SERVER_CONFLICT' // the state of the server or namespace forbids it: the message says which
  | 'GRID_TEST_NEEDS' // programs that tests need are missing: install the packages that are named
  | 'GRID_TEST_NONE' // no test file matches: use a part of a test file's path
  | 'GRID_BENCH_UNKNOWN' // no benchmark has that name: `grid bench` lists them
  | 'GRID_CODE_UNKNOWN'; // no error has that code: docs/errors.md lists them
