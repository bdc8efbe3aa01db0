import type { ClusterBootstrap, Limits, StoreId, TenantId, Timing } from "#kernel"

/** Where a store is found. Ports are never 0 here: `init` has chosen them. */
export type StoreAddress = {
  readonly store: StoreId
  readonly host: string
  /** For the other stores. */
  readonly peerPort: number
  /** For clients and operators. */
  readonly clientPort: number
}

/**
 * `node.json` of a node's directory, as `orrery init` writes it and `orrery start` reads it. Beside it lie
 * `tls/{ca.pem,node.pem,node.key}` and, once it has run, `lock`, `format.json`, `system/` and `tenants/<id>/`.
 */
export type NodeConfig = {
  readonly format: 1
  readonly cluster: string
  readonly store: StoreId
  /** All stores of the cluster, this one included, ascending. It listens at its own address. */
  readonly stores: readonly StoreAddress[]
  readonly tenants: readonly TenantId[]
  readonly bootstrap: ClusterBootstrap
  /** What differs from the kernel's defaults. */
  readonly timing: Partial<Timing>
  readonly limits: Partial<Limits>
}

/** `client/client.json` of a cluster: all a client needs to find it, beside `ca.pem`, `client.pem` and `client.key`. */
export type ClientConfig = {
  readonly format: 1
  readonly cluster: string
  readonly stores: readonly StoreAddress[]
}
