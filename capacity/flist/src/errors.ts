/** Failures of images, their store and the hub. Codes are stable; texts may change. */
export type FlistErrorCode =
  | 'FLIST_CORRUPT' // the bytes are no flist, or do not agree with themselves: fetch it again
  | 'FLIST_VERSION_UNKNOWN' // a newer release made it: use that release
  | 'FLIST_PRIVATE_UNSUPPORTED' // it is a private image, which this release cannot read: use a newer one
  | 'FLIST_TOO_LARGE' // more inodes, names or bytes than an image may have: the message says which
  | 'FLIST_NAME_INVALID' // a name is empty, `.` or `..`, too long, or has a slash or zero in it: rename it
  | 'FLIST_NODE_INVALID' // an inode has a mode, size, time, target or number that images cannot have: correct it
  | 'FLIST_NOT_DIRECTORY' // a path goes through a file, or a directory is needed: correct the path
  | 'FLIST_LINK_BROKEN' // a hard link leads to nothing or to a directory: the archive lacks the file
  | 'FLIST_LINK_LOOP' // symlinks on a path lead in a circle, or too far: correct the links
  | 'FLIST_CONFIG_INVALID' // a field of the config has another type than OCI gives it: the message names it
  | 'FLIST_SIGNATURE_INVALID' // a signature is damaged, of another image or not by its key: do not trust it
  | 'FLIST_ID_OUT_OF_RANGE' // a uid or gid is above 65,535: give the file another owner
  | 'FLIST_XATTR_FORBIDDEN' // an attribute that images may not have: leave it out
  | 'FLIST_DEVICE_UNSUPPORTED' // a character device 0:0, which overlayfs takes for a removed file: remove it
  | 'FLIST_FUSE_UNSUPPORTED' // the FUSE of the kernel is too old: use Linux 5.10 or later
  | 'FLIST_MOUNT_FAILED' // the system refuses to mount or unmount: the message has its words
  | 'FLIST_MOUNT_EXISTS' // a mount has this name already: unmount it, or use another name
  | 'FLIST_MOUNT_UNKNOWN' // no mount has this name, or none that is traced: list the mounts
  | 'FLIST_SERVICE_CONFIG_INVALID' // the service.json of a store is missing or wrong: the message says how
  | 'FLIST_TARGET_INVALID' // an image cannot be mounted there or so named: give an empty folder
  | 'FLIST_TOO_MANY_MOUNTS' // as many images are mounted as a store may have: unmount one
  | 'FLIST_WRITABLE_MISMATCH' // what a folder has was written over another image: give an empty one
  | 'FLIST_TAR_INVALID' // the bytes are no tar, or it ends too early: make or fetch it again
  | 'FLIST_TAR_UNSUPPORTED' // a sparse file, or something else that is not read from tars: make it as plain pax
  | 'FLIST_HASH_INVALID' // a text is not 64 lowercase hex digits: correct it
  | 'FLIST_CHUNK_CORRUPT' // the bytes of a chunk are not what its hash says: take it from another source
  | 'FLIST_CHUNK_UNAVAILABLE' // no source gives a chunk: the message says which and why, try again
  | 'FLIST_OBJECT_UNKNOWN' // a store is asked for content that no flist it knows names: add the flist first
  | 'FLIST_STORE_FULL' // what mounted images need fills the store: give it more bytes, or unmount one
  | 'FLIST_DISK_FULL' // the disk of a store is full: make room; what is read comes from the sources meanwhile
  | 'FLIST_STORE_DAMAGED' // somebody else changes the folder of a store: let nobody else write there
  | 'FLIST_CHUNKS_MISSING' // an flist is put before its chunks: put those that the details name first
  | 'FLIST_BLOB_CORRUPT' // a layer or a manifest has other bytes than its digest says, or does not unpack: fetch it again
  | 'FLIST_FILE_CHANGED' // something wrote to a file while it was read: stop that, then try again
  | 'FLIST_FILE_UNREADABLE' // a file or folder is missing or may not be read: the message says which
  | 'FLIST_TOOL_MISSING' // a program of the system is not installed: the hint says how to get it
  | 'FLIST_MANIFEST_INVALID' // a manifest, index or config is not as OCI says: make the image again
  | 'FLIST_MEDIA_TYPE_UNKNOWN' // something in an image is of a type that is not read here: the hint says which are
  | 'FLIST_PLATFORM_ABSENT' // there is no image for the platform: the hint lists those that there are
  | 'FLIST_IMAGE_ABSENT' // there is no image or blob of that name: correct the reference
  | 'FLIST_REFERENCE_INVALID' // a text names no image in a registry: write host/name:tag
  | 'FLIST_LAYOUT_INVALID' // a folder has no images of OCI, or other files: name another folder
  | 'FLIST_REGISTRY_DENIED' // the registry wants other credentials: give a user who may read or write there
  | 'FLIST_REGISTRY_FAILED' // a registry does not answer, or answers nonsense: the message has its words
  | 'FLIST_REGISTRY_INSECURE' // plain HTTP to another machine: use HTTPS, or allow it explicitly
  | 'FLIST_SOURCE_FAILED' // a source of chunks does not answer or answers nonsense: try again
  | 'HUB_REQUEST_INVALID' // a request to a hub is malformed: the message says what it has to be
  | 'HUB_NAME_INVALID' // a user, name or tag has other characters than those may have: correct it
  | 'HUB_NOT_FOUND' // the hub has no such image, name, chunk or path: correct the name
  | 'HUB_METHOD_REFUSED' // the path has other methods: the hint says which
  | 'HUB_SIGNATURE_NEEDED' // a change, or a question ahead of one, is not signed: give a key
  | 'HUB_SIGNATURE_REFUSED' // a request is signed wrongly, or for another hub: use the hub's own address
  | 'HUB_TIME_REFUSED' // a request is more than five minutes off the hub's clock: set the clock
  | 'HUB_REPLAYED' // the very same request came before: sign a new one
  | 'HUB_KEY_UNKNOWN' // the key directory does not know the key: register it, or use another
  | 'HUB_DIRECTORY_UNREACHABLE' // the hub cannot ask whose a key is, so nothing is changed: try again
  | 'HUB_TOO_MANY_FAILURES' // an address or key sent many requests with wrong signatures: wait as Retry-After says
  | 'HUB_BODY_MISMATCH' // the body is not the one that was signed: somebody changed it, send it again
  | 'HUB_DENIED' // the name or key belongs to another user: use one of your own
  | 'HUB_QUOTA_REACHED' // the user's images or uploads would be above the quota: delete some
  | 'HUB_TOO_LARGE' // a body is too long, or a user has too many names: send less, or delete some
  | 'HUB_TOO_SLOW' // a body came too slowly: send it again
  | 'HUB_LINK_LOOP' // links lead in a circle, or over more than 16 names: link to the image itself
  | 'HUB_BUSY' // the hub has as much to do as it can: try again
  | 'HUB_FAILED' // a fault of the hub: its log says more
  | 'HUB_LISTEN_FAILED' // the port of the hub cannot be opened: choose another
  | 'HUB_UNREACHABLE' // the hub does not answer: see that it runs, try again
  | 'HUB_REPLY_INVALID'; // what answers is no hub, or lies: check the address
