/** Failures of a node and of the workloads on it. Codes are stable; texts may change. */
export type NodeErrorCode =
  | 'NODE_ABSENT' // no node runs in that folder of this machine: start it with `grid node start`
  | 'NODE_ACCESS_INVALID' // what came over the socket of a node is no frame of it: use the same version on both sides
  | 'NODE_ACCESS_LOST' // the connection to a node broke off: see whether the node still runs, then try again
  | 'NODE_ADDRESSES_EXHAUSTED' // every address of the node's range is given: remove workloads, or begin the node with a larger range
  | 'NODE_BACKUP_BROKEN' // a backup cannot be unpacked: it is damaged or was broken off; the volume is as it was
  | 'NODE_BACKUP_UNKNOWN' // there is no backup of that name: see which there are
  | 'NODE_CLONED' // two machines have the key of the node: stop one and remove its folder, then adopt the node again
  | 'NODE_COMMAND_MISSING' // the image has no such program, or it cannot be run: correct the command, or look into the image
  | 'NODE_CONFIG_INVALID' // an option of the node cannot be used: the message says which and why
  | 'NODE_CONTAINER_FAILED' // the container could not be made: the message has what the runtime said
  | 'NODE_CONTAINER_INVALID' // a container cannot be what it is asked to be: the message says why
  | 'NODE_CONTAINER_NOT_RUNNING' // it has to run for that: start it, or look at why it ended
  | 'NODE_CONTAINER_STUCK' // its processes do not end, or the runtime does not answer: look at `dmesg`
  | 'NODE_DRAINING' // the node lets nothing new in: place it on another one, or `grid uncordon`
  | 'NODE_ENDED' // a workload ended by itself: look at its log, and at the exit code in the message
  | 'NODE_EXEC_FULL' // as many commands as may run in containers at once do: end one, then try again
  | 'NODE_FAULT' // a fault in the node itself: its log says more, the step is tried again
  | 'NODE_FEATURE_MISSING' // the machine lacks what a workload needs: the message names it, `grid node doctor` more
  | 'NODE_IMAGE_LOST' // the image of a container that runs was lost with the image service: it is started anew, unless its role never starts it again
  | 'NODE_IMAGE_UNAVAILABLE' // no hub that the node knows gives an image: upload it, or let the farmer name another hub
  | 'NODE_KEY_TAKEN' // two workloads have one short id: place the other one on another node
  | 'NODE_LET_GO' // the farm let the node go: what it runs is placed elsewhere, nothing new comes
  | 'NODE_LOG_DIFFERS' // a record of the log is another than it was: the source lies, or the log was rewritten
  | 'NODE_LOG_STUCK' // conmon does not begin a new log file: see whether it hangs, the container prints on
  | 'NODE_NETWORK_UNREADABLE' // the table of addresses is damaged, or of a later release: move it away, addresses are given anew
  | 'NODE_NOT_CONTAINER' // only containers are restarted: name one, `grid node workloads` says what each is
  | 'NODE_NOT_OWNER' // the token is not signed by a device of the bot that owns the contract: sign with one
  | 'NODE_OTHER_LOG' // the folder of the node has records of another grid: name another folder
  | 'NODE_OUT_OF_MEMORY' // a container used more memory than its role has: give it more, or find out what it keeps
  | 'NODE_POOL_BROKEN' // the file system of volumes cannot be mounted or takes no writes: nothing was changed, see `dmesg`
  | 'NODE_POOL_FOREIGN' // the disk or folder for volumes holds something else: empty it yourself, or name another one
  | 'NODE_PORT_TAKEN' // a port of the node's address is published already: publish another one
  | 'NODE_RECORD_INVALID' // a file of the folder source is no signed record, or its signature is wrong: remove it
  | 'NODE_RELEASE_BROKEN' // an image is no release of the node: the message says why; make one by `grid flist create --system`
  | 'NODE_RELEASE_FAILED' // a release did not hold its trial, and the node went back to the one before: mend it, then release another version
  | 'NODE_RELEASE_UNAVAILABLE' // a release cannot be fetched or kept here: the message says why; it is tried again
  | 'NODE_REMOTE' // the workload, or the node, is on another machine: run the command there, for nodes take none from elsewhere
  | 'NODE_RESTART_OVERTAKEN' // a workload was to be restarted, and is to be something else by now: see what, `grid node workloads`
  | 'NODE_RESTART_UNWANTED' // what is not to run is not restarted: see what it is to be, `grid node workloads`
  | 'NODE_ROLE_INVALID' // a role cannot be run as its contract has it: the message says why; make a new contract
  | 'NODE_ROOM_MISSING' // the node has less room than is asked for: the message has the figures
  | 'NODE_SECRET_MISMATCH' // a secret does not open, or is not what the contract committed to: seal it again to the node
  | 'NODE_SERVICE_UNKNOWN' // a node is open, cordoned or draining, and nothing else: use the same version on both sides
  | 'NODE_SINK_FORBIDDEN' // a sink of logs is an address of the node or of its tenants: name one elsewhere
  | 'NODE_SNAPSHOT_LIMIT' // a volume has as many snapshots as it may have: drop one
  | 'NODE_SNAPSHOT_UNKNOWN' // the volume has no snapshot of that name: see which it has
  | 'NODE_STATE_LATER' // a later release wrote the state of the node: start that one, or a later one
  | 'NODE_STEP_STALLED' // a step made no progress for too long: it is tried again
  | 'NODE_STEP_STUCK' // a step does not end though it was told to: look at `dmesg`; others are not held up
  | 'NODE_TENANTS_TOO_MANY' // the node has no user ids left for another tenant: place it on another node
  | 'NODE_TOKENS_TOO_MANY' // an owner has as many tokens in use as it may have: wait until some expire
  | 'NODE_SUPERVISOR_LOST' // the conmon of a container was ended: it is started anew, unless its role never starts it again
  | 'NODE_TOKEN_EXPIRED' // the token is too old: sign a new one; when that does not help, compare the clocks
  | 'NODE_TOKEN_INVALID' // this is no token, or its signature is wrong, or it is to last too long: sign a new one
  | 'NODE_TOKEN_OTHER_NODE' // the token is for another node, or another grid: sign one for this node
  | 'NODE_TOKEN_OTHER_REVISION' // the node runs another revision of the workload: look, then sign a new token
  | 'NODE_TOKEN_OTHER_VERB' // a token to read logs does not let run commands, nor the other way: sign another
  | 'NODE_TOKEN_USED' // each token is good for once: sign a new one
  | 'NODE_UNHEALTHY' // a probe failed: the message says how
  | 'NODE_USER_UNKNOWN' // the image has no such user or group: name one that it has, or give numbers
  | 'NODE_VOLUME_BUSY' // a volume is in use: stop the containers that have it
  | 'NODE_VOLUME_FULL' // what is copied or unpacked into a volume does not fit: make it larger
  | 'NODE_VOLUME_SHRINK' // a volume never gets smaller, a copy never smaller than what it copies: ask for as much as it has
  | 'NODE_VOLUME_UNKNOWN' // there is no such volume on this node: create it first
  | 'NODE_WORKLOAD_UNKNOWN' // the node runs no such workload: see which it has, `grid node workloads`
  | 'NODE_ZDB_INVALID' // a namespace cannot be what it is asked to be: the message says why
  | 'NODE_ZDB_REFUSED' // the Zero-DB did not do what it was asked for: the message has its words
  | 'NODE_ZDB_SILENT'; // a Zero-DB does not begin, or does not answer: look at its log, which the message names
