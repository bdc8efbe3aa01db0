import type { StoreId } from "#kernel"

// What a certificate of a cluster says of its bearer: one URI among its alternative names. A URI, since nothing else
// there can name both cluster and store without being mistaken for a host.

const CLUSTER = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
const STORE_URI = new RegExp(`^URI:orrery://(${CLUSTER})/store/([1-9][0-9]{0,15})$`)
const CLIENT_URI = new RegExp(`^URI:orrery://(${CLUSTER})/client/([A-Za-z0-9._-]{1,64})$`)
const ANY_URI = /^URI:/

/** The client that may give orders to a cluster. */
const OPERATOR = "operator"

/** How a cluster is named, as `orrery init` draws it: a UUID in lower case. */
export const CLUSTER_PATTERN: RegExp = new RegExp(`^${CLUSTER}$`)

export function storeUri(cluster: string, store: StoreId): string {
  return `orrery://${cluster}/store/${store}`
}

export function clientUri(cluster: string, name: string): string {
  return `orrery://${cluster}/client/${name}`
}

export type StoreIdentity = { readonly cluster: string; readonly store: StoreId }

/**
 * The store that a certificate was made for, by its alternative names as Node writes them; null when it was made for
 * none, or for more than one thing. Node quotes every name that holds a comma or a quote, so no name can pass for two.
 */
export function storeOfNames(subjectAltName: string | undefined): StoreIdentity | null {
  const match = onlyUri(subjectAltName, STORE_URI)
  if (match === null) return null
  const store = Number(match[2])
  return Number.isSafeInteger(store) ? { cluster: match[1]!, store } : null
}

export type ClientIdentity = {
  readonly cluster: string
  /** Letters, digits, `.`, `_` and `-`. */
  readonly name: string
  /** An operator may give orders to groups; a client reads, writes and looks. */
  readonly role: "operator" | "client"
}

/** The client that a certificate was made for, likewise; the certificates of stores are none. */
export function clientOfNames(subjectAltName: string | undefined): ClientIdentity | null {
  const match = onlyUri(subjectAltName, CLIENT_URI)
  if (match === null) return null
  const name = match[2]!
  return { cluster: match[1]!, name, role: name === OPERATOR ? "operator" : "client" }
}

function onlyUri(subjectAltName: string | undefined, pattern: RegExp): RegExpExecArray | null {
  const uris = (subjectAltName ?? "").split(", ").filter((name) => ANY_URI.test(name))
  return uris.length === 1 ? pattern.exec(uris[0]!) : null
}
